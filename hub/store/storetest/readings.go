package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/zupee/memwatch"
	"github.com/zupee/memwatch/hub/store"
)

func roundTrip(t *testing.T, p Place) {
	s := p.Open(t, store.Retention{})
	want := Sequence("a", 0, 500)
	for part := range slices.Chunk(want, 7) {
		if got := MustAppend(t, s, part); got != (store.AppendResult{Stored: len(part)}) {
			t.Fatalf("%+v", got)
		}
	}
	wantReadings(t, s, "a", want)
}

func reopening(t *testing.T, p Place) {
	var want []store.Reading
	for round := range 6 {
		s := p.Open(t, store.Retention{})
		part := Sequence("a", round*7, round*7+7)
		MustAppend(t, s, part)
		want = append(want, part...)
		wantReadings(t, s, "a", want)
		mustClose(t, s)
	}
}

func resend(t *testing.T, p Place) {
	s := p.Open(t, store.Retention{})
	want := Sequence("a", 0, 100)
	MustAppend(t, s, want)
	for range 2 {
		if got := MustAppend(t, s, append(slices.Clone(want), want...)); got != (store.AppendResult{Duplicates: 200}) {
			t.Errorf("%+v", got)
		}
		wantReadings(t, s, "a", want)
		mustClose(t, s)
		s = p.Open(t, store.Retention{})
	}
	some := append(slices.Clone(want[90:]), Sequence("a", 100, 110)...)
	if got := MustAppend(t, s, append(some, some[5:15]...)); got != (store.AppendResult{Stored: 10, Duplicates: 20}) {
		t.Errorf("some of them new: %+v", got)
	}
	wantReadings(t, s, "a", Sequence("a", 0, 110))
}

func late(t *testing.T, p Place) {
	s := p.Open(t, store.Retention{})
	want := Sequence("a", 0, 300)
	var early, late []store.Reading
	for i, r := range want {
		if i%3 == 1 {
			late = append(late, r)
		} else {
			early = append(early, r)
		}
	}
	MustAppend(t, s, early)
	slices.Reverse(late)
	if got := MustAppend(t, s, late); got != (store.AppendResult{Stored: 100}) {
		t.Errorf("%+v", got)
	}
	if got := MustAppend(t, s, late[50:]); got != (store.AppendResult{Duplicates: 50}) {
		t.Errorf("again: %+v", got)
	}
	wantReadings(t, s, "a", want)
}

// resendOld sends again what a store has had time to put into another form, and
// what it has not yet seen of that time.
func resendOld(t *testing.T, p Place) {
	s := p.Open(t, store.Retention{})
	want := Sequence("a", 0, 2000) // over five hours
	var sent, missing []store.Reading
	for i, r := range want {
		if i%10 == 7 {
			missing = append(missing, r)
		} else {
			sent = append(sent, r)
		}
	}
	MustAppend(t, s, sent)
	now := want[len(want)-1].Sample.Time
	for range 3 {
		now = now.Add(3 * time.Hour)
		mustPrune(t, s, now)
		if got := MustAppend(t, s, sent); got != (store.AppendResult{Duplicates: len(sent)}) {
			t.Errorf("%+v", got)
		}
	}
	if got := MustAppend(t, s, want); got != (store.AppendResult{Stored: len(missing), Duplicates: len(sent)}) {
		t.Errorf("with some new: %+v", got)
	}
	wantReadings(t, s, "a", want)
	mustPrune(t, s, now.Add(3*time.Hour))
	if got := MustAppend(t, s, want); got != (store.AppendResult{Duplicates: len(want)}) {
		t.Errorf("all again: %+v", got)
	}
	wantReadings(t, s, "a", want)
}

