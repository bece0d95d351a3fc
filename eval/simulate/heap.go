package simulate

import "math"

// heap is the garbage collector's view of a process. Between cycles it fills
// with what is allocated, garbage or not; a cycle leaves what is reachable.
type heap struct {
	gogc  float64 // percent; 0 is off
	limit float64 // GOMEMLIMIT in bytes, 0 for none

	marked float64 // bytes that survived the last completed cycle
	alloc  float64 // HeapAlloc
	next   float64 // the goal of the cycle to come
	peak   float64 // highest HeapAlloc of the last step

	cycles, forced float64
	lastGC         float64 // seconds
	total          float64 // TotalAlloc
	cpu            float64 // seconds spent marking, on one core
}

const (
	// minGoal is Go's floor of the goal at GOGC=100.
	minGoal = 4 * mib
	// forceAfter is when an idle process is made to collect.
	forceAfter = 2 * minute
	// markSpeed is bytes marked a second, by all workers.
	markSpeed = 1.5 * gib
	// maxShare bounds the time spent in GC, as the runtime's limiter does.
	maxShare = 0.5
)

func newHeap(gogc, limit float64) heap {
	h := heap{gogc: gogc, limit: limit}
	h.next = h.goal(0, 0)
	return h
}

// goal is the pacer's: GOGC percent above what is live, roots included, but
// within the memory limit where there is one. others is the memory besides the
// heap that counts toward that limit.
func (h *heap) goal(roots, others float64) float64 {
	goal := math.Inf(1)
	if h.gogc > 0 {
		goal = max(h.marked+(h.marked+roots)*h.gogc/100, minGoal*h.gogc/100)
	}
	if h.limit > 0 {
		goal = min(goal, (h.limit-others)/spanLoss)
	}
	return max(goal, h.marked*1.01+64*kib)
}

// step allocates over dt seconds up to time t, while what is reachable moves
// from one amount to another, and collects as often as that takes. It reports
// how many cycles completed.
func (h *heap) step(r source, t, dt, from, to, allocated, roots, others float64) int {
	h.total += allocated
	if h.limit > 0 {
		h.next = h.goal(roots, others) // follows the other memory at once, not from the next cycle on
	}
	room := h.next - h.alloc
	h.peak = h.alloc + allocated
	if allocated < room {
		h.alloc += allocated
		if t-h.lastGC < forceAfter {
			return 0
		}
		h.forced++
		h.collect(r, t, to, 0, roots, others)
		h.peak = max(h.peak, h.alloc)
		return 1
	}
	h.peak = max(h.alloc, h.next)
	rate := allocated / dt
	// The first cycle of the step happens when the room is used up.
	at := max(0, room/allocated)
	h.collect(r, t-dt*(1-at), from+(to-from)*at, rate, roots, others)
	left := allocated * (1 - at)
	n := 1
	if span := h.next - h.marked; left >= span {
		more := math.Floor(left / span)
		more = min(more, math.Floor(maxShare*dt/h.markSeconds()))
		left -= more * span
		left = min(left, max(span, rate*h.markSeconds()/maxShare)) // the limiter lets the heap overshoot
		at = 1 - left/allocated
		h.cycles += max(0, more-1)
		h.cpu += max(0, more-1) * h.markSeconds()
		h.peak = max(h.peak, h.next)
		if more > 0 {
			h.collect(r, t-dt*(1-at), from+(to-from)*at, rate, roots, others)
		}
		n += int(more)
	}
	h.alloc = h.marked + max(0, left)
	h.peak = max(h.peak, h.alloc)
	return n
}

// collect completes one cycle. What is allocated while it marks counts as live.
func (h *heap) collect(r source, t, reachable, rate, roots, others float64) {
	h.cycles++
	h.lastGC = t
	h.cpu += h.markSeconds()
	floating := rate * h.markSeconds() * r.between(0.3, 1)
	h.marked = reachable + floating
	h.alloc = h.marked
	h.next = h.goal(roots, others)
}

func (h *heap) markSeconds() float64 { return 2e-4 + h.marked/markSpeed }

// pages is the memory behind the heap as the system sees it.
type pages struct {
	sys      float64 // address space obtained: HeapSys
	resident float64 // HeapSys − HeapReleased
	inuse    float64 // HeapInuse
	lag      float64 // seconds in which the scavenger gives back most of what it may
}

// spanLoss is what spans lose to rounding and holes.
const spanLoss = 1.06

// step follows the heap over dt seconds. holes are bytes in spans that live
// objects keep from being reused.
func (p *pages) step(h *heap, holes, dt float64) {
	p.inuse = h.alloc*spanLoss + holes
	p.resident = max(p.resident, h.peak*spanLoss+holes)
	// The scavenger keeps a tenth more than the goal.
	if keep := max(p.inuse, 1.1*min(h.next, h.peak)*spanLoss+holes); p.resident > keep {
		p.resident = keep + (p.resident-keep)*math.Exp(-dt/p.lag)
	}
	p.sys = max(p.sys, math.Ceil(p.resident/(4*mib))*4*mib)
}
