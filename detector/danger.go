package detector

import (
	"math"

	"github.com/zupee/memwatch"
)

// danger is how soon a growth hurts.
type danger struct {
	limit  float64 // bytes
	source memwatch.LimitSource
	used   float64 // bytes, of the same memory that the limit limits
	// factor is how many bytes of memory one byte of growth costs.
	factor float64
	// left is the seconds until the limit: estimate, soonest and latest; +Inf
	// where the growth may be nothing.
	left, soonest, latest float64
	// bends says that the growth flattens and ends below the limit.
	bends bool
	// sure is left at the pace that is sure to go on: what call sites confirm
	// counts in full, what they do not by unconfirmedShare.
	sure float64
}

const (
	// assumedLimit, or assumedFactor times what the process started with, stands
	// in where nothing tells a limit.
	assumedLimit  = 1 << 30
	assumedFactor = 4
	// softLimitShare of GOMEMLIMIT is where the GC begins to eat the CPU.
	softLimitShare = 0.95
	// criticalSeconds before the limit nobody sleeps on.
	criticalSeconds = 3600
)

// danger extrapolates a growth to the limit.
func (d *Detector) danger(ev *evidence) danger {
	var x danger
	x.limit, x.source = d.limit()
	x.used = d.used(x.source)
	x.factor = d.costOfGrowth(ev)
	room := math.Max(0, x.limit-x.used)
	pace, ending, straight := d.sites(ev)
	// What the load explains ends with it: goroutines that serve users, a site that
	// is a pool at its high-water mark.
	if share := d.beyondLoad(ev); ev.kind == memwatch.KindGoroutine || share < loadShare {
		pace *= max(unconfirmedShare, min(1, share))
	}
	x.sure = secondsTo(math.Max(0, room-ending*x.factor), pace*x.factor)
	// A curve that flattens is followed to its end, not prolonged as a line.
	if tr := &ev.tr; tr.bend >= bendMargin && (tr.ceiling-tr.last)*x.factor < room && !straight {
		x.bends = true
		x.left, x.soonest, x.latest = math.Inf(1), secondsTo(room, ev.tr.high*x.factor), math.Inf(1)
		x.sure = x.left
		return x
	}
	x.left = secondsTo(room, ev.tr.slope*x.factor)
	x.soonest = secondsTo(room, ev.tr.high*x.factor)
	x.latest = secondsTo(room, ev.tr.low*x.factor)
	return x
}

// unconfirmedShare of a growth is taken to go on when profiles were read and no
// call site in them accounts for it: a heap as a whole grows for many reasons
// that end, and most of them leave no one stack that keeps what it allocates.
const unconfirmedShare = 1.0 / 3

// straightShare of a growth must be held by call sites that do not flatten for
// the whole not to count as flattening.
const straightShare = 0.5

// sites tells by the owners that accumulate how much of a growth goes on, in
// bytes per second, and how many bytes those add before they end whose growth
// flattens; straight says that this is most of it.
func (d *Detector) sites(ev *evidence) (pace, ending float64, straight bool) {
	if ev.kind != memwatch.KindHeap || d.heap.n < minSnapshots {
		return ev.tr.slope, 0, false
	}
	if len(ev.groups) == 0 {
		return unconfirmedShare * ev.tr.slope, 0, false
	}
	margin := bendMargin
	if ev.tr.bend >= bendMargin {
		margin = 0 // the heap as a whole seems to flatten: what does not has to show it
	}
	goesOn, bending := 0.0, 0.0
	for i := range ev.groups {
		g := &ev.groups[i]
		if g.tr.bend >= margin {
			bending += g.tr.slope
			ending += math.Max(0, g.tr.ceiling-g.tr.last)
		} else {
			goesOn += g.lasting() * g.tr.slope
		}
	}
	goesOn = math.Min(goesOn, ev.tr.slope)
	return goesOn + unconfirmedShare*math.Max(0, ev.tr.slope-goesOn-bending), ending, goesOn >= straightShare*ev.tr.slope
}

// bendMargin is the log-likelihood at which a call site's curve is believed to flatten.
const bendMargin = 1.0

func secondsTo(room, rate float64) float64 {
	if rate <= 0 {
		return math.Inf(1)
	}
	return room / rate
}

// limit is the nearest limit known. The soft limit of the Go runtime counts as
// one: beyond it the process does not die, but it does little else than collect.
func (d *Detector) limit() (bytes float64, source memwatch.LimitSource) {
	if d.cfg.LimitBytes > 0 {
		return float64(d.cfg.LimitBytes), memwatch.LimitConfig
	}
	hard, hasHard := d.last.Get(memwatch.LimitBytes)
	soft, hasSoft := d.last.Get(memwatch.GoMemLimitBytes)
	soft *= softLimitShare
	switch {
	case hasSoft && soft > 0 && (!hasHard || soft < hard):
		return soft, memwatch.LimitGoMemLimit
	case hasHard && hard > 0:
		return hard, memwatch.LimitCgroup
	}
	return math.Max(assumedLimit, assumedFactor*d.baseline), memwatch.LimitAssumed
}

