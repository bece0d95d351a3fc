package detector

import (
	"math"
	"time"

	"github.com/zupee/memwatch"
)

// Verdict says all that is known. It is built when asked for and changes only
// when a block closes or a profile comes; the caller may keep it and must not
// write to it.
func (d *Detector) Verdict() *memwatch.Verdict {
	if d.verdict == nil {
		d.verdict = d.compose()
	}
	return d.verdict
}

func (d *Detector) compose() *memwatch.Verdict {
	st := &d.state
	v := &memwatch.Verdict{
		State: st.state, Kind: memwatch.KindNone, Severity: memwatch.SeverityNone,
		Culprits: []memwatch.Culprit{}, Gates: []memwatch.Gate{},
	}
	limit, source := d.limit()
	v.LimitBytes, v.LimitSource = int64(limit), source
	if st.state.Rank() < memwatch.Suspect.Rank() {
		if ev, ok := d.idle(); ok {
			x := d.danger(&ev)
			v.Gates = d.gates(&ev, &x)
		}
		v.Summary = d.summary(v, nil, nil)
		return v
	}
	ev := &st.ev
	x := d.danger(ev)
	v.Kind = ev.kind
	v.Since = memwatch.Milli(d.clock.origin.Add(time.Duration(st.since * float64(time.Second))))
	v.GrowthBytesPerSecond = memwatch.Interval{Estimate: ev.tr.slope, Low: ev.tr.low, High: ev.tr.high}
	v.GrowthBytes = ev.tr.growth
	v.TimeToLimitSeconds, v.TimeToLimitLowSeconds, v.TimeToLimitHighSeconds = finite(x.left), finite(x.soonest), finite(x.latest)
	if st.state == memwatch.Leaking {
		v.Severity = d.severity(ev, &x)
	}
	v.Confidence = d.confidence(ev)
	v.Culprits = d.culprits()
	v.Gates = d.gates(ev, &x)
	v.Summary = d.summary(v, ev, &x)
	return v
}

// finite is nil for what is never reached.
func finite(x float64) *float64 {
	if math.IsInf(x, 0) || math.IsNaN(x) {
		return nil
	}
	return &x
}

// confidence puts the evidence into one number: how far the trend is beyond
// chance, with what sites add, and half of it while something holds it back.
func (d *Detector) confidence(ev *evidence) float64 {
	c := 1 - 0.5*math.Exp(-math.Max(0, ev.tr.z-d.cfg.Significance+1))
	if len(ev.groups) > 0 || d.proof.total > 0 {
		c = 1 - (1-c)/2
	}
	if d.state.state != memwatch.Leaking {
		c /= 2
	}
	return c
}
