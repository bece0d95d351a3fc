package spool

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t *testing.T, cfg Config) *Spool {
	t.Helper()
	s, err := Open(cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func config(t *testing.T) Config {
	cfg := DefaultConfig()
	cfg.Dir = filepath.Join(t.TempDir(), "spool")
	return cfg
}

func put(t *testing.T, s *Spool, class Class, bodies ...string) {
	t.Helper()
	for _, b := range bodies {
		if err := s.Put(Record{Class: class, Body: []byte(b)}); err != nil {
			t.Fatal(err)
		}
	}
}

// take hands out all that waits, with the ids.
func take(t *testing.T, q Queue) (ids []uint64, bodies []string) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for {
		id, body, ok := tryNext(ctx, q)
		if !ok {
			return ids, bodies
		}
		ids, bodies = append(ids, id), append(bodies, body)
	}
}

// tryNext is Next without the wait.
func tryNext(_ context.Context, q Queue) (uint64, string, bool) {
	q.s.mu.Lock()
	defer q.s.mu.Unlock()
	id, r, ok := q.log().next()
	return id, string(r.Body), ok
}

func wantBodies(t *testing.T, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func numbered(from, to int) (out []string) {
	for i := from; i < to; i++ {
		out = append(out, fmt.Sprintf("record %d %s", i, strings.Repeat("x", i%50)))
	}
	return out
}

func TestHandsOutInOrderUntilAcknowledged(t *testing.T) {
	for _, class := range []Class{Reading, Evidence} {
		t.Run(string(class), func(t *testing.T) {
			s := open(t, config(t))
			q := s.Queue(class)
			put(t, s, class, "a", "b", "c", "d")
			ids, bodies := take(t, q)
			wantBodies(t, bodies, "a", "b", "c", "d")
			q.Ack(ids[2], ids[0])
			q.Requeue()
			ids, bodies = take(t, q)
			wantBodies(t, bodies, "b", "d")
			q.Ack(ids...)
			q.Requeue()
			if _, bodies = take(t, q); len(bodies) > 0 || q.Len() != 0 {
				t.Errorf("still has %q, length %d", bodies, q.Len())
			}
		})
	}
}

func TestNextWaitsAndEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, config(t))
		got := make(chan string, 1)
		go func() {
			_, body, _, err := s.Queue(Reading).Next(t.Context())
			got <- fmt.Sprint(string(body), err)
		}()
		synctest.Wait()
		put(t, s, Evidence, "of another class")
		synctest.Wait()
		put(t, s, Reading, "late")
		if g := <-got; g != "late<nil>" {
			t.Errorf("got %s", g)
		}

		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, _, _, err := s.Queue(Reading).Next(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v, want the context's", err)
		}
		go func() {
			_, _, _, err := s.Queue(Reading).Next(t.Context())
			got <- err.Error()
		}()
		synctest.Wait()
		_ = s.Close()
		if g := <-got; g != ErrClosed.Error() {
			t.Errorf("error %s, want ErrClosed", g)
		}
	})
}

func TestSurvivesReopening(t *testing.T) {
	cfg := config(t)
	s := open(t, cfg)
	put(t, s, Reading, numbered(0, 1000)...)
	put(t, s, Evidence, "e1", "e2")
	ids, _ := take(t, s.Queue(Reading))
	s.Queue(Reading).Ack(ids[:400]...)
	ids, _ = take(t, s.Queue(Evidence))
	s.Queue(Evidence).Ack(ids[0])
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}

	s = open(t, cfg)
	_, bodies := take(t, s.Queue(Reading))
	wantBodies(t, bodies, numbered(400, 1000)...)
	_, bodies = take(t, s.Queue(Evidence))
	wantBodies(t, bodies, "e2")
	if got := s.Queue(Reading).Len(); got != 600 {
		t.Errorf("length %d, want 600", got)
	}
	put(t, s, Reading, "new")
	_, bodies = take(t, s.Queue(Reading))
	wantBodies(t, bodies, "new")
}

func TestAFolderHasOneOwner(t *testing.T) {
	cfg := config(t)
	open(t, cfg)
	if _, err := Open(cfg, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), "spool.dir") {
		t.Errorf("error %v, want one that names spool.dir", err)
	}
}

