package alert

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/zupee/memwatch"
)

// leakWords say what a leak of a kind does.
func leakWords(k memwatch.Kind) (leaks, noLonger string) {
	switch k {
	case memwatch.KindHeap:
		return "leaks heap memory", "no longer leaks heap memory"
	case memwatch.KindGoroutine:
		return "leaks goroutines", "no longer leaks goroutines"
	case memwatch.KindOffHeap:
		return "leaks memory outside the heap", "no longer leaks memory outside the heap"
	case memwatch.KindFragmentation:
		return "loses memory to fragmentation", "no longer loses memory to fragmentation"
	}
	return "leaks memory", "no longer leaks memory"
}

// leakMessage is like "checkout leaks heap memory in main.(*Cache).Put on 3
// instances: +1.2 MiB/s, at its limit of 512 MiB in 2 h".
func leakMessage(o *open) string {
	var b strings.Builder
	leaks, _ := leakWords(o.alert.Kind)
	fmt.Fprintf(&b, "%s %s", o.alert.Service, leaks)
	if o.alert.Culprit != "" {
		fmt.Fprintf(&b, " in %s", o.alert.Culprit)
	}
	if o.alert.SinceVersion != "" {
		fmt.Fprintf(&b, " since %s", o.alert.SinceVersion)
	}
	n := o.alert.Leaking
	if n == 0 {
		n = len(o.alert.Instances)
	}
	switch {
	case n == 1 && len(o.alert.Instances) == 1:
		fmt.Fprintf(&b, " on %s", o.alert.Instances[0])
	case n < o.alert.Replicas:
		fmt.Fprintf(&b, " on %d of %d instances", n, o.alert.Replicas)
	default:
		fmt.Fprintf(&b, " on %d instances", n)
	}
	var facts []string
	v := o.alert.Verdict
	if v != nil && v.GrowthBytesPerSecond.Estimate > 0 {
		facts = append(facts, "+"+rate(v.GrowthBytesPerSecond.Estimate))
	} else if o.alert.MemoryGrowthMB > 0 {
		facts = append(facts, "+"+size(o.alert.MemoryGrowthMB*mib))
	}
	if v != nil && v.TimeToLimitSeconds != nil && v.LimitBytes > 0 {
		left := time.Duration(min(*v.TimeToLimitSeconds, maxSpan.Seconds()) * float64(time.Second))
		at := "at its limit of "
		if v.LimitSource == "assumed" { // it is nobody's
			at = "no limit known, at an assumed one of "
		}
		at += size(float64(v.LimitBytes))
		if left >= time.Second {
			at += " in " + span(left)
		}
		facts = append(facts, at)
	}
	if len(facts) > 0 {
		b.WriteString(": " + strings.Join(facts, ", "))
	}
	if o.alert.HeldBack != "" {
		b.WriteString("; held back: " + o.alert.HeldBack)
	}
	return b.String()
}

// resolvedMessage is like "checkout no longer leaks heap memory in X: healthy for 10 min".
func resolvedMessage(o *open, why string) string {
	if o.alert.Type == memwatch.AlertDisconnect {
		return fmt.Sprintf("%s: %s", o.alert.Service, why)
	}
	_, noLonger := leakWords(o.alert.Kind)
	where := ""
	if o.alert.Culprit != "" {
		where = " in " + o.alert.Culprit
	}
	return fmt.Sprintf("%s %s%s: %s", o.alert.Service, noLonger, where, why)
}

// supersededMessage is like "checkout leaks heap memory in X: another alert tells it".
func supersededMessage(o *open, function string) string {
	leaks, _ := leakWords(o.alert.Kind)
	return fmt.Sprintf("%s %s in %s: another alert tells it", o.alert.Service, leaks, function)
}

// awayMessage is like "checkout: 2 of 5 instances are not heard of (a, b): connection refused".
func awayMessage(sv *service, o *open) string {
	var names []string
	reason := ""
	for name, m := range o.members {
		if m.recovered || m.gone {
			continue
		}
		names = append(names, name)
		if in := sv.instances[name]; in != nil && in.reason != "" {
			reason = in.reason
		}
	}
	slices.Sort(names)
	total := len(sv.instances)
	out := fmt.Sprintf("%s: %d of %d instances are not heard of", sv.name, len(names), total)
	if total == 1 {
		out = sv.name + " is not heard of"
	}
	const shown = 3
	if len(names) > shown {
		names = append(names[:shown], "…")
	}
	out += " (" + strings.Join(names, ", ") + ")"
	if reason == "" {
		reason = "the agent's connection is gone"
	}
	return out + ": " + reason
}

func snapshotMessage(c memwatch.Capture) string {
	what := "Heap profile"
	if c.Kind != memwatch.HeapProfile {
		what = "Goroutine profile"
	}
	name := c.Service
	if c.Instance != "" {
		name += "/" + c.Instance
	}
	out := fmt.Sprintf("%s of %s saved", what, name)
	if c.Filename != "" {
		out += ": " + c.Filename
	}
	return out
}

const mib = 1 << 20

// size writes bytes as people read them.
func size(bytes float64) string {
	for _, u := range []struct {
		bytes float64
		name  string
	}{{1 << 40, "TiB"}, {1 << 30, "GiB"}, {mib, "MiB"}, {1 << 10, "KiB"}} {
		if bytes >= u.bytes {
			return short(bytes/u.bytes) + " " + u.name
		}
	}
	return fmt.Sprintf("%.0f B", bytes)
}

// rate writes bytes per second over a time in which it makes at least 100 KiB.
func rate(bytesPerSecond float64) string {
	switch {
	case bytesPerSecond >= 100<<10:
		return size(bytesPerSecond) + "/s"
	case bytesPerSecond*60 >= 100<<10:
		return size(bytesPerSecond*60) + "/min"
	}
	return size(bytesPerSecond*3600) + "/h"
}

// maxSpan is the longest time that is spelled out.
const maxSpan = 999 * 24 * time.Hour

// span writes a duration as people say it.
func span(d time.Duration) string {
	switch {
	case d < 2*time.Minute:
		return fmt.Sprintf("%.0f s", d.Seconds())
	case d < 2*time.Hour:
		return fmt.Sprintf("%.0f min", d.Minutes())
	case d < 48*time.Hour:
		return short(d.Hours()) + " h"
	}
	return fmt.Sprintf("%.0f days", d.Hours()/24)
}

// short has one decimal below ten, none above.
func short(v float64) string {
	if v < 9.95 {
		return strings.TrimSuffix(fmt.Sprintf("%.1f", v), ".0")
	}
	return fmt.Sprintf("%.0f", v)
}
