package detector

import (
	"math"

	"github.com/zupee/memwatch"
)

// danger is how soon a growth hurts.
type danger struct {
	limit  float64 // bytes
	source string  // cgroup, gomemlimit, config or assumed
	used   float64 // bytes, of the same memory that the limit limits
	// factor is how many bytes of memory one byte of growth costs.
	factor float64
	// left is the seconds until the limit: estimate, soonest and latest; +Inf
	// where the growth may be nothing.
	left, soonest, latest float64
	// bends says that the growth flattens and ends below the limit.
	bends bool
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
	// A curve that flattens is followed to its end, not prolonged as a line.
	if tr := &ev.tr; tr.bend >= rivalMargin && (tr.ceiling-tr.last)*x.factor < room {
		x.bends = true
		x.left, x.soonest, x.latest = math.Inf(1), secondsTo(room, ev.tr.high*x.factor), math.Inf(1)
		return x
	}
	x.left = secondsTo(room, ev.tr.slope*x.factor)
	x.soonest = secondsTo(room, ev.tr.high*x.factor)
	x.latest = secondsTo(room, ev.tr.low*x.factor)
	return x
}

func secondsTo(room, rate float64) float64 {
	if rate <= 0 {
		return math.Inf(1)
	}
	return room / rate
}

// limit is the nearest limit known. The soft limit of the Go runtime counts as
// one: beyond it the process does not die, but it does little else than collect.
func (d *Detector) limit() (bytes float64, source string) {
	if d.cfg.LimitBytes > 0 {
		return float64(d.cfg.LimitBytes), "config"
	}
	hard, hasHard := d.last.Get(memwatch.LimitBytes)
	soft, hasSoft := d.last.Get(memwatch.GoMemLimitBytes)
	soft *= softLimitShare
	switch {
	case hasSoft && soft > 0 && (!hasHard || soft < hard):
		return soft, "gomemlimit"
	case hasHard && hard > 0:
		return hard, "cgroup"
	}
	return math.Max(assumedLimit, assumedFactor*d.baseline), "assumed"
}

// used is the memory that counts against the limit.
func (d *Detector) used(source string) float64 {
	if source == "gomemlimit" {
		if sys, ok := d.last.Get(memwatch.SysBytes); ok {
			return sys - d.last.Or(memwatch.HeapReleasedBytes, 0)
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
	next, ok := d.last.Get(memwatch.NextGCBytes)
	if !ok {
		return 1
	}
	if soft, has := d.last.Get(memwatch.GoMemLimitBytes); has && next >= 0.9*soft {
		return 1
	}
	return 1 + d.last.Or(memwatch.GOGCPercent, 100)/100
}

// severity weighs a leak. A trend is extrapolated no further than HorizonFactor
// times the time that it has been seen: equivalently, what has grown must be a
// fair part of what is left. One rule decides who gets woken, and it is this:
// growth that is significant fires several times a day on healthy services,
// growth that also leads to the limit hardly ever.
func (d *Detector) severity(ev *evidence, x *danger) memwatch.Severity {
	seen, _ := d.watched(&ev.tr)
	reaches := x.left <= d.cfg.HorizonFactor*seen
	halfGone := x.source != "assumed" && ev.tr.growth*x.factor >= x.limit-x.used
	switch {
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
	if x.source == "assumed" {
		return least
	}
	return math.Max(least, roomShare*x.limit)
}
