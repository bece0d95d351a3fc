package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/zupee/memwatch"
	"github.com/zupee/memwatch/eval/simulate"
)

// teller says, for people, what happens to one instance and what the detector
// makes of it.
type teller struct {
	on   bool
	in   *simulate.Instance
	out  *strings.Builder
	said string
	hits int
}

func (t *teller) say(a *watcher, s *memwatch.Sample) {
	if !t.on {
		return
	}
	if t.said == "" {
		fmt.Fprintf(t.out, "\n%s, replica %d: limit %s, leak from %s, to blame %v\n", t.in.Scenario.Name, t.in.Replica,
			size(s.Or(memwatch.LimitBytes, 0)), clock(max(0, t.in.LeakFrom())), t.in.Culprits())
	}
	if hits := len(t.in.LimitHits()); hits > t.hits {
		t.hits = hits
		fmt.Fprintf(t.out, "  %s  KILLED at its limit\n", clock(t.in.LimitHits()[hits-1]))
	}
	now := string(a.det.State())
	if a.notified {
		now += ", notifying"
	}
	if now == t.said {
		return
	}
	t.said = now
	v := a.det.Verdict()
	fmt.Fprintf(t.out, "  %s  %-20s %s rss %s live %s goroutines %.0f leaked %.0f %%: %s\n", clock(t.in.Seconds()), now, truths[t.in.Truth()],
		size(s.Or(memwatch.RSSBytes, 0)), size(s.Or(memwatch.LiveHeapBytes, 0)), s.Or(memwatch.Goroutines, 0), 100*t.in.Used(), v.Summary)
	for i, c := range v.Culprits {
		if i < 3 {
			fmt.Fprintf(t.out, "              culprit %d: %s, %s/h, %s\n", i+1, c.Function, size(c.GrowthBytesPerSecond*3600), c.Certainty)
		}
	}
	for _, g := range v.Gates {
		value := "–"
		if g.Value != nil {
			value = fmt.Sprintf("%.3g", *g.Value)
		}
		mark := "passed"
		if !g.Passed {
			mark = "HELD  "
		}
		fmt.Fprintf(t.out, "              %s %-10s %s (needs %s) %s\n", mark, g.Name, value, g.Need, g.Detail)
	}
}

func (t *teller) end() {
	if !t.on {
		return
	}
	for _, at := range t.in.LimitHits()[t.hits:] {
		fmt.Fprintf(t.out, "  %s  KILLED at its limit\n", clock(at))
	}
	fmt.Fprintf(t.out, "  %s  end\n", clock(t.in.Seconds()))
}

var truths = [...]string{simulate.Sound: "sound", simulate.Leaks: "LEAKS", simulate.Unknowable: "unknowable"}

// clock writes seconds as days and hours.
func clock(seconds float64) string {
	d := time.Duration(seconds) * time.Second
	return fmt.Sprintf("%dd%02d:%02d", int(d.Hours())/24, int(d.Hours())%24, int(d.Minutes())%60)
}

func size(bytes float64) string {
	if bytes >= 1<<30 {
		return fmt.Sprintf("%.2f GiB", bytes/(1<<30))
	}
	return fmt.Sprintf("%.1f MiB", bytes/(1<<20))
}