// TestPassesOverTornTails cuts the log at every byte of its last record, and
// also leaves zeros there, as a power cut can.
func TestPassesOverTornTails(t *testing.T) {
	cfg := config(t)
	s := open(t, cfg)
	put(t, s, Reading, "first", "second", "the last one")
	_ = s.Close()
	path := filepath.Join(cfg.Dir, "readings", fileName(1, segmentSuffix))
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	keep := len(whole) - len("the last one") - headBytes
	for cut := keep; cut < len(whole); cut++ {
		for _, tail := range [][]byte{nil, make([]byte, 100)} {
			if err := os.WriteFile(path, append(whole[:cut:cut], tail...), 0o600); err != nil {
				t.Fatal(err)
			}
			s := open(t, cfg)
			_, bodies := take(t, s.Queue(Reading))
			wantBodies(t, bodies, "first", "second")
			if torn := cut > keep || tail != nil; torn != (s.Stats().Readings.Corrupt > 0) {
				t.Errorf("cut at %d: corrupt %d", cut, s.Stats().Readings.Corrupt)
			}
			_ = s.Close()
		}
	}
}

func TestPassesOverSpoiltRecords(t *testing.T) {
	cfg := config(t)
	s := open(t, cfg)
	put(t, s, Reading, "first", "second", "third")
	put(t, s, Evidence, "e1", "e2")
	_ = s.Close()
	spoil(t, filepath.Join(cfg.Dir, "readings", fileName(1, segmentSuffix)), "second")
	spoil(t, filepath.Join(cfg.Dir, "evidence", fileName(1, evidenceSuffix)), "e1")
	s = open(t, cfg)
	_, bodies := take(t, s.Queue(Reading))
	wantBodies(t, bodies, "first", "third")
	_, bodies = take(t, s.Queue(Evidence))
	wantBodies(t, bodies, "e2")
	st := s.Stats()
	if st.Readings.Corrupt != 1 || st.Evidence.Corrupt != 1 {
		t.Errorf("corrupt: %+v", st)
	}
}

func TestWhatCannotBeReadJustNowWaits(t *testing.T) {
	cfg := config(t)
	s := open(t, cfg)
	put(t, s, Reading, "first", "second")
	path := filepath.Join(cfg.Dir, "readings", fileName(1, segmentSuffix))
	if err := os.Rename(path, path+".away"); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(path, path); err != nil { // to itself: opening it fails, and it is there
		t.Fatal(err)
	}
	if _, bodies := take(t, s.Queue(Reading)); len(bodies) > 0 {
		t.Fatalf("read %q", bodies)
	}
	if n, st := s.Queue(Reading).Len(), s.Stats().Readings; n != 2 || st.Corrupt != 0 {
		t.Errorf("%d wait, %d corrupt, want both to wait", n, st.Corrupt)
	}
	if err := os.Rename(path+".away", path); err != nil {
		t.Fatal(err)
	}
	_, bodies := take(t, s.Queue(Reading))
	wantBodies(t, bodies, "first", "second")
}

func spoil(t *testing.T, path, part string) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	i := strings.Index(string(b), part)
	b[i] ^= 1
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestALostCursorOnlyResends(t *testing.T) {
	cfg := config(t)
	s := open(t, cfg)
	put(t, s, Reading, "a", "b")
	ids, _ := take(t, s.Queue(Reading))
	s.Queue(Reading).Ack(ids[0])
	_ = s.Close()
	if err := os.WriteFile(filepath.Join(cfg.Dir, "readings", "cursor"), []byte("junk that is long"), 0o600); err != nil {
		t.Fatal(err)
	}
	s = open(t, cfg)
	_, bodies := take(t, s.Queue(Reading))
	wantBodies(t, bodies, "a", "b")
}

func TestOldestReadingsGiveWayBeforeEvidence(t *testing.T) {
	cfg := config(t)
	cfg.MaxBytes = 1 << 20
	s := open(t, cfg)
	big := strings.Repeat("r", 1000)
	for i := range 2000 {
		put(t, s, Reading, fmt.Sprintf("%05d%s", i, big))
	}
	evidence := strings.Repeat("e", 100_000)
	for range 5 {
		put(t, s, Evidence, evidence)
	}
	st := s.Stats()
	if st.DiskBytes > cfg.MaxBytes {
		t.Errorf("%d bytes on disk, want at most %d", st.DiskBytes, cfg.MaxBytes)
	}
	if st.Evidence.Len != 5 || st.Evidence.Dropped != 0 {
		t.Errorf("evidence: %+v", st.Evidence)
	}
	_, bodies := take(t, s.Queue(Reading))
	if len(bodies) == 0 || int(st.Readings.Dropped)+len(bodies) != 2000 || st.Readings.Len != len(bodies) {
		t.Fatalf("%d left of 2000, stats %+v", len(bodies), st.Readings)
	}
	if !strings.HasPrefix(bodies[len(bodies)-1], "01999") || !strings.HasPrefix(bodies[0], fmt.Sprintf("%05d", 2000-len(bodies))) {
		t.Errorf("left are %.5s to %.5s, want the newest", bodies[0], bodies[len(bodies)-1])
	}
	for range 20 { // more evidence than fits: now the oldest of it gives way
		put(t, s, Evidence, evidence)
	}
	if st = s.Stats(); st.DiskBytes > cfg.MaxBytes || st.Evidence.Dropped == 0 || st.Readings.Len > 0 {
		t.Errorf("stats %+v", st)
	}
}

