//go:build linux

package spool

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// smallDisk mounts a file system of a few bytes, where that is allowed.
func smallDisk(t *testing.T, bytes int) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d", bytes)); err != nil {
		t.Skipf("cannot mount a small disk here: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Errorf("unmount: %v", err)
		}
	})
	return dir
}

// fillDisk takes all the room that is left; the returned function gives it back.
func fillDisk(t *testing.T, dir string) func() {
	t.Helper()
	f, err := os.Create(filepath.Join(dir, "ballast"))
	if err != nil {
		t.Fatal(err)
	}
	for size := 1 << 20; size > 0; {
		if _, err := f.Write(make([]byte, size)); err != nil {
			size /= 2
		}
	}
	_ = f.Close()
	return func() {
		if err := os.Remove(f.Name()); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAFullDiskCostsNothingThatFitsInMemory(t *testing.T) {
	disk := smallDisk(t, 4<<20)
	cfg := config(t)
	cfg.Dir = filepath.Join(disk, "spool")
	s := open(t, cfg)
	put(t, s, Reading, "on disk")
	free := fillDisk(t, disk)
	body := func(i int) []byte { return []byte(fmt.Sprintf("%04d%s", i, strings.Repeat("x", 1000))) }
	var inMemory int
	for i := range 100 {
		if err := s.Put(Record{Class: Reading, Body: body(i)}); errors.Is(err, ErrInMemory) {
			inMemory++
		}
	}
	if err := s.Put(Record{Class: Evidence, Body: []byte("proof")}); err != nil && !errors.Is(err, ErrInMemory) {
		t.Fatal(err)
	}
	st := s.Stats()
	if !st.Degraded || inMemory < 90 || !strings.Contains(st.LastError, "no space") {
		t.Errorf("%d in memory, stats %+v", inMemory, st)
	}
	lost := int(st.Readings.Dropped)
	if onDisk := 101 - inMemory; lost != 0 && lost != onDisk { // all on disk gave way to evidence, or none
		t.Errorf("%d lost, %d were on disk: memory had room for all", lost, onDisk)
	}

	free()
	if err := s.Put(Record{Class: Reading, Body: []byte("afterwards")}); err != nil {
		t.Fatal(err)
	}
	if st = s.Stats(); st.Degraded || st.MemoryBytes != 0 {
		t.Errorf("stats %+v", st)
	}
	_ = s.Close()
	s = open(t, cfg)
	_, bodies := take(t, s.Queue(Reading))
	if len(bodies) != 102-lost || bodies[len(bodies)-1] != "afterwards" {
		t.Errorf("%d of 102 found again, the last is %.20q", len(bodies), bodies[len(bodies)-1])
	}
	_, bodies = take(t, s.Queue(Evidence))
	wantBodies(t, bodies, "proof")
}

func TestOnAFullDiskMemoryIsBoundedAndLossIsCounted(t *testing.T) {
	disk := smallDisk(t, 4<<20)
	cfg := config(t)
	cfg.Dir = filepath.Join(disk, "spool")
	cfg.MaxMemoryBytes = 100 << 10
	s := open(t, cfg)
	fillDisk(t, disk)
	body := strings.Repeat("x", 1000)
	for range 1000 {
		_ = s.Put(Record{Class: Reading, Body: []byte(body)})
	}
	st := s.Stats()
	if st.MemoryBytes > cfg.MaxMemoryBytes {
		t.Errorf("%d bytes in memory, want at most %d", st.MemoryBytes, cfg.MaxMemoryBytes)
	}
	_, bodies := take(t, s.Queue(Reading))
	if len(bodies)+int(st.Readings.Dropped) != 1000 || len(bodies) < 50 {
		t.Errorf("%d left and %d dropped of 1000", len(bodies), st.Readings.Dropped)
	}
}

func TestEvidenceTakesTheRoomOfReadingsOnAFullDisk(t *testing.T) {
	disk := smallDisk(t, 4<<20)
	cfg := config(t)
	cfg.Dir = filepath.Join(disk, "spool")
	s := open(t, cfg)
	body := strings.Repeat("x", 10_000)
	for range 100 {
		put(t, s, Reading, body)
	}
	fillDisk(t, disk)
	proof := strings.Repeat("e", 100_000)
	if err := s.Put(Record{Class: Evidence, Body: []byte(proof)}); err != nil {
		t.Fatalf("evidence is not on disk: %v", err)
	}
	if st := s.Stats(); st.Readings.Dropped == 0 || st.Evidence.Len != 1 {
		t.Errorf("stats %+v", st)
	}
}

// TestSurvivesKill9 kills a process that puts records, time after time, and
// finds each one whose Put had returned, once.
func TestSurvivesKill9(t *testing.T) {
	cfg := config(t)
	cfg.MaxBytes = 8 << 20
	next := 0
	for round := range 10 {
		promised := putAndDie(t, cfg.Dir, next, 200+round*37)
		s := open(t, cfg)
		for _, class := range []Class{Reading, Evidence} {
			seen := map[string]int{}
			ids, bodies := take(t, s.Queue(class))
			for _, b := range bodies {
				seen[b]++
			}
			for _, want := range promised[class] {
				if seen[want] != 1 {
					t.Fatalf("round %d: %s %q found %d times", round, class, want, seen[want])
				}
			}
			s.Queue(class).Ack(ids...)
		}
		_ = s.Close()
		next += 100_000
	}
}

// putAndDie returns what the process had put, by its own word, when it was
// killed after so many records.
func putAndDie(t *testing.T, dir string, from, after int) map[Class][]string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestPutUntilKilled$")
	cmd.Env = append(os.Environ(), "SPOOL_DIR="+dir, fmt.Sprint("SPOOL_FROM=", from))
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	promised := map[Class][]string{}
	lines := bufio.NewScanner(out)
	for n := 0; lines.Scan(); n++ {
		if class, body, ok := strings.Cut(lines.Text(), " "); ok {
			promised[Class(class)] = append(promised[Class(class)], body)
		}
		if n == after {
			_ = cmd.Process.Kill()
			_, _ = io.Copy(io.Discard, out)
			break
		}
	}
	if err := cmd.Wait(); err == nil {
		t.Fatal("the process ended by itself")
	}
	if len(promised[Reading]) < 100 || len(promised[Evidence]) == 0 {
		t.Fatalf("only %d readings and %d of evidence put", len(promised[Reading]), len(promised[Evidence]))
	}
	return promised
}

// TestPutUntilKilled is the process of TestSurvivesKill9.
func TestPutUntilKilled(t *testing.T) {
	dir := os.Getenv("SPOOL_DIR")
	if dir == "" {
		t.Skip("the helper process of TestSurvivesKill9")
	}
	cfg := DefaultConfig()
	cfg.Dir, cfg.MaxBytes = dir, 8<<20
	s, err := Open(cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	var from int
	_, _ = fmt.Sscan(os.Getenv("SPOOL_FROM"), &from)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for i := from; ctx.Err() == nil; i++ {
		class := Reading
		if i%20 == 0 {
			class = Evidence
		}
		body := fmt.Sprintf("%d-%s", i, strings.Repeat("x", i%300))
		if err := s.Put(Record{Class: class, Body: []byte(body)}); err != nil {
			t.Fatal(err)
		}
		fmt.Println(class, body)
	}
}
