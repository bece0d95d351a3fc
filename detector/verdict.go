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
	tr := &st.ev.tr
	v.Kind = st.ev.kind
	v.GrowthBytesPerSecond = memwatch.Interval{Estimate: tr.slope, Low: tr.low, High: tr.high}
	v.GrowthBytes = tr.growth
	v.Since = memwatch.Milli(d.last.Time) - memwatch.UnixMilli(tr.span*1000)
	v.Confidence = 0.9
	if st.state == memwatch.Leaking {
		v.Severity = memwatch.SeverityInfo
		if v.GrowthBytes > float64(d.cfg.LeakThresholdBytes) {
			v.Severity = memwatch.SeverityWarning
		}
	}
	v.Culprits = d.culprits()
	v.Summary = fmt.Sprintf("%s: %s grows by %.0f kB/s", v.State, v.Kind, tr.slope/1000)
	if len(v.Culprits) > 0 {
		v.Summary += " in " + v.Culprits[0].Function
	}
	return v
}