func TestDroppingWhatIsHandedOut(t *testing.T) {
	cfg := config(t)
	cfg.MaxBytes = 1 << 20
	s := open(t, cfg)
	q := s.Queue(Reading)
	put(t, s, Reading, "old 1", "old 2")
	old, _ := take(t, q)
	big := strings.Repeat("r", 10_000)
	for range 300 {
		put(t, s, Reading, big)
	}
	q.Ack(old...)
	ids, bodies := take(t, q)
	q.Ack(ids...)
	if q.Len() != 0 || len(bodies) == 0 {
		t.Errorf("length %d after all of %d are acknowledged", q.Len(), len(bodies))
	}
}

func TestDoneSegmentsLeaveTheDisk(t *testing.T) {
	cfg := config(t)
	cfg.MaxBytes = 1 << 20
	s := open(t, cfg)
	q := s.Queue(Reading)
	body := strings.Repeat("r", 1000)
	for range 5000 {
		put(t, s, Reading, body)
		ids, _ := take(t, q)
		q.Ack(ids...)
	}
	if st := s.Stats(); st.Readings.Dropped > 0 || st.DiskBytes > 128<<10 {
		t.Errorf("stats %+v", st)
	}
}

func TestPinsFilesUntilDone(t *testing.T) {
	cfg := config(t)
	s := open(t, cfg)
	if err := s.Put(Record{Class: Evidence, Body: []byte("x"), File: "/captures/a.pb.gz"}); err != nil {
		t.Fatal(err)
	}
	_ = s.Close()
	s = open(t, cfg)
	if !s.Pinned("/captures/a.pb.gz") || s.Pinned("/captures/b.pb.gz") {
		t.Error("a is to be pinned and b is not")
	}
	id, _, file, err := s.Queue(Evidence).Next(t.Context())
	if err != nil || file != "/captures/a.pb.gz" {
		t.Fatalf("file %q, error %v", file, err)
	}
	s.Queue(Evidence).Ack(id)
	if s.Pinned("/captures/a.pb.gz") {
		t.Error("still pinned after the ack")
	}
}

func TestRejectedAreKeptAndBounded(t *testing.T) {
	cfg := config(t)
	cfg.MaxRejected = 3
	s := open(t, cfg)
	put(t, s, Reading, "a", "b", "c", "d", "e")
	q := s.Queue(Reading)
	ids, _ := take(t, q)
	for _, id := range ids {
		q.Reject(id, "invalid: not today")
	}
	if st := s.Stats(); st.Readings.Rejected != 5 || st.Readings.Len != 0 {
		t.Errorf("stats %+v", st.Readings)
	}
	files, err := os.ReadDir(filepath.Join(cfg.Dir, "rejected"))
	if err != nil || len(files) != 3 {
		t.Fatalf("%d files kept, error %v", len(files), err)
	}
	b, _ := os.ReadFile(filepath.Join(cfg.Dir, "rejected", files[2].Name()))
	if !strings.Contains(string(b), "not today") || !strings.Contains(string(b), `"e"`) {
		t.Errorf("the newest says %s", b)
	}
}

func TestARejectedRecordThatCannotBeKeptIsSaidAndHoldsNothingUp(t *testing.T) {
	cfg := config(t)
	var log bytes.Buffer
	s, err := Open(cfg, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	if err := os.RemoveAll(filepath.Join(cfg.Dir, "rejected")); err != nil {
		t.Fatal(err)
	}
	put(t, s, Reading, "first", "second")
	ids, _ := take(t, s.Queue(Reading))
	for _, id := range ids {
		s.Queue(Reading).Reject(id, "not liked")
	}
	if n := strings.Count(log.String(), "it is lost"); n != 1 || strings.Contains(log.String(), "wait in memory") || s.Stats().Degraded {
		t.Errorf("said %d times:\n%s", n, log.String())
	}
}

func TestPutRefuses(t *testing.T) {
	s := open(t, config(t))
	for name, r := range map[string]Record{
		"empty":             {Class: Reading},
		"huge":              {Class: Reading, Body: make([]byte, MaxRecordBytes+1)},
		"unknown class":     {Class: "gossip", Body: []byte("x")},
		"reading with file": {Class: Reading, Body: []byte("x"), File: "/f"},
	} {
		if err := s.Put(r); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	_ = s.Close()
	if err := s.Put(Record{Class: Reading, Body: []byte("x")}); !errors.Is(err, ErrClosed) {
		t.Errorf("closed: %v", err)
	}
}
