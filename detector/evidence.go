package detector

import (
	"slices"

	"github.com/zupee/memwatch"
)

// evidence is what grows at one closing, by the series or the sites that show it best.
type evidence struct {
	kind memwatch.Kind
	name string // in words
	tr   trend  // in bytes
	// groups are the owners that accumulate; empty when only the process shows it.
	groups []group
	// Each is a gate between suspect and leaking.
	beyondLoad bool // growth remains when load is taken off
	watched    bool // seen for long enough, or large enough
	fresh      bool // above what the previous life held
	ample      bool // not lost in the size of the whole
	goesOn     bool // lately, too
	// lately is the pace of the newest stretch as a share of the whole's, at most.
	lately float64
}

func (e *evidence) strong() bool {
	return e.beyondLoad && e.watched && e.fresh && e.ample && e.goesOn
}

// A growth must have been watched for settleSeconds and settleBlocks before it
// is called a leak: programs warm up for minutes, whatever the interval is. One
// that already passed LeakThresholdBytes and doubled what was there need not
// wait; fastReadings are enough.
const (
	fastReadings  = 40
	settleSeconds = 270
	settleBlocks  = 12
	learnBlocks   = minPoints
)

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
	// loadReach is how many times longer a time load is looked at over.
	loadReach = 10
	// latelyShare of its pace a growth must still have in the newest latelyPart of
	// its time. A cache that was filling steadily is full long before a plateau
	// explains the whole better than a line does.
	latelyShare = 0.5
	latelyPart  = 1.0 / 12
	// nearly the level at which the previous life ended makes the growth of two
	// lives one.
	nearly = 0.9
	// previousMargin above the previous life's plateau is more than that life held.
	previousMargin = 1.1
	// dominant is how much more than the heap memory outside it must grow to be
	// the matter: with GOGC=100, a growing live heap takes twice its growth.
	dominant = 4
)

// gather picks the growth to speak of, if there is any.
func (d *Detector) gather() (evidence, bool) {
	ev, ok := d.largest()
	if !ok {
		return ev, false
	}
	sites := len(ev.groups) > 0
	ev.beyondLoad = d.beyondLoad(&ev) >= loadShare || sites && ev.groups[0].tr.beyondLoad >= loadShare
	if !ev.beyondLoad {
		x := d.danger(&ev)
		ev.beyondLoad = x.imminent(&ev)
	}
	ev.ample = sites || ev.tr.growth >= ampleShare*ev.tr.first
	ev.fresh = d.fresh(&ev)
	ev.lately = d.lately(&ev)
	ev.goesOn = ev.lately >= latelyShare
	watched, blocks := d.watched(&ev)
	ev.watched = watched >= max(settleSeconds, lifeShare*d.clock.t) && (blocks >= settleBlocks || sites) ||
		ev.tr.growth >= float64(d.cfg.LeakThresholdBytes) && ev.tr.growth >= ev.tr.first && ev.tr.span >= fastReadings*d.interval
	if ev.kind == memwatch.KindGoroutine && d.proof.settles() {
		ev.watched, ev.beyondLoad, ev.ample, ev.goesOn = true, true, true, true
	}
	return ev, true
}

// beyondLoad is the share of a growth that load leaves unexplained, over the
// growth's own time and over longer ones: the rise of a day's traffic is lost in
// the noise of twenty minutes, and plain in three hours.
func (d *Detector) beyondLoad(ev *evidence) float64 {
	tr := &ev.tr
	share := tr.beyondLoad
	var buf [levelBlocks]block
	p := &d.seriesOf(ev).pyramid
	for l := range levels {
		w := p.window(l, levelBlocks, &buf)
		if len(w) < minPoints {
			break
		}
		if span := w[len(w)-1].t - w[0].t; span >= tr.span && span <= loadReach*tr.span {
			share = min(share, beyondLoad(w))
		}
	}
	return share
}