// used is the memory that counts against the limit.
func (d *Detector) used(source memwatch.LimitSource) float64 {
	if source == memwatch.LimitGoMemLimit {
		// The GC gives up its own room first: what counts is what it cannot free.
		live, ok := liveOf(&d.last)
		sys, okSys := d.last.Get(memwatch.SysBytes)
		heap, okHeap := d.last.Get(memwatch.HeapSysBytes)
		if ok && okSys && okHeap {
			return live + math.Max(0, sys-heap)
		}
	}
	for _, sig := range [...]memwatch.Signal{memwatch.CgroupBytes, memwatch.RSSBytes, memwatch.SysBytes, memwatch.HeapSysBytes, memwatch.HeapAllocBytes} {
		if v, ok := d.last.Get(sig); ok {
			return v
		}
	}
	return 0
}

// costOfGrowth is what one byte more costs in memory. The GC lets the heap grow
// to (1 + GOGC/100) times what is alive; when a memory limit holds the goal
// down, and outside the heap, a byte is a byte.
func (d *Detector) costOfGrowth(ev *evidence) float64 {
	if ev.kind != memwatch.KindHeap {
		return 1
	}
	_, paced := d.last.Get(memwatch.NextGCBytes)
	if _, soft := d.last.Get(memwatch.GoMemLimitBytes); soft || !paced {
		return 1
	}
	return 1 + d.last.Or(memwatch.GOGCPercent, 100)/100
}

// horizon is how far, in seconds, the trend is trusted. Two lives count as one
// growth only when the second comes to more than the first: what comes to the
// same level again is how the program starts.
func (d *Detector) horizon(ev *evidence) float64 {
	seen := ev.tr.span
	if d.continues(ev, previousMargin) {
		seen += math.Min(d.previous.watched, seen)
	}
	return d.cfg.HorizonFactor * math.Min(1, d.age()/youngSeconds) * seen
}

// age is how old the process was, in seconds, when the last block closed; where
// nothing tells when it began, since it was first seen.
func (d *Detector) age() float64 {
	if d.last.Start.IsZero() {
		return d.clock.at
	}
	return d.clock.at + math.Max(0, d.clock.origin.Sub(d.last.Start).Seconds())
}

// youngSeconds old, a process is past its start: caches and pools have filled,
// users have come. Before, a trend is trusted for less.
const youngSeconds = 3600

// halfGone reports whether the growth has taken half of the room it found.
// Where no limit is known, nobody knows. One that flattens counts when its end
// takes half of what is left, too.
func (x *danger) halfGone(ev *evidence) bool {
	if x.bends && 2*(ev.tr.ceiling-ev.tr.last)*x.factor < x.limit-x.used {
		return false
	}
	return x.source != memwatch.LimitAssumed && ev.tr.growth*x.factor >= x.limit-x.used
}

// imminent reports whether the limit is so near that it does not matter any
// more what explains the growth: load kills as dead as a leak.
func (x *danger) imminent(ev *evidence) bool { return x.halfGone(ev) && x.left < criticalSeconds }

// severity weighs a leak. A trend is extrapolated no further than HorizonFactor
// times the time that it has been seen: equivalently, what has grown must be a
// fair part of what is left. One rule decides who gets woken, and it is this:
// growth that is significant fires several times a day on healthy services,
// growth that also leads to the limit hardly ever.
func (d *Detector) severity(ev *evidence, x *danger) memwatch.Severity {
	reaches := x.sure <= d.horizon(ev)
	halfGone := x.halfGone(ev)
	switch {
	case !ev.strong():
		return memwatch.SeverityInfo // the evidence is wavering: no time to wake anybody
	case reaches && x.left < criticalSeconds || halfGone:
		return memwatch.SeverityCritical
	case reaches || ev.tr.growth >= d.threshold(x) && !x.bends:
		return memwatch.SeverityWarning
	}
	return memwatch.SeverityInfo
}

// roomShare of a known limit is what a growth must have taken to be worth a
// warning by its size alone: 50 MiB are a leak in a container of 256 MiB and a
// cache in one of 8 GiB.
const roomShare = 0.25

// threshold is the growth that is worth a warning wherever the limit is.
func (d *Detector) threshold(x *danger) float64 {
	least := float64(d.cfg.LeakThresholdBytes)
	if x.source == memwatch.LimitAssumed {
		return least
	}
	return math.Max(least, roomShare*x.limit)
}
