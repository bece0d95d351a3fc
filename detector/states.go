package detector

import (
	"github.com/zupee/memwatch"
)

// Evidence makes the state; how soon it hurts makes the severity (danger.go).
//
// suspect: something grows, and neither noise, a plateau nor a step explains
// it, at suspectHits closings in a row. leaking: it has also grown for long
// enough, or by enough to matter at once, and neither load nor what the
// previous life of the process held explains it. Both end only after several
// closings without: evidence that comes and goes is no news.
const (
	// The evidence for leaking must hold for some of the time it speaks of:
	// the closings of a long trend are nearly the same test again and again.
	holdShare     = 0.07
	suspectHits   = 2
	leakingHits   = 2
	suspectMisses = 3
	leakingMisses = 4
)

// states is where a target stands, with the evidence behind it.
type states struct {
	state        memwatch.State
	hits, misses int
	strong, weak int     // closings in a row with evidence for leaking, and with less
	strongSince  float64 // seconds
	lastHit      float64 // seconds
	since        float64 // when the growth began, seconds of the process's life
	ev           evidence
}

// over reports whether the evidence has been gone for long enough, at time t.
func (st *states) over(t float64) bool {
	if t-st.lastHit < holdShare*st.ev.tr.span {
		return false
	}
	return st.state == memwatch.Leaking && st.misses >= leakingMisses || st.state == memwatch.Suspect && st.misses >= suspectMisses
}

// judge closes a block: it gathers the evidence and moves the state.
func (d *Detector) judge() {
	for i := range d.series {
		d.scratch = d.series[i].look(&d.cfg, d.scratch)
	}
	if live := &d.series[liveHeap]; live.found.n == 0 {
		live.found = steep(&live.pyramid, float64(d.cfg.LeakThresholdBytes), fastReadings*d.interval)
	}
	st := &d.state
	if st.state == memwatch.Learning && d.clock.closed >= learnBlocks {
		st.state = memwatch.Healthy
	}
	ev, ok := d.gather()
	if !ok {
		st.hits, st.strong = max(0, st.hits-1), max(0, st.strong-1)
		st.misses++
		if st.over(d.clock.t) {
			st.state, st.hits, st.strong, st.ev = memwatch.Healthy, 0, 0, evidence{}
			d.proof = proof{} // of goroutines that are no news any more
		}
		return
	}
	st.hits++
	st.misses, st.lastHit = 0, d.clock.t
	if since := d.clock.t - ev.tr.span; st.hits == 1 || since < st.since {
		st.since = since
	}
	other := st.state == memwatch.Leaking && ev.kind != st.ev.kind
	if !other || st.weak+1 >= leakingMisses {
		st.ev = ev
	}
	if ev.strong() && !other {
		if st.strong == 0 {
			st.strongSince = d.clock.t
		}
		st.strong, st.weak = st.strong+1, 0
	} else {
		st.strong, st.weak = max(0, st.strong-1), st.weak+1
	}
	switch {
	case st.state == memwatch.Leaking && st.weak >= leakingMisses:
		st.state, st.strong = memwatch.Suspect, 0
	case ev.strong() && st.strong >= leakingHits && d.clock.t-st.strongSince >= holdShare*ev.tr.span:
		st.state = memwatch.Leaking
	case st.hits >= suspectHits && st.state != memwatch.Leaking:
		st.state = memwatch.Suspect
	}
}