// lately is how fast a growth still is at most, by the series' newest stretch of
// latelyPart of its time: the upper end of Sen's interval there, as a share of
// the slope over all of it. 1 when no stretch is fine enough to tell.
func (d *Detector) lately(ev *evidence) float64 {
	s := d.seriesOf(ev)
	unit := 1.0
	if s == &d.series[goroutines] {
		unit = ev.tr.slope / s.found.slope // the evidence is in bytes
	}
	var buf [levelBlocks]block
	for l := range levels {
		for _, n := range slices.Backward(windows[:]) {
			w := s.pyramid.window(l, n, &buf)
			if len(w) < n {
				break
			}
			switch span := w[n-1].t - w[0].t; {
			case span < latelyPart*ev.tr.span:
				continue
			case span > ev.tr.span/2:
				return 1
			}
			var tr trend
			tr, d.scratch = measure(w, d.scratch)
			return unit * tr.high / ev.tr.slope
		}
	}
	return 1
}

// seriesOf is the series that evidence speaks of; for what sites hold, the live heap.
func (d *Detector) seriesOf(ev *evidence) *series {
	for i := range d.series {
		if s := &d.series[i]; s.kind == ev.kind && s.name == ev.name {
			return s
		}
	}
	return &d.series[liveHeap]
}

// fresh reports whether the level is higher than the process ever held and came
// back from, in this life or an earlier one: a day's peak, a batch, a backlog
// that is only reached again is nothing new.
func (d *Detector) fresh(ev *evidence) bool {
	for i := range d.series {
		s := &d.series[i]
		if s.kind != ev.kind || s.found.n == 0 {
			continue
		}
		level := s.pyramid.highest(d.clock.t - s.found.span)
		if i == liveHeap {
			level = max(level, d.previous.plateau)
		}
		return s.found.last > previousMargin*level
	}
	return true
}

// watched is for how long the growth has been seen, in seconds and blocks,
// together with the previous life's if that ended with the same thing growing
// and this one goes on where it ended. Another life at most doubles what this
// one shows itself: a minute does not become hours.
func (d *Detector) watched(ev *evidence) (seconds float64, blocks int) {
	seconds, blocks = ev.tr.span, ev.tr.n
	if d.continues(ev, nearly) {
		seconds, blocks = seconds+min(d.previous.watched, seconds), blocks+min(d.previous.blocks, blocks)
	}
	return seconds, blocks
}

// continues reports whether the previous life ended with the same thing growing,
// and this one has come to so many times the level where it ended.
func (d *Detector) continues(ev *evidence, margin float64) bool {
	p := &d.previous
	return p.watched > 0 && p.name == ev.name && ev.tr.last > margin*p.level
}

// largest chooses among all that grows what makes up most of it.
func (d *Detector) largest() (evidence, bool) {
	found := func(i int) *trend { return &d.series[i].found }
	live, routines, off := found(liveHeap), found(goroutines), found(offHeap)
	groups := d.accumulating()
	outside := max(off.growth, found(fragments).growth)
	byProcess := func(i int) (evidence, bool) {
		return evidence{kind: d.series[i].kind, name: d.series[i].name, tr: *found(i)}, true
	}
	switch {
	case routines.n > 0 && live.growth < maxPerGoroutine*routines.growth:
		// Goroutines keep what they refer to: the heap beside them is their doing.
		ev, _ := byProcess(goroutines)
		ev.tr = routines.scaled(d.perGoroutine() + max(0, live.growth)/routines.growth)
		return ev, true
	case live.n > 0 && outside < dominant*live.growth:
		ev, _ := byProcess(liveHeap)
		ev.groups = groups
		return ev, true
	case len(groups) > 0 && outside < dominant*groups[0].tr.growth:
		return evidence{kind: memwatch.KindHeap, name: "what " + groups[0].owner + " holds", tr: groups[0].tr, groups: groups}, true
	case found(stackBytes).n > 0:
		return byProcess(stackBytes)
	case off.n > 0 && off.growth >= found(fragments).growth:
		return byProcess(offHeap)
	case found(fragments).n > 0:
		return byProcess(fragments)
	}
	return evidence{}, false
}

// perGoroutine is the stack bytes of one goroutine.
func (d *Detector) perGoroutine() float64 {
	const least = 2048 // a new goroutine's stack
	n := d.last.Or(memwatch.Goroutines, 0)
	if n < 1 {
		return least
	}
	return max(least, d.last.Or(memwatch.StackInuseBytes, 0)/n)
}

// accumulating returns the owners whose growth stands on its own, unless the
// live heap says that others gave up as much.
func (d *Detector) accumulating() []group {
	var out []group
	for i := range d.grown {
		if d.liveAllows(&d.grown[i]) {
			out = append(out, d.grown[i])
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
