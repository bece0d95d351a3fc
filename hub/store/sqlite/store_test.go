package sqlite_test

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/zupee/memwatch"
	"github.com/zupee/memwatch/hub/store"
	"github.com/zupee/memwatch/hub/store/sqlite"
)

var t0 = time.UnixMilli(1_795_425_000_000).UTC()

// open opens a store that is closed with the test.
func open(t testing.TB, cfg sqlite.Config) *sqlite.Store {
	t.Helper()
	if cfg.Path == "" {
		cfg.Path = filepath.Join(t.TempDir(), "hub.db")
	}
	s, err := sqlite.Open(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// reading is the i-th reading of an instance, ten seconds after the one before.
func TestAStoreIsReadyWhileItsDatabaseCanBeRead(t *testing.T) {
	s := open(t, sqlite.Config{})
	if err := s.Ready(t.Context()); err != nil {
		t.Error(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.Ready(t.Context()); err == nil {
		t.Error("ready though it is closed")
	}
}

func reading(instance string, i int) store.Reading {
	r := store.Reading{Service: "checkout", Instance: instance}
	r.Sample.Time = t0.Add(time.Duration(i) * 10 * time.Second)
	r.Sample.Start = t0
	r.Sample.Set(memwatch.LiveHeapBytes, float64(1<<20+i*4096))
	r.Sample.Set(memwatch.NumGC, float64(i))
	r.Sample.Set(memwatch.LatencySeconds, 0.1*float64(i%7))
	return r
}

func sequence(instance string, from, to int) (out []store.Reading) {
	for i := from; i < to; i++ {
		out = append(out, reading(instance, i))
	}
	return out
}

func samples(readings []store.Reading) (out []memwatch.Sample) {
	for _, r := range readings {
		out = append(out, r.Sample)
	}
	return out
}

func mustAppend(t testing.TB, s *sqlite.Store, readings []store.Reading) store.AppendResult {
	t.Helper()
	result, err := s.Append(context.Background(), readings)
	if err != nil {
		t.Fatal(err)
	}
	return result
}

// all reads every reading of an instance.
func all(t testing.TB, s *sqlite.Store, instance string) []memwatch.Sample {
	t.Helper()
	series, total, err := s.Readings(context.Background(), store.Query{Service: "checkout", Instance: instance, MaxPoints: 100_000})
	if err != nil {
		t.Fatal(err)
	}
	if len(series) != 1 || len(series[0].Readings) != total {
		t.Fatalf("%d series, total %d", len(series), total)
	}
	return series[0].Readings
}

func TestReadingsComeBackAsTheyWentIn(t *testing.T) {
	s := open(t, sqlite.Config{CommitEvery: time.Nanosecond})
	want := sequence("a", 0, 1000)
	for part := range slices.Chunk(want, 7) {
		if got := mustAppend(t, s, part); got.Stored != len(part) || got.Duplicates != 0 {
			t.Fatalf("%+v", got)
		}
	}
	if got := all(t, s, "a"); !slices.Equal(got, samples(want)) {
		t.Errorf("%d readings back of %d, or not the same", len(got), len(want))
	}
}

func TestReadingsSurviveAReopening(t *testing.T) {
	cfg := sqlite.Config{Path: filepath.Join(t.TempDir(), "hub.db"), ChunkReadings: 10, CommitEvery: time.Nanosecond}
	var want []store.Reading
	for round := range 12 {
		s := open(t, cfg)
		part := sequence("a", round*7, round*7+7)
		mustAppend(t, s, part)
		want = append(want, part...)
		if got := all(t, s, "a"); !slices.Equal(got, samples(want)) {
			t.Fatalf("round %d: %d readings back of %d, or not the same", round, len(got), len(want))
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAReadingSentTwiceIsStoredOnce(t *testing.T) {
	for _, reopen := range []bool{false, true} {
		t.Run(fmt.Sprintf("reopened %v", reopen), func(t *testing.T) {
			cfg := sqlite.Config{Path: filepath.Join(t.TempDir(), "hub.db"), ChunkReadings: 16}
			s := open(t, cfg)
			want := sequence("a", 0, 100)
			mustAppend(t, s, want)
			if reopen {
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
				s = open(t, cfg)
			}
			if got := mustAppend(t, s, append(slices.Clone(want), want...)); got != (store.AppendResult{Duplicates: 200}) {
				t.Errorf("%+v", got)
			}
			if got := all(t, s, "a"); !slices.Equal(got, samples(want)) {
				t.Errorf("%d readings", len(got))
			}
		})
	}
}

func TestLateReadingsFindTheirPlace(t *testing.T) {
	s := open(t, sqlite.Config{ChunkReadings: 16})
	want := sequence("a", 0, 300)
	var early, late []store.Reading
	for i, r := range want {
		if i%3 == 1 {
			late = append(late, r)
		} else {
			early = append(early, r)
		}
	}
	mustAppend(t, s, early)
	slices.Reverse(late)
	if got := mustAppend(t, s, late); got != (store.AppendResult{Stored: 100}) {
		t.Errorf("%+v", got)
	}
	if got := mustAppend(t, s, late[50:]); got != (store.AppendResult{Duplicates: 50}) {
		t.Errorf("again: %+v", got)
	}
	if got := all(t, s, "a"); !slices.Equal(got, samples(want)) {
		t.Errorf("%d readings back of %d, or not the same", len(got), len(want))
	}
}

func TestConcurrentAppendsShareCommits(t *testing.T) {
	s := open(t, sqlite.Config{ChunkReadings: 16})
	const callers, each = 20, 100
	var wg sync.WaitGroup
	for c := range callers {
		wg.Go(func() {
			name := fmt.Sprintf("i%d", c%10) // two callers an instance
			for i := range each {
				if _, err := s.Append(context.Background(), []store.Reading{reading(name, i*2+c/10)}); err != nil {
					t.Error(err)
					return
				}
				if _, _, err := s.Readings(context.Background(), store.Query{Service: "checkout", Instance: name}); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	for c := range 10 {
		if got := all(t, s, fmt.Sprintf("i%d", c)); !slices.Equal(got, samples(sequence("", 0, 2*each))) {
			t.Errorf("instance %d: %d readings", c, len(got))
		}
	}
	st, err := s.Stats(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if st.Stored != callers*each || st.Commits > st.Stored/2 {
		t.Errorf("%d readings in %d commits", st.Stored, st.Commits)
	}
}

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m)
}
