package rules

import (
	"math"
	"testing"
	"time"

	"github.com/zupee/memwatch"
)

const mib = 1 << 20

// series feeds a rule one reading each 10 s and returns at which readings it
// was in alarm. value gives the i-th reading's sample.
func series(r Rule, n int, value func(i int, s *memwatch.Sample)) (first, count int) {
	first = -1
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for i := range n {
		s := &memwatch.Sample{Time: start.Add(time.Duration(i) * 10 * time.Second), Start: start}
		s.Set(memwatch.LimitBytes, 1000*mib)
		s.Set(memwatch.NumGC, float64(i+1))
		value(i, s)
		if r.Observe(s) {
			if first < 0 {
				first = i
			}
			count++
		}
	}
	return first, count
}

func named(t *testing.T, name string) Rule {
	t.Helper()
	for _, r := range All(time.Hour) {
		if r.Name == name {
			return r.New()
		}
	}
	t.Fatalf("no rule %q", name)
	return nil
}

// level sets all memory signals to the same amount.
func level(s *memwatch.Sample, v float64) {
	for _, sig := range []memwatch.Signal{memwatch.HeapAllocBytes, memwatch.LiveHeapBytes, memwatch.RSSBytes} {
		s.Set(sig, v)
	}
}

func TestEachRuleOnALineAndOnNothing(t *testing.T) {
	for _, c := range []struct {
		name  string
		rate  float64 // MiB a reading
		first int     // reading of the first alarm
	}{
		{"12 readings, growth > 50 MB, trend > 0.7", 5, 11},
		{"12 readings, growth > 50 MB, trend > 0.7", 4, -1},
		{"the same at 5 MB", 0.5, 11},
		{"5 growing GCs", 0.001, 5},
		// 100 MiB and 10 MiB a minute more: the limit is 90 minutes away.
		{"predict_linear 4 h, RSS to the limit", 10.0 / 6, 324},
		{"predict_linear 4 h, RSS to the limit", 0.1, -1},
		{"OLS, R² > 0.8, HeapAlloc", 0.1, 324},
		{"Mann-Kendall, live heap per GC", 0.001, 324},
		{"RSS > 80 % of the limit", 1, 701},
		{"Coroot: 5 %/h of the limit", 50.1 / 360, 180},
		{"Coroot: 5 %/h of the limit", 49.0 / 360, -1},
	} {
		first, _ := series(named(t, c.name), 800, func(i int, s *memwatch.Sample) { level(s, (100+c.rate*float64(i))*mib) })
		if first != c.first {
			t.Errorf("%s at %.3g MiB a reading: first alarm at reading %d, want %d", c.name, c.rate, first, c.first)
		}
		if _, n := series(named(t, c.name), 800, func(_ int, s *memwatch.Sample) { level(s, 100*mib) }); n > 0 {
			t.Errorf("%s: %d alarms on a flat line", c.name, n)
		}
	}
}

func TestRestartBeginsANewSeries(t *testing.T) {
	for _, r := range All(time.Hour) {
		if r.Name == "Coroot: 5 %/h of the limit" {
			continue // a restart shows there as a drop, or not at all
		}
		// Lives of 4 readings: none may call a leak, together they would.
		start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
		rule := r.New()
		for i := range 400 {
			life := i / 4
			s := &memwatch.Sample{Time: start.Add(time.Duration(i) * 10 * time.Second), Start: start.Add(time.Duration(life) * 40 * time.Second)}
			s.Set(memwatch.LimitBytes, 1e12)
			s.Set(memwatch.NumGC, float64(i%4+1))
			level(s, (100+float64(life))*mib)
			if rule.Observe(s) {
				t.Errorf("%s: alarm at reading %d of lives of 4 readings", r.Name, i)
				break
			}
		}
	}
}

func TestCorootForgetsWhatCameBeforeADrop(t *testing.T) {
	first, _ := series(named(t, "Coroot: 5 %/h of the limit"), 500, func(i int, s *memwatch.Sample) {
		v := 100 + float64(i)
		if i >= 100 {
			v = 40 + float64(i-100)
		}
		level(s, v*mib)
	})
	if first != 280 {
		t.Errorf("first alarm at reading %d, want 280: half an hour after the drop", first)
	}
}

func TestCorootHoldsWhenTheLastQuarterIsFlat(t *testing.T) {
	_, n := series(named(t, "Coroot: 5 %/h of the limit"), 400, func(i int, s *memwatch.Sample) {
		level(s, (100+math.Min(float64(i), 130))*mib)
	})
	if n > 0 {
		t.Errorf("%d alarms on growth that had stopped before half an hour was seen", n)
	}
}

func TestMannKendallSlidesExactly(t *testing.T) {
	// The incremental sum must be that of the window, counted anew.
	k := &kendall{points: over(300)}
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for i := range 200 {
		s := &memwatch.Sample{Time: start.Add(time.Duration(i) * 10 * time.Second), Start: start}
		s.Set(memwatch.NumGC, float64(i+1))
		s.Set(memwatch.LiveHeapBytes, float64(1000+(i*7919)%97))
		k.Observe(s)
		want := 0
		for a := range k.points.v {
			for _, later := range k.points.v[a+1:] {
				want += sign(later - k.points.v[a])
			}
		}
		if k.s != want {
			t.Fatalf("reading %d: S is %d, want %d", i, k.s, want)
		}
	}
}

func TestLeastSquares(t *testing.T) {
	l := leastSquares([]float64{0, 1, 2, 3}, []float64{5, 7, 9, 11})
	if math.Abs(l.slope-2) > 1e-9 || math.Abs(l.last-11) > 1e-9 || math.Abs(l.r2-1) > 1e-9 {
		t.Errorf("%+v, want slope 2, last 11, r2 1", l)
	}
}
