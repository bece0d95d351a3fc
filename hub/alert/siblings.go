package alert

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/zupee/memwatch"
)

// footing is what an instance's newest reading says besides the verdict.
type footing struct {
	start time.Time // of the process; zero when unknown
	// heap and rss are in bytes; 0 when the target does not tell them.
	heap, rss, goroutines float64
}

func footingOf(s *memwatch.Sample) footing {
	return footing{
		start: s.Start, heap: s.Or(memwatch.LiveHeapBytes, s.Or(memwatch.HeapAllocBytes, 0)),
		rss: s.Or(memwatch.RSSBytes, 0), goroutines: s.Or(memwatch.Goroutines, 0),
	}
}

// level is what grows in a leak of that kind.
func (f *footing) level(k memwatch.Kind) float64 {
	switch k {
	case memwatch.KindGoroutine:
		return f.goroutines
	case memwatch.KindOffHeap, memwatch.KindFragmentation:
		return f.rss
	case memwatch.KindHeap, memwatch.KindNone:
	}
	return f.heap
}

// uptime is how long the process ran at its newest reading; 0 when unknown.
func (in *instance) uptime() time.Duration {
	if in.footing.start.IsZero() {
		return 0
	}
	return max(0, in.at.Sub(in.footing.start))
}

// weigh decides how much an instance's finding counts. What is no more than a
// warning may be held back, which makes it a piece of information; a critical one
// never is.
func (e *Engine) weigh(in *instance) {
	f := &in.finding
	f.severity, f.held = f.said, ""
	if f.state != memwatch.Leaking || f.said != memwatch.SeverityWarning {
		return
	}
	if f.held = e.justDeployed(in); f.held == "" {
		f.held = levelledOff(in)
	}
	if f.held != "" {
		f.severity = memwatch.SeverityInfo
	}
}

// justDeployed holds back a process that has just replaced another: caches fill,
// and connections come over from the old ones.
func (e *Engine) justDeployed(in *instance) string {
	began := in.service.began
	if up := in.uptime(); up == 0 || up >= e.cfg.DeployGrace || in.footing.start.Sub(began) < e.cfg.DeployGrace {
		return ""
	}
	return "its process runs for less than " + span(e.cfg.DeployGrace) + " after a deploy or restart"
}

// levelledOff holds back an instance whose older replicas, of the same version,
// grew further than it has and then stopped: it may do as they did.
func levelledOff(in *instance) string {
	f := &in.finding
	mine, up := in.footing.level(f.kind), in.uptime()
	if up == 0 || mine == 0 {
		return ""
	}
	older, highest := 0, 0.0
	for _, other := range in.service.instances {
		if other == in || other.version != in.version || other.footing.start.IsZero() || !other.footing.start.Before(in.footing.start) {
			continue
		}
		switch {
		case other.finding.state == memwatch.Leaking && other.finding.kind == f.kind:
			return "" // an older one leaks as well
		case other.finding.state == memwatch.Healthy && other.uptime() > up:
			older++
			highest = max(highest, other.footing.level(f.kind))
		}
	}
	if older == 0 || mine >= highest {
		return ""
	}
	what := size(highest)
	if f.kind == memwatch.KindGoroutine {
		what = fmt.Sprintf("%.0f goroutines", highest)
	}
	if older == 1 {
		return "an older replica levelled off at " + what + ", which it has not reached"
	}
	return fmt.Sprintf("%d older replicas levelled off at up to %s, which it has not reached", older, what)
}

// count says how many replicas show the alert's leak, and how sure that makes it:
// replicas that say the same are as witnesses, each after the first counted half,
// for they share what they run and their load.
func (o *open) count(sv *service) {
	a := &o.alert
	a.Replicas = max(len(sv.instances), len(a.Instances))
	a.Leaking = 0
	doubt := 1.0
	var sure []float64
	for _, m := range o.members {
		if m.leaking {
			a.Leaking++
			if m.finding.verdict != nil {
				sure = append(sure, m.finding.verdict.Confidence)
			}
		}
	}
	slices.Sort(sure)
	for i, c := range slices.Backward(sure) {
		if i < len(sure)-1 {
			c /= 2
		}
		doubt *= 1 - c
	}
	if len(sure) > 0 {
		a.Confidence = math.Round(min(1-doubt, 0.999)*1000) / 1000
	}
}
