package alert

import (
	"testing"
	"time"

	"github.com/zupee/memwatch"
)

func TestNumbersAreWrittenForPeople(t *testing.T) {
	for want, got := range map[string]string{
		"900 B":       size(900),
		"1.5 KiB":     size(1536),
		"64 MiB":      size(64 << 20),
		"2 GiB":       size(2 << 30),
		"1.2 TiB":     size(1.2 * (1 << 40)),
		"1.2 MiB/s":   rate(1.25 * (1 << 20)),
		"5.9 MiB/min": rate(100 << 10 * 0.999),
		"352 KiB/h":   rate(100),
		"35 s":        span(35 * time.Second),
		"12 min":      span(12 * time.Minute),
		"2.5 h":       span(150 * time.Minute),
		"30 h":        span(30 * time.Hour),
		"3 days":      span(72 * time.Hour),
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestEveryKindHasItsWords(t *testing.T) {
	for kind, want := range map[memwatch.Kind]string{
		memwatch.KindHeap:          "checkout leaks heap memory in main.put on a",
		memwatch.KindGoroutine:     "checkout leaks goroutines in main.put on a",
		memwatch.KindOffHeap:       "checkout leaks memory outside the heap in main.put on a",
		memwatch.KindFragmentation: "checkout loses memory to fragmentation in main.put on a",
		memwatch.KindNone:          "checkout leaks memory in main.put on a",
	} {
		o := &open{alert: memwatch.Alert{Service: "checkout", Kind: kind, Culprit: "main.put", Instances: []string{"a"}}}
		if got := leakMessage(o); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestALimitThatIsReachedHasNoTimeToIt(t *testing.T) {
	left := 0.0
	o := &open{alert: memwatch.Alert{
		Service: "checkout", Kind: memwatch.KindHeap, Instances: []string{"a"},
		Verdict: &memwatch.Verdict{LimitBytes: 512 << 20, TimeToLimitSeconds: &left, GrowthBytesPerSecond: memwatch.Interval{Estimate: 1 << 20}},
	}}
	if got, want := leakMessage(o), "checkout leaks heap memory on a: +1 MiB/s, at its limit of 512 MiB"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestAnAssumedLimitIsNotTheServicesOwn(t *testing.T) {
	left := 7200.0
	o := &open{alert: memwatch.Alert{
		Service: "checkout", Kind: memwatch.KindHeap, Instances: []string{"a"},
		Verdict: &memwatch.Verdict{LimitBytes: 1 << 30, LimitSource: "assumed", TimeToLimitSeconds: &left, GrowthBytesPerSecond: memwatch.Interval{Estimate: 1 << 20}},
	}}
	if got, want := leakMessage(o), "checkout leaks heap memory on a: +1 MiB/s, no limit known, at an assumed one of 1 GiB in 2 h"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestTheWorseFindingHurtsSooner(t *testing.T) {
	soon, late := 60.0, 6000.0
	v := func(left *float64, growth float64) *memwatch.Verdict {
		return &memwatch.Verdict{TimeToLimitSeconds: left, GrowthBytesPerSecond: memwatch.Interval{Estimate: growth}}
	}
	// Each is worse than the next.
	order := []finding{
		{severity: memwatch.SeverityCritical},
		{severity: memwatch.SeverityWarning, verdict: v(&soon, 1)},
		{severity: memwatch.SeverityWarning, verdict: v(&late, 9)},
		{severity: memwatch.SeverityWarning, verdict: v(nil, 5)},
		{severity: memwatch.SeverityWarning, verdict: v(nil, 4)},
		{severity: memwatch.SeverityWarning},
		{severity: memwatch.SeverityInfo, verdict: v(&soon, 9)},
	}
	for i := range order {
		for j := range order {
			if got := order[i].worse(&order[j]); got != (i < j) {
				t.Errorf("%d worse than %d: %v", i, j, got)
			}
		}
	}
}

func TestOnlySoManyCapturesAreRemembered(t *testing.T) {
	r := newRecent()
	for i := range maxRecent + 10 {
		if !r.add(time.Duration(i).String()) {
			t.Fatalf("%d is new", i)
		}
	}
	if r.add(time.Duration(maxRecent).String()) {
		t.Error("a recent one is told again")
	}
	if len(r.set) != maxRecent || len(r.ring) != maxRecent {
		t.Errorf("%d and %d remembered, want %d", len(r.set), len(r.ring), maxRecent)
	}
}
