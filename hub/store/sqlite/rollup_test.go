package sqlite_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/zupee/memwatch"
	"github.com/zupee/memwatch/hub/store"
	"github.com/zupee/memwatch/hub/store/sqlite"
)

// day is one reading each ten seconds for a day, going up and down, with a peak and
// a dip that last for one reading.
func day(instance string) []store.Reading {
	readings := sequence(instance, 0, 8640)
	for i := range readings {
		readings[i].Sample.Set(memwatch.LiveHeapBytes, float64(1000+i*37%600))
	}
	readings[1234].Sample.Set(memwatch.LiveHeapBytes, 1e9)
	readings[2345].Sample.Set(memwatch.LiveHeapBytes, 1)
	return readings
}

func TestOldReadingsGrowCoarserAndKeepTheirExtremes(t *testing.T) {
	ctx := context.Background()
	cfg := sqlite.Config{Path: filepath.Join(t.TempDir(), "hub.db")}
	s := open(t, cfg)
	in := day("a")
	mustAppend(t, s, in)
	end := in[len(in)-1].Sample.Time
	prune := func(after time.Duration) []memwatch.Sample {
		t.Helper()
		if _, err := s.Prune(ctx, end.Add(after)); err != nil {
			t.Fatal(err)
		}
		return all(t, s, "a")
	}
	known := map[time.Time]memwatch.Sample{}
	for _, r := range in {
		known[r.Sample.Time] = r.Sample
	}
	extremes := func(got []memwatch.Sample) {
		t.Helper()
		for _, i := range []int{1234, 2345} {
			if !slices.Contains(got, in[i].Sample) {
				t.Errorf("reading %d, an extreme, is lost", i)
			}
		}
		for i := range got {
			if known[got[i].Time] != got[i] {
				t.Fatalf("%v never came in", got[i])
			}
		}
		if !slices.IsSortedFunc(got, func(a, b memwatch.Sample) int { return a.Time.Compare(b.Time) }) {
			t.Error("not in order")
		}
	}
	if got := prune(47*time.Hour - 24*time.Hour); len(got) != len(in) {
		t.Errorf("%d of %d readings before their time", len(got), len(in))
	}
	got := prune(3 * 24 * time.Hour)
	if len(got) < 2*1440 || len(got) > 2*1440+100 {
		t.Errorf("%d readings, want about two a minute of 1,440", len(got))
	}
	extremes(got)
	if again := prune(3 * 24 * time.Hour); len(again) != len(got) {
		t.Errorf("%d readings, then %d", len(got), len(again))
	}
	got = prune(16 * 24 * time.Hour)
	if len(got) < 2*144 || len(got) > 2*144+40 {
		t.Errorf("%d readings, want about two each ten minutes of 144", len(got))
	}
	extremes(got)
	if err := s.Check(ctx); err != nil {
		t.Error(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, cfg)
	if back := all(t, s, "a"); !slices.Equal(back, got) {
		t.Errorf("%d readings after a restart, %d before", len(back), len(got))
	}
	if p, err := s.Prune(ctx, end.Add(181*24*time.Hour)); err != nil || p.Chunks == 0 {
		t.Errorf("%d chunks removed after 181 days, %v", p.Chunks, err)
	}
	if _, _, err := s.Readings(ctx, store.Query{Service: "checkout", Instance: "a"}); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("readings after 181 days: %v", err)
	}
}

// A reading each 30 seconds stays as it is when two of each minute are kept, and
// after two days without a hub many chunks are due at once.
func TestARollUpOfMuchLosesNothing(t *testing.T) {
	s := open(t, sqlite.Config{})
	const count = 6000
	in := make([]store.Reading, count)
	for i := range in {
		in[i] = reading("a", 3*i)
	}
	mustAppend(t, s, in)
	end := in[count-1].Sample.Time
	if _, err := s.Prune(t.Context(), end.Add(3*24*time.Hour)); err != nil {
		t.Fatal(err)
	}
	if got := all(t, s, "a"); len(got) != count {
		t.Errorf("%d of %d readings", len(got), count)
	}
	if _, err := s.Prune(t.Context(), end.Add(16*24*time.Hour)); err != nil {
		t.Fatal(err)
	}
	if got := all(t, s, "a"); len(got) < 2*count/20 {
		t.Errorf("%d readings, want two of each ten minutes of %d", len(got), count/2)
	}
}

// TestReadersSeeNoGapWhileReadingsAreRolledUp reads all the while that another
// rolls up: of no hour may all readings be missing.
func TestReadersSeeNoGapWhileReadingsAreRolledUp(t *testing.T) {
	ctx := context.Background()
	s := open(t, sqlite.Config{ChunkReadings: 30, CommitEvery: time.Nanosecond})
	in := day("a")
	mustAppend(t, s, in)
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		defer close(done)
		if _, err := s.Prune(ctx, t0.Add(10*24*time.Hour)); err != nil {
			t.Error(err)
		}
	})
	for reading := true; reading; {
		select {
		case <-done:
			reading = false // once more, after it
		default:
		}
		hours := map[time.Time]bool{}
		for _, r := range all(t, s, "a") {
			hours[r.Time.Truncate(time.Hour)] = true
		}
		if len(hours) < 24 {
			t.Fatalf("readings of %d hours only", len(hours))
		}
	}
	wg.Wait()
}

func TestInstancesThatAreGoneTakeNoPointsFromTheOthers(t *testing.T) {
	s := open(t, sqlite.Config{})
	var readings []store.Reading
	for i := range 40 { // gone for a day
		readings = append(readings, reading(fmt.Sprintf("gone-%d", i), 0))
	}
	readings = append(readings, sequence("here", 8640, 8640+3000)...)
	mustAppend(t, s, readings)
	series, total, err := s.Readings(context.Background(), store.Query{Service: "checkout", MaxPoints: 100_000, From: t0.Add(time.Hour)})
	if err != nil || total != 3000 || len(series) != 1 || len(series[0].Readings) != 3000 {
		t.Errorf("total %d, %d series, %v", total, len(series), err)
	}
}
