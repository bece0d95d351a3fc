package detector

import (
	"math"
	"strings"
	"testing"

	"github.com/zupee/memwatch"
)

func TestNumbersReadAsPeopleWriteThem(t *testing.T) {
	for b, want := range map[float64]string{
		0: "0 B", 12: "12 B", 1023: "1023 B", 1024: "1 KiB", 1007 * 1024: "1007 KiB", 999.7 * 1024: "1000 KiB", 1.5 * mib: "1.5 MiB",
		123.4 * mib: "123 MiB", -604 * 1024: "-604 KiB", 3 << 40: "3072 GiB",
	} {
		if got := size(b); got != want {
			t.Errorf("size(%v) = %q, want %q", b, got, want)
		}
	}
	for s, want := range map[float64]string{
		0: "0 s", 119: "119 s", 120: "2 min", 7200: "2.0 h", 200000: "2.3 days", math.Inf(1): "an unknown time", math.NaN(): "an unknown time",
	} {
		if got := duration(s); got != want {
			t.Errorf("duration(%v) = %q, want %q", s, got, want)
		}
	}
	for rate, want := range map[float64]string{2 * mib: "2 MiB/s", 10 << 10: "600 KiB/min", 100: "352 KiB/h"} {
		if got := pace(rate); got != want {
			t.Errorf("pace(%v) = %q, want %q", rate, got, want)
		}
	}
}

// Every gate has a need and words, and a suspicion says which one holds it back.
func TestASuspicionSaysWhatHoldsItBack(t *testing.T) {
	p := newProcess(DefaultConfig())
	p.interval = 1e9
	p.live = line(mib / 4)
	for p.d.State() != memwatch.Suspect {
		if p.run(1); p.n > 300 {
			t.Fatal("never suspect")
		}
	}
	v := p.d.Verdict()
	if !strings.Contains(v.Summary, "not called a leak yet: watched (seen for ") {
		t.Errorf("%q does not say what is missing", v.Summary)
	}
	seen := map[string]bool{}
	for _, g := range v.Gates {
		seen[g.Name] = true
		if g.Need == "" || g.Detail == "" || g.Value == nil && g.Passed {
			t.Errorf("gate %+v: want a value, a need and words", g)
		}
	}
	for _, name := range []string{"trend", "growth", "plateau", "step", "ending", "load", "watched", "bend", "site", "horizon"} {
		if !seen[name] {
			t.Errorf("no gate %s", name)
		}
	}
}

func TestALimitThatIsReachedIsSaidToBe(t *testing.T) {
	for want, limit := range map[string]float64{"the limit of 256 MiB is reached.": 256 * mib, "no limit is known, 1 GiB is reached.": 0} {
		signals := map[memwatch.Signal]float64{memwatch.RSSBytes: 3 << 30}
		if limit > 0 {
			signals[memwatch.LimitBytes] = limit
		}
		d := knowing(DefaultConfig(), signals)
		d.baseline = 200 * mib
		ev := growing(mib, 3600)
		x := d.danger(ev)
		if got := d.summary(&memwatch.Verdict{State: memwatch.Leaking}, ev, &x); !strings.HasSuffix(got, "; "+want) {
			t.Errorf("%q, want it to end in %q", got, want)
		}
	}
}

// The line through a growth that steepens starts below zero; no level does.
func TestGrowthStartsAtNothingAtLeast(t *testing.T) {
	d := knowing(DefaultConfig(), map[memwatch.Signal]float64{memwatch.RSSBytes: 3 << 30})
	ev := growing(mib, 100)
	ev.tr.first = -54.8 * mib
	x := d.danger(ev)
	for _, g := range d.gates(ev, &x) {
		if want := "it grew by 100 MiB from 0 B in 100 s"; g.Name == "growth" && g.Detail != want {
			t.Errorf("%q, want %q", g.Detail, want)
		}
	}
}
