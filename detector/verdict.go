package detector

import (
	"fmt"

	"github.com/zupee/memwatch"
)

// Verdict says all that is known, freshly built.
func (d *Detector) Verdict() *memwatch.Verdict {
	st := &d.state
	v := &memwatch.Verdict{State: st.state, Kind: memwatch.KindNone, Severity: memwatch.SeverityNone, Culprits: []memwatch.Culprit{}, Gates: []memwatch.Gate{}}
	if st.state.Rank() < memwatch.Suspect.Rank() {
		v.Summary = fmt.Sprintf("%s: nothing grows that should not", st.state)
		return v
	}
	v.Kind = st.kind
	v.GrowthBytesPerSecond = memwatch.Interval{Estimate: st.tr.slope, Low: st.tr.low, High: st.tr.high}
	v.GrowthBytes = st.tr.growth
	v.Since = memwatch.Milli(d.last.Time) - memwatch.UnixMilli(st.tr.span*1000)
	v.Confidence = 0.9
	if st.state == memwatch.Leaking {
		v.Severity = memwatch.SeverityInfo
		if v.GrowthBytes > float64(d.cfg.LeakThresholdBytes) {
			v.Severity = memwatch.SeverityWarning
		}
	}
	table := &d.sites
	if st.kind == memwatch.KindGoroutine {
		table = &d.stacks
	}
	for _, m := range table.movers() {
		c := memwatch.Culprit{LiveBytes: m.now, LiveObjects: m.objs, GrowthBytesPerSecond: m.slope, Certainty: memwatch.Likely}
		for i, id := range m.stack {
			f := table.frames[id]
			c.Stack = append(c.Stack, f)
			if i == 0 {
				c.Leaf = f.Function
			}
			if c.Function == "" && !isStd(f.Function) {
				c.Function, c.File, c.Line = f.Function, f.File, f.Line
			}
		}
		if c.Function == "" {
			c.Function = c.Leaf
		}
		v.Culprits = append(v.Culprits, c)
	}
	v.Summary = fmt.Sprintf("%s: %s grows by %.0f kB/s", v.State, v.Kind, st.tr.slope/1000)
	if len(v.Culprits) > 0 {
		v.Summary += " in " + v.Culprits[0].Function
	}
	return v
}