func concurrent(t *testing.T, p Place) {
	s := p.Open(t, store.Retention{})
	const callers, each = 20, 50
	var wg sync.WaitGroup
	for c := range callers {
		wg.Go(func() {
			name := fmt.Sprintf("i%d", c%10) // two callers an instance
			for i := range each {
				if _, err := s.Append(context.Background(), []store.Reading{Reading(name, i*2+c/10)}); err != nil {
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
		wantReadings(t, s, fmt.Sprintf("i%d", c), Sequence("", 0, 2*each))
	}
	st, err := s.Stats(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if st.Stored != callers*each || st.Commits > st.Stored*3/4 || st.Instances != 10 {
		t.Errorf("%+v: want %d readings in fewer commits, of 10 instances", st, callers*each)
	}
}

func noTime(t *testing.T, p Place) {
	s := p.Open(t, store.Retention{})
	_, err := s.Append(context.Background(), []store.Reading{Reading("a", 0), {Service: "checkout", Instance: "b"}})
	if err == nil || !strings.Contains(err.Error(), "reading of checkout/b: its time is") {
		t.Errorf("%v", err)
	}
	if _, _, err := s.Readings(context.Background(), store.Query{Service: "checkout"}); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("something was stored: %v", err)
	}
}

func unknown(t *testing.T, p Place) {
	s := p.Open(t, store.Retention{})
	MustAppend(t, s, Sequence("a", 0, 1))
	for _, q := range []store.Query{{Service: "cart"}, {Service: "checkout", Instance: "b"}} {
		if _, _, err := s.Readings(context.Background(), q); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("%+v: %v", q, err)
		}
	}
	series, total, err := s.Readings(context.Background(), store.Query{Service: "checkout", From: T0.Add(time.Hour)})
	if err != nil || total != 0 || len(series) != 0 {
		t.Errorf("a range without readings: %v, %d, %v", series, total, err)
	}
}

func thinning(t *testing.T, p Place) {
	s := p.Open(t, store.Retention{})
	var in []store.Reading
	for i := range 5000 {
		r := Reading("a", i)
		switch i {
		case 1234:
			r.Sample.Set(memwatch.LiveHeapBytes, 1e9)
		case 2345:
			r.Sample.Set(memwatch.LiveHeapBytes, 1)
		}
		in = append(in, r)
	}
	for part := range slices.Chunk(in, 333) {
		MustAppend(t, s, part)
	}
	mustPrune(t, s, in[3000].Sample.Time)
	for _, points := range []int{1, 10, 100, 1000} {
		series, total, err := s.Readings(context.Background(), store.Query{Service: "checkout", MaxPoints: points})
		if err != nil || total != 5000 || len(series) != 1 {
			t.Fatalf("%d points: total %d, %d series, %v", points, total, len(series), err)
		}
		got := series[0].Readings
		if len(got) > max(4, points) || len(got) < points/2 {
			t.Errorf("%d points wanted, %d given", points, len(got))
		}
		for name, i := range map[string]int{"first": 0, "peak": 1234, "dip": 2345, "last": 4999} {
			if !slices.Contains(got, in[i].Sample) {
				t.Errorf("%d points: the %s is lost", points, name)
			}
		}
		if !slices.IsSortedFunc(got, byTime) {
			t.Errorf("%d points: not in order", points)
		}
	}
}

func byTime(a, b memwatch.Sample) int { return a.Time.Compare(b.Time) }

func newest(t *testing.T, p Place) {
	s := p.Open(t, store.Retention{})
	in := Sequence("a", 0, 2000)
	check := func() {
		t.Helper()
		for _, tc := range []struct{ from, to, points int }{{0, 1999, 5}, {0, 1999, 100}, {0, 1999, 5000}, {105, 305, 20}, {301, 309, 4}, {1990, 3000, 50}, {200, 1800, 700}} {
			want := Samples(in[tc.from:min(tc.to+1, len(in))])
			series, total, err := s.Readings(context.Background(), store.Query{
				Service: "checkout", Instance: "a", Newest: true, MaxPoints: tc.points,
				From: Reading("", tc.from).Sample.Time, To: Reading("", tc.to).Sample.Time,
			})
			if err != nil || total != len(want) || len(series) != 1 || !slices.Equal(series[0].Readings, want[max(0, len(want)-tc.points):]) {
				t.Errorf("%+v: total %d, want %d, %v, or not the same", tc, total, len(want), err)
			}
		}
	}
	MustAppend(t, s, in[:300])
	MustAppend(t, s, in[310:])
	MustAppend(t, s, in[300:310]) // late
	check()
	mustPrune(t, s, in[1999].Sample.Time) // some of it in another form
	check()
}

// ranges compares every query with the plain filter of what went in, in any order,
// with any part sent twice, and now and then put into another form.
func ranges(t *testing.T, p Place) {
	s := p.Open(t, store.Retention{})
	n := 0
	rapid.Check(t, func(rt *rapid.T) {
		n++
		instance := fmt.Sprint("i", n)
		const apart = 90 // times ten seconds: the range is over a day
		seen := map[int]bool{}
		for range rapid.IntRange(1, 4).Draw(rt, "calls") {
			var part []store.Reading
			for _, i := range rapid.SliceOfN(rapid.IntRange(0, 100), 1, 30).Draw(rt, "readings") {
				part = append(part, Reading(instance, i*apart))
				seen[i] = true
			}
			if _, err := s.Append(context.Background(), part); err != nil {
				rt.Fatal(err)
			}
			if rapid.IntRange(0, 9).Draw(rt, "prune") == 0 {
				if _, err := s.Prune(context.Background(), Reading("", rapid.IntRange(0, 100).Draw(rt, "now")*apart).Sample.Time); err != nil {
					rt.Fatal(err)
				}
			}
		}
		from, to := rapid.IntRange(0, 101).Draw(rt, "from"), rapid.IntRange(0, 101).Draw(rt, "to")
		var want []memwatch.Sample
		for i := from; i <= to; i++ {
			if seen[i] {
				want = append(want, Reading("", i*apart).Sample)
			}
		}
		series, total, err := s.Readings(context.Background(), store.Query{
			Service: "checkout", Instance: instance, Newest: rapid.Bool().Draw(rt, "newest"),
			From: Reading("", from*apart).Sample.Time, To: Reading("", to*apart).Sample.Time,
		})
		if err != nil || total != len(want) {
			rt.Fatalf("total %d, want %d, %v", total, len(want), err)
		}
		if len(want) == 0 && len(series) == 0 {
			return
		}
		if len(series) != 1 || !slices.Equal(series[0].Readings, want) {
			rt.Fatalf("got %v, want %v", series, want)
		}
	})
}

func gone(t *testing.T, p Place) {
	s := p.Open(t, store.Retention{})
	var readings []store.Reading
	for i := range 40 { // gone for a day
		readings = append(readings, Reading(fmt.Sprintf("gone-%d", i), 0))
	}
	readings = append(readings, Sequence("here", 8640, 8640+3000)...)
	MustAppend(t, s, readings)
	series, total, err := s.Readings(context.Background(), store.Query{Service: "checkout", MaxPoints: 100_000, From: T0.Add(time.Hour)})
	if err != nil || total != 3000 || len(series) != 1 || len(series[0].Readings) != 3000 {
		t.Errorf("total %d, %d series, %v", total, len(series), err)
	}
}

func leaving(t *testing.T, p Place) {
	s := p.Open(t, store.Retention{})
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := s.Append(ctx, Sequence("a", 0, 1)); err != nil && !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

func closing(t *testing.T, p Place) {
	s := p.Open(t, store.Retention{})
	if err := s.Ready(t.Context()); err != nil {
		t.Error(err)
	}
	mustClose(t, s)
	if err := s.Ready(t.Context()); err == nil {
		t.Error("ready though it is closed")
	}
	if _, err := s.Append(context.Background(), Sequence("a", 0, 1)); !errors.Is(err, store.ErrClosed) {
		t.Errorf("Append: %v", err)
	}
	if _, err := s.SaveAlert(context.Background(), memwatch.Alert{ID: "a"}); !errors.Is(err, store.ErrClosed) {
		t.Errorf("SaveAlert: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Errorf("Close again: %v", err)
	}
}
