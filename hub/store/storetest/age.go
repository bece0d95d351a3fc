package storetest

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/zupee/memwatch"
	"github.com/zupee/memwatch/hub/store"
)

// day is one reading each ten seconds for a day, going up and down, with a peak and
// a dip that last for one reading.
func day(instance string) []store.Reading {
	readings := Sequence(instance, 0, 8640)
	for i := range readings {
		readings[i].Sample.Set(memwatch.LiveHeapBytes, float64(1000+i*37%600))
	}
	readings[1234].Sample.Set(memwatch.LiveHeapBytes, 1e9)
	readings[2345].Sample.Set(memwatch.LiveHeapBytes, 1)
	return readings
}

func growOld(t *testing.T, p Place) {
	s := p.Open(t, store.Retention{})
	in := day("a")
	MustAppend(t, s, in)
	end := in[len(in)-1].Sample.Time
	prune := func(after time.Duration) []memwatch.Sample {
		t.Helper()
		mustPrune(t, s, end.Add(after))
		return All(t, s, "a")
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
		if !slices.IsSortedFunc(got, byTime) {
			t.Error("not in order")
		}
	}
	if got := prune(23 * time.Hour); len(got) != len(in) {
		t.Errorf("%d of %d readings before their time", len(got), len(in))
	}
	got := prune(4 * 24 * time.Hour)
	if len(got) < 2*1440 || len(got) > 2*1440+100 {
		t.Errorf("%d readings, want about two a minute of 1,440", len(got))
	}
	extremes(got)
	if again := prune(4 * 24 * time.Hour); len(again) != len(got) {
		t.Errorf("%d readings, then %d", len(got), len(again))
	}
	// What has lost nothing by that is known still.
	if sent := MustAppend(t, s, []store.Reading{in[1234], in[2345]}); sent != (store.AppendResult{Duplicates: 2}) {
		t.Errorf("the extremes sent again: %+v", sent)
	}
	got = prune(17 * 24 * time.Hour)
	if len(got) < 2*144 || len(got) > 2*144+40 {
		t.Errorf("%d readings, want about two each ten minutes of 144", len(got))
	}
	extremes(got)
	mustClose(t, s)
	s = p.Open(t, store.Retention{})
	if back := All(t, s, "a"); !slices.Equal(back, got) {
		t.Errorf("%d readings after a restart, %d before", len(back), len(got))
	}
	if p := mustPrune(t, s, end.Add(190*24*time.Hour)); p.Chunks == 0 {
		t.Error("no chunks removed after 190 days")
	}
	if _, _, err := s.Readings(context.Background(), store.Query{Service: "checkout", Instance: "a"}); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("readings after 190 days: %v", err)
	}
}

// rollMuch has a reading each 30 seconds, which stays as it is when two of each
// minute are kept, and much due at once, as after two days without a hub.
func rollMuch(t *testing.T, p Place) {
	s := p.Open(t, store.Retention{})
	const count = 6000
	in := make([]store.Reading, count)
	for i := range in {
		in[i] = Reading("a", 3*i)
	}
	MustAppend(t, s, in)
	end := in[count-1].Sample.Time
	mustPrune(t, s, end.Add(4*24*time.Hour))
	wantReadings(t, s, "a", in)
	mustPrune(t, s, end.Add(17*24*time.Hour))
	if got := All(t, s, "a"); len(got) < 2*count/20 || len(got) > count/5 {
		t.Errorf("%d readings, want two of each ten minutes of %d", len(got), count/2)
	}
}

// noGap reads all the while that another rolls up: of no hour may all readings be
// missing.
func noGap(t *testing.T, p Place) {
	s := p.Open(t, store.Retention{})
	MustAppend(t, s, day("a"))
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		defer close(done)
		if _, err := s.Prune(context.Background(), T0.Add(10*24*time.Hour)); err != nil {
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
		for _, r := range All(t, s, "a") {
			hours[r.Time.Truncate(time.Hour)] = true
		}
		if len(hours) < 24 {
			t.Fatalf("readings of %d hours only", len(hours))
		}
	}
	wg.Wait()
}

func retention(t *testing.T, p Place) {
	ctx := context.Background()
	s := p.Open(t, store.Retention{KeepReadings: 10 * time.Hour, KeepMinutes: 10 * time.Hour, KeepTenMinutes: 10 * time.Hour, KeepAlerts: 5 * time.Hour})
	const hours = 30 * 24
	hour := func(instance string, i int) store.Reading {
		r := Reading(instance, 0)
		r.Sample.Time = T0.Add(time.Duration(i) * time.Hour)
		return r
	}
	var readings []store.Reading
	for i := range hours {
		readings = append(readings, hour("a", i))
		if i < 15 {
			readings = append(readings, hour("gone", i))
		}
	}
	for part := range slices.Chunk(readings, 20) {
		MustAppend(t, s, part)
	}
	for i, state := range []memwatch.AlertState{memwatch.AlertResolved, memwatch.AlertFiring} {
		if _, err := s.SaveAlert(ctx, alertAt(i, "s", state, memwatch.SeverityInfo)); err != nil {
			t.Fatal(err)
		}
	}
	now := T0.Add(hours * time.Hour)
	for range 3 {
		mustPrune(t, s, now)
		now = now.Add(2 * time.Hour)
	}
	got := All(t, s, "a")
	if first := got[0].Time; first.Before(now.Add(-10*24*time.Hour)) || first.After(now.Add(-10*time.Hour)) || got[len(got)-1] != hour("a", hours-1).Sample {
		t.Errorf("%d readings kept, from %v before now", len(got), now.Sub(first))
	}
	if _, _, err := s.Readings(ctx, store.Query{Service: "checkout", Instance: "gone"}); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("an instance of which nothing is left: %v", err)
	}
	if _, err := s.Alert(ctx, "id-000"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("an alert that resolved long ago: %v", err)
	}
	if _, err := s.Alert(ctx, "id-001"); err != nil {
		t.Errorf("an open alert: %v", err)
	}
	MustAppend(t, s, []store.Reading{hour("gone", hours+1)})
	if got := All(t, s, "gone"); len(got) != 1 {
		t.Errorf("%d readings after it came again", len(got))
	}
}
