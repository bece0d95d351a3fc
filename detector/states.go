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
	// The evidence for leaking must hold for a tenth of the time it speaks of:
	// the closings of a long trend are nearly the same test again and again.
	holdShare     = 0.1
	suspectHits   = 2
	leakingHits   = 2
	suspectMisses = 3
	leakingMisses = 4
)

// A growth must have been watched for settleSeconds and settleBlocks before it
// is called a leak: programs warm up for minutes, whatever the interval is. One
// that already passed LeakThresholdBytes and doubled what was there need not wait.
const (
	settleSeconds = 240
	settleBlocks  = 12
	learnBlocks   = minPoints
)

// states is where a target stands, with the evidence behind it.
type states struct {
	state        memwatch.State
	hits, misses int
	strong, weak int     // closings in a row with evidence for leaking, and with less
	strongSince  float64 // seconds
	ev           evidence
}

// evidence is what grows at one closing, by the series or the sites that show it best.
type evidence struct {
	kind memwatch.Kind
	name string // in words
	tr   trend  // in bytes
	// groups are the owners that accumulate; empty when only the process shows it.
	groups []group
	load   bool // growth remains when load is taken off
	settle bool // watched for long enough, or large enough
	fresh  bool // above what the previous life held
	ample  bool // not lost in the size of the whole
}

func (e *evidence) strong() bool { return e.load && e.settle && e.fresh && e.ample }

// judge closes a block: it gathers the evidence and moves the state.
func (d *Detector) judge() {
	for i := range d.series {
		d.scratch = d.series[i].look(&d.cfg, d.scratch)
	}
	st := &d.state
	if st.state == memwatch.Learning && d.clock.closed >= learnBlocks {
		st.state = memwatch.Healthy
	}
	ev, ok := d.gather()
	if !ok {
		st.hits, st.strong = max(0, st.hits-1), max(0, st.strong-1)
		st.misses++
		if st.state == memwatch.Leaking && st.misses >= leakingMisses || st.state == memwatch.Suspect && st.misses >= suspectMisses {
			st.state, st.hits, st.strong, st.ev = memwatch.Healthy, 0, 0, evidence{}
		}
		return
	}
	st.hits++
	st.misses = 0
	st.ev = ev
	if ev.strong() {
		if st.strong == 0 {
			st.strongSince = d.clock.t
		}
		st.strong, st.weak = st.strong+1, 0
	} else {
		st.strong, st.weak = max(0, st.strong-1), st.weak+1
	}
	switch {
	case st.state == memwatch.Leaking && st.weak >= leakingMisses:
		st.state = memwatch.Suspect
	case st.strong >= leakingHits && d.clock.t-st.strongSince >= holdShare*ev.tr.span:
		st.state = memwatch.Leaking
	case st.hits >= suspectHits && st.state != memwatch.Leaking:
		st.state = memwatch.Suspect
	}
}

// gather picks the growth to speak of.
func (d *Detector) gather() (evidence, bool) {
	live, routines, off, frag := &d.series[liveHeap].found, &d.series[goroutines].found, &d.series[offHeap].found, &d.series[fragments].found
	groups := d.accumulating()
	var ev evidence
	switch {
	case routines.n > 0 && live.growth < maxPerGoroutine*routines.growth:
		// Goroutines keep what they refer to: the heap beside them is their doing.
		ev = evidence{kind: memwatch.KindGoroutine, name: d.series[goroutines].name, tr: scaled(*routines, d.perGoroutine())}
	case live.n > 0 && off.growth < 2*2*live.growth:
		ev = evidence{kind: memwatch.KindHeap, name: d.series[liveHeap].name, tr: *live, groups: groups}
	case len(groups) > 0:
		ev = evidence{kind: memwatch.KindHeap, name: "allocations of " + groups[0].owner, tr: groups[0].tr, groups: groups}
	case d.series[stackBytes].found.n > 0:
		ev = evidence{kind: memwatch.KindGoroutine, name: d.series[stackBytes].name, tr: d.series[stackBytes].found}
	case off.n > 0:
		ev = evidence{kind: memwatch.KindOffHeap, name: d.series[offHeap].name, tr: *off}
	case frag.n > 0:
		ev = evidence{kind: memwatch.KindFragmentation, name: d.series[fragments].name, tr: *frag}
	default:
		return ev, false
	}
	ev.load = len(ev.groups) > 0 || ev.tr.beyondLoad >= loadShare
	ev.settle = ev.tr.span+d.previous.watched >= max(settleSeconds, lifeShare*d.clock.t) && (ev.tr.n+d.previous.blocks >= settleBlocks || len(ev.groups) > 0)
	if ev.tr.growth >= float64(d.cfg.LeakThresholdBytes) && ev.tr.growth >= ev.tr.first {
		ev.settle = true
	}
	ev.ample = len(ev.groups) > 0 || ev.tr.growth >= ampleShare*ev.tr.first
	ev.fresh = d.previous.plateau == 0 || ev.tr.last > 1.1*d.previous.plateau || ev.kind != memwatch.KindHeap
	return ev, true
}

const (
	// maxPerGoroutine is how much heap one leaked goroutine may plausibly hold.
	maxPerGoroutine = 256 << 10
	// loadShare of the growth must remain when load is taken off.
	loadShare = 0.3
	// ampleShare of the level must have been added: a heap as a whole wanders by
	// some percent for days.
	ampleShare = 0.1
	// lifeShare of its life is how long a process must be seen to grow.
	lifeShare = 0.1
)

// perGoroutine is the stack bytes of one goroutine.
func (d *Detector) perGoroutine() float64 {
	n := d.last.Or(memwatch.Goroutines, 0)
	if n < 1 {
		return 2048
	}
	return max(2048, d.last.Or(memwatch.StackInuseBytes, 0)/n)
}

// scaled turns a trend of a count into bytes.
func scaled(tr trend, unit float64) trend {
	tr.first, tr.last, tr.growth, tr.noise = tr.first*unit, tr.last*unit, tr.growth*unit, tr.noise*unit
	tr.slope, tr.low, tr.high = tr.slope*unit, tr.low*unit, tr.high*unit
	return tr
}

// accumulating returns the owners whose growth stands on its own, unless the
// live heap says that others gave up as much.
func (d *Detector) accumulating() []group {
	var out []group
	for _, g := range d.grown {
		tr := &g.tr
		if tr.z < d.cfg.Significance || tr.plateau >= rivalMargin || tr.step >= rivalMargin || tr.ending < endingShare {
			continue
		}
		if d.liveAllows(&g) {
			out = append(out, g)
		}
	}
	return out
}

// liveAllows reports whether the live heap over about the same time can have
// grown by half of what the group did.
func (d *Detector) liveAllows(g *group) bool {
	p := &d.series[liveHeap].pyramid
	var buf [levelBlocks]block
	for l := range levels {
		w := p.window(l, levelBlocks, &buf)
		if len(w) < minPoints {
			return true
		}
		if w[len(w)-1].t-w[0].t < 0.8*g.gap && l+1 < levels && p.level[l+1].n >= minPoints {
			continue
		}
		for len(w) > minPoints && w[len(w)-1].t-w[0].t > 1.1*g.gap {
			w = w[1:]
		}
		var tr trend
		tr, d.scratch = measure(w, d.scratch)
		return tr.high*g.gap >= 0.5*g.growth
	}
	return true
}
