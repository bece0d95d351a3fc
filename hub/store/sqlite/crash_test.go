package sqlite_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/zupee/memwatch"
	"github.com/zupee/memwatch/hub/store"
	"github.com/zupee/memwatch/hub/store/sqlite"
	"github.com/zupee/memwatch/hub/store/storetest"
)

// killedPath names the database for the process that is killed.
const killedPath = "MEMWATCH_TEST_DATABASE"

// writers is how many instances the killed process writes at the same time.
const writers = 4

// TestKilled kills a writing process again and again and looks at what it left:
// all that was acknowledged, in order, each once, and alerts and verdicts too.
func TestKilled(t *testing.T) {
	if path := os.Getenv(killedPath); path != "" {
		writeForEver(path)
	}
	cfg := sqlite.Config{Path: filepath.Join(t.TempDir(), "hub.db"), ChunkReadings: 20}
	acked := make([]int, writers) // the first reading of each that was not acknowledged
	rounds := 8                   // 50 with MEMWATCH_TEST_KILLS=50
	if n, err := strconv.Atoi(os.Getenv("MEMWATCH_TEST_KILLS")); err == nil {
		rounds = n
	}
	for round := range rounds {
		runAndKill(t, cfg.Path, 60+45*(round%8), acked)
		s := open(t, cfg)
		for w, n := range acked {
			name := fmt.Sprintf("w%d", w)
			got := storetest.All(t, s, name)
			if len(got) < n || !slices.Equal(got, storetest.Samples(storetest.Sequence("", 0, len(got)))) {
				t.Fatalf("round %d, %s: %d readings back, %d acknowledged, or not the same", round, name, len(got), n)
			}
			// What it sends again after the crash must not double.
			if again := storetest.MustAppend(t, s, storetest.Sequence(name, 0, len(got))); again.Stored != 0 || again.Duplicates != len(got) {
				t.Fatalf("round %d: sent again: %+v", round, again)
			}
			a, err := s.Alert(context.Background(), name)
			if err != nil || a.HeapUsedMB < float64(n-1) {
				t.Fatalf("round %d: alert %+v, %v: want at least %d", round, a, err, n-1)
			}
			log, err := s.AlertLog(context.Background(), name)
			if err != nil || len(log) == 0 || float64(log[len(log)-1].Time) != a.HeapUsedMB {
				t.Fatalf("round %d: the log's last line is not the alert's %v: %d lines, %v", round, a.HeapUsedMB, len(log), err)
			}
		}
		if err := s.Check(context.Background()); err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// runAndKill lets the process acknowledge n writes and kills it. It notes them
// in acked.
func runAndKill(t *testing.T, path string, n int, acked []int) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestKilled$")
	cmd.Env = append(os.Environ(), killedPath+"="+path)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	count := 0
	for lines := bufio.NewScanner(out); lines.Scan(); {
		var w, next int
		if _, err := fmt.Sscan(lines.Text(), &w, &next); err != nil {
			t.Fatalf("%q: %v", lines.Text(), err)
		}
		acked[w] = max(acked[w], next)
		if count++; count == n {
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if _ = cmd.Wait(); count < n {
		t.Fatalf("the process ended by itself after %d writes", count)
	}
}

// writeForEver goes on from where each instance ended, a few readings at a
// time, and prints how far it has come whenever that is durable.
func writeForEver(path string) {
	ctx := context.Background()
	s, err := sqlite.Open(ctx, sqlite.Config{Path: path, ChunkReadings: 20, CommitEvery: time.Millisecond})
	if err != nil {
		panic(err)
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	for w := range writers {
		name := fmt.Sprintf("w%d", w)
		series, _, err := s.Readings(ctx, store.Query{Service: "checkout", Instance: name, MaxPoints: 100_000})
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			panic(err)
		}
		next := 0
		if len(series) > 0 {
			next = len(series[0].Readings)
		}
		wg.Go(func() {
			for {
				if _, err := s.Append(ctx, storetest.Sequence(name, next, next+1+next%5)); err != nil {
					panic(err)
				}
				next += 1 + next%5
				if _, err := s.SaveAlert(ctx, memwatch.Alert{ID: name, State: memwatch.AlertFiring, HeapUsedMB: float64(next)},
					memwatch.Transition{Time: memwatch.UnixMilli(next), Action: memwatch.ActionWorsen, Who: "memwatch"}); err != nil {
					panic(err)
				}
				mu.Lock()
				fmt.Println(w, next)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
}

func TestABrokenFileIsRefusedWithAHint(t *testing.T) {
	fresh := func(t *testing.T) string {
		path := filepath.Join(t.TempDir(), "hub.db")
		s := open(t, sqlite.Config{Path: path, ChunkReadings: 10, CommitEvery: time.Nanosecond})
		storetest.MustAppend(t, s, storetest.Sequence("a", 0, 2000))
		for i := range 20 {
			if _, err := s.SaveAlert(context.Background(), memwatch.Alert{ID: fmt.Sprint(i), Message: strings.Repeat("x", 3000)}); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for name, tc := range map[string]struct {
		harm func(t *testing.T, path string)
		want error
		text string
	}{
		"not a database": {func(t *testing.T, path string) {
			if err := os.WriteFile(path, []byte(strings.Repeat("these are not the bytes of a database ", 500)), 0o600); err != nil {
				t.Fatal(err)
			}
		}, store.ErrCorrupt, "restore a backup, or move the file away to begin anew"},
		"overwritten pages": {func(t *testing.T, path string) {
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			for page := 1; page < len(data)/4096; page++ {
				copy(data[page*4096:], strings.Repeat("\xff", 64))
			}
			if err := os.WriteFile(path, data, 0o600); err != nil {
				t.Fatal(err)
			}
		}, store.ErrCorrupt, "restore a backup"},
		"cut off": {func(t *testing.T, path string) {
			if err := os.Truncate(path, 12*4096); err != nil {
				t.Fatal(err)
			}
		}, store.ErrCorrupt, "restore a backup"},
		"newer": {func(t *testing.T, path string) {
			exec1(t, path, "INSERT INTO goose_db_version (version_id, is_applied) VALUES (9999, 1)")
		}, store.ErrNewer, "it has version 9999 and this memwatch-hub knows up to 3: run the newer memwatch-hub, or restore a backup of before the upgrade"},
		"in use": {func(t *testing.T, path string) {
			open(t, sqlite.Config{Path: path})
		}, store.ErrLocked, "stop the other memwatch-hub, or give this one its own --data"},
	} {
		t.Run(name, func(t *testing.T) {
			path := fresh(t)
			tc.harm(t, path)
			s, err := sqlite.Open(context.Background(), sqlite.Config{Path: path})
			if err == nil {
				_ = s.Close()
			}
			if !errors.Is(err, tc.want) || !strings.Contains(err.Error(), tc.text) || !strings.Contains(err.Error(), path) {
				t.Errorf("got %v\nwant %v with %q and the path", err, tc.want, tc.text)
			}
		})
	}
}

func TestADamagedChunkCostsOnlyItself(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hub.db")
	s := open(t, sqlite.Config{Path: path, ChunkReadings: 10})
	for i := range 10 {
		storetest.MustAppend(t, s, storetest.Sequence("a", i*10, i*10+10))
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	exec1(t, path, "UPDATE chunks SET data = zeroblob(length(data)) WHERE id = 3")
	s = open(t, sqlite.Config{Path: path})
	if got := len(storetest.All(t, s, "a")); got < 80 || got > 95 {
		t.Errorf("%d readings of 100 with one chunk damaged", got)
	}
	st, err := s.Stats(context.Background())
	if err != nil || st.Damaged == 0 {
		t.Errorf("damage is not counted: %+v, %v", st, err)
	}
	if err := s.Check(context.Background()); !errors.Is(err, store.ErrCorrupt) || !strings.Contains(err.Error(), "chunk 3") {
		t.Errorf("Check: %v", err)
	}
}

func TestAFullDatabaseSaysSoAndGoesOnAfterPrune(t *testing.T) {
	ctx := context.Background()
	s := open(t, sqlite.Config{MaxBytes: 256 << 10, ChunkReadings: 60, CommitEvery: time.Nanosecond, Retention: store.Retention{KeepReadings: time.Hour, KeepMinutes: time.Hour, KeepTenMinutes: time.Hour}})
	rng := rand.New(rand.NewPCG(3, 3))
	noise := func(from, to int) []store.Reading {
		readings := storetest.Sequence("a", from, to)
		for i := range readings {
			for sig := range memwatch.SignalCount {
				readings[i].Sample.Set(sig, rng.Float64())
			}
		}
		return readings
	}
	var err error
	var want []memwatch.Sample
	n := 0
	for ; n < 10_000 && err == nil; n += 50 {
		part := noise(n, n+50)
		if _, err = s.Append(ctx, part); err == nil {
			want = append(want, storetest.Samples(part)...)
		}
	}
	if !errors.Is(err, store.ErrFull) || !strings.Contains(err.Error(), "free disk space or shorten the retention") {
		t.Fatalf("after %d readings: %v", n, err)
	}
	if got := storetest.All(t, s, "a"); !slices.Equal(got, want) {
		t.Errorf("%d readings back of %d, or not the same", len(got), len(want))
	}
	if _, err := s.Prune(ctx, storetest.T0.Add(time.Duration(n)*10*time.Second)); err != nil {
		t.Fatalf("prune a full database: %v", err)
	}
	last := noise(n, n+50)
	storetest.MustAppend(t, s, last)
	got := storetest.All(t, s, "a")
	if len(got) < 50 || !slices.Equal(got[len(got)-50:], storetest.Samples(last)) {
		t.Errorf("%d readings after the prune", len(got))
	}
}
