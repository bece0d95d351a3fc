package detector

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/zupee/memwatch"
)

// size writes bytes for people.
func size(b float64) string {
	for _, u := range [...]struct {
		name string
		unit float64
	}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}} {
		switch n := b / u.unit; {
		case math.Abs(n) >= 999.5:
			return fmt.Sprintf("%.0f %s", n, u.name) // %g would write 1e+03
		case math.Abs(n) >= 1:
			return fmt.Sprintf("%.3g %s", n, u.name)
		}
	}
	return fmt.Sprintf("%.0f B", b)
}

// duration writes seconds for people, in one unit.
func duration(s float64) string {
	switch {
	case math.IsInf(s, 0) || math.IsNaN(s):
		return "an unknown time"
	case s < 120:
		return fmt.Sprintf("%.0f s", s)
	case s < 2*3600:
		return fmt.Sprintf("%.0f min", s/60)
	case s < 48*3600:
		return fmt.Sprintf("%.1f h", s/3600)
	}
	return fmt.Sprintf("%.1f days", s/86400)
}

// pace writes a rate in the unit that makes it a handy number.
func pace(perSecond float64) string {
	switch {
	case perSecond >= 100<<10:
		return size(perSecond) + "/s"
	case perSecond*60 >= 100<<10:
		return size(perSecond*60) + "/min"
	}
	return size(perSecond*3600) + "/h"
}

// summary says it all in one sentence.
func (d *Detector) summary(v *memwatch.Verdict, ev *evidence, x *danger) string {
	switch v.State {
	case memwatch.Learning:
		return fmt.Sprintf("Learning: %d of %d blocks of readings seen.", d.clock.closed, learnBlocks)
	case memwatch.Healthy:
		return "Healthy: nothing grows that noise, load or a warm-up does not explain."
	}
	var b strings.Builder
	if v.State == memwatch.Leaking {
		b.WriteString("Leaking: ")
	} else {
		b.WriteString("Suspect: ")
	}
	fmt.Fprintf(&b, "%s grows by %s", ev.name, pace(ev.tr.slope))
	if len(v.Culprits) > 0 {
		verb := "most likely"
		if v.Culprits[0].Certainty == memwatch.Certain {
			verb = "held by"
		}
		fmt.Fprintf(&b, ", %s %s", verb, v.Culprits[0].Function)
	}
	fmt.Fprintf(&b, " (%s in %s)", size(ev.tr.growth), duration(ev.tr.span))
	switch {
	case x.bends:
		fmt.Fprintf(&b, "; it flattens, and would end at %s, below the limit", size(ev.tr.ceiling))
	case math.IsInf(x.left, 0):
	case x.left < 1 && x.source == memwatch.LimitAssumed:
		fmt.Fprintf(&b, "; no limit is known, %s is reached", size(x.limit))
	case x.left < 1:
		fmt.Fprintf(&b, "; the %s of %s is reached", limitWord(x.source), size(x.limit))
	case x.source == memwatch.LimitAssumed:
		fmt.Fprintf(&b, "; no limit is known, %s would be reached in %s", size(x.limit), duration(x.left))
	default:
		fmt.Fprintf(&b, "; the %s of %s is reached in %s", limitWord(x.source), size(x.limit), duration(x.left))
	}
	if v.State == memwatch.Suspect {
		held := firstHeld(v.Gates)
		if held == "" {
			held = "the evidence is in, and must hold for a little longer"
		}
		fmt.Fprintf(&b, "; not called a leak yet: %s", held)
	}
	b.WriteByte('.')
	return b.String()
}

func limitWord(source memwatch.LimitSource) string {
	if source == memwatch.LimitGoMemLimit {
		return "soft limit (GC pressure)"
	}
	return "limit"
}

// firstHeld is the gate that keeps a suspicion from being a leak.
func firstHeld(gates []memwatch.Gate) string {
	for _, g := range gates {
		if !g.Passed && !slices.Contains([]string{"horizon", "site", "bend", "proof"}, g.Name) {
			return g.Name + " (" + g.Detail + ")"
		}
	}
	return ""
}
