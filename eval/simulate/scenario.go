package simulate

import (
	"math"

	"github.com/zupee/memwatch"
)

// Scenario is a way for a process to behave, healthy or not.
type Scenario struct {
	Name string
	// Leak says whether something leaks; Kind says what.
	Leak bool
	Kind memwatch.Kind
	// Days is how long an instance is watched, unless its limit ends it before.
	Days float64
	plan func(r source) plan
}

// All are the scenarios, healthy ones first, each freshly made.
func All() []*Scenario { return append(healthy(), leaks()...) }

// sound is a scenario in which nothing leaks.
func sound(name string, days float64, build func(r source) plan) *Scenario {
	return &Scenario{Name: name, Kind: memwatch.KindNone, Days: days, plan: func(r source) plan {
		p := build(r)
		p.leakFrom = -1
		return p
	}}
}

// body is a typical service: its size, its traffic, and the parts that every
// scenario has besides its own.
type body struct {
	r       source
	limit   float64
	live    float64 // bytes reachable when settled, at load 1
	more    float64 // bytes that the scenario's own parts hold at most, leaks aside
	garbage float64 // bytes a second
	load    load
	gogc    float64
	next    int // the last function used
}

func newBody(r source, daily float64) body {
	limits := []float64{512 * mib, 1 * gib, 2 * gib, 4 * gib}
	b := body{r: r, limit: limits[r.IntN(len(limits))], gogc: 100}
	b.live = b.limit * r.between(0.06, 0.11)
	b.load = breathing(r, daily)
	b.garbage = b.live / r.scale(3, 30) // a cycle in 3 to 30 seconds
	b.next = r.IntN(16)
	return b
}

func (b *body) function() string {
	b.next++
	return function(b.next)
}

// part is one more thing that holds heap memory, in objects of a size.
func (b *body) part(size float64, h holder) part {
	owner := b.function()
	return part{owner: owner, style: b.next, size: size, holder: h}
}

// shared splits a total among n parts, some large and most small.
func (b *body) shared(n int, total float64, hold func(amount float64) holder) []part {
	weights, sum := make([]float64, n), 0.0
	for i := range weights {
		weights[i] = b.r.scale(1, 60)
		sum += weights[i]
	}
	var out []part
	for _, w := range weights {
		out = append(out, b.part(b.r.scale(48, 64*kib), hold(total*w/sum)))
	}
	return out
}

// parts are about forty sites that hold live bytes in all: long-lived tables,
// users' sessions, and work under way.
func (b *body) parts() []part {
	r := b.r
	out := b.shared(22, 0.55*b.live, func(a float64) holder { return &constant{amount: a} })
	out = append(out, b.shared(4, 0.2*b.live, func(a float64) holder {
		return &sessions{amount: a, stay: r.scale(5*minute, 40*minute)}
	})...)
	out = append(out, b.shared(12, 0.25*b.live, func(a float64) holder {
		return &inflight{amount: a, lifetime: r.scale(1, 20), noise: wander{tau: r.scale(5, 60), sd: 0.2}}
	})...)
	for range 3 {
		g := b.part(1, &inflight{amount: r.scale(5, 120), lifetime: 1, noise: wander{tau: 20, sd: 0.2}})
		g.where = asGoroutines
		out = append(out, g)
	}
	return append(out, part{where: offHeap, holder: &constant{amount: r.between(1, 12) * mib}},
		part{where: inHoles, holder: &inflight{amount: 0.04 * b.live, lifetime: 60, noise: wander{tau: hour, sd: 0.15}}})
}

// plan runs the service with more parts. Each life is the same program, begun anew.
func (b *body) plan(more func(b *body) []part) plan {
	seed, first := b.r.Uint64(), b.next
	return plan{
		limit: b.limit, load: b.load,
		life: func(int, float64) setup {
			again := *b
			again.r, again.next = newSource(seed), first
			return setup{gogc: b.gogc, garbage: b.garbage, parts: append(again.parts(), more(&again)...)}
		},
	}
}

// with changes how each life is run.
func (p plan) with(change func(s *setup)) plan {
	run := p.life
	p.life = func(n int, t float64) setup {
		s := run(n, t)
		change(&s)
		return s
	}
	return p
}

// footprint is about what is resident when settled, without the leak: the heap
// up to its goal at the busiest hour of the day.
func (b *body) footprint() float64 {
	live := b.more + b.live*(0.55+0.45*(1.15+b.load.daily))
	return runtimeBytes + live*(1+b.gogc/100)*spanLoss*1.03 + 0.06*b.live + 8*mib
}

// heapRoom is how many bytes may leak on the heap before the limit is met: each
// costs GOGC percent more.
func (b *body) heapRoom() float64 {
	return max(0.2*b.limit, b.limit-b.footprint()) / ((1 + b.gogc/100) * spanLoss * 1.02)
}

// every makes times about gap apart, within the given seconds.
func every(r source, gap, within float64) []float64 {
	var out []float64
	for t := gap * r.between(0.5, 1); t < within; t += gap * r.between(0.7, 1.3) {
		out = append(out, math.Round(t))
	}
	return out
}
