package simulate

import (
	"github.com/zupee/memwatch"
)

// leaky makes a scenario and its repaired twin: the same program, but what it
// forgot to release it now releases after a few minutes.
func leaky(name string, kind memwatch.Kind, days float64, build func(r source, fixed bool) plan) []*Scenario {
	return []*Scenario{
		{Name: name, Leak: true, Kind: kind, Days: days, plan: func(r source) plan { return build(r, false) }},
		sound(name+"-fixed", min(days, 2), func(r source) plan { return build(r, true) }),
	}
}

// heapLeak is the plain case: one site keeps what it allocates, at a rate that
// takes hours (drawn from lo to hi) to reach the limit.
type heapLeak struct {
	daily  float64
	lo, hi float64 // hours to the limit
	byLoad bool
	every  float64
	late   bool
	body   func(b *body)
	also   func(b *body) []part
}

func (h heapLeak) plan(r source, fixed bool) plan {
	b := newBody(r, h.daily)
	if h.body != nil {
		h.body(&b)
	}
	from := 0.0
	if h.late {
		from = r.between(4*hour, 20*hour)
	}
	room := b.heapRoom()
	rate := room / (r.scale(h.lo, h.hi) * hour)
	owner, size, style := b.function(), r.scale(64, 16*kib), r.IntN(4)
	p := b.plan(func(b *body) []part {
		out := []part{{owner: owner, style: style, size: size, leaks: !fixed, holder: &leak{rate: rate, from: from, byLoad: h.byLoad, every: h.every, fixed: fixed}}}
		if h.also != nil {
			out = append(out, h.also(b)...)
		}
		return out
	})
	p.leakFrom, p.capacity, p.culprits = from, room, []string{owner}
	return p
}

func leaks() []*Scenario {
	var out []*Scenario
	add := func(name string, kind memwatch.Kind, days float64, build func(r source, fixed bool) plan) {
		out = append(out, leaky(name, kind, days, build)...)
	}
	heap := func(name string, days float64, h heapLeak) { add(name, memwatch.KindHeap, days, h.plan) }
	heap("heap-fast-flat", 1, heapLeak{lo: 2, hi: 8})
	heap("heap-slow-flat", 3, heapLeak{lo: 12, hi: 60})
	heap("heap-fast-diurnal", 1.5, heapLeak{daily: 0.6, lo: 3, hi: 10, byLoad: true})
	heap("heap-slow-diurnal", 3, heapLeak{daily: 0.6, lo: 16, hi: 60, byLoad: true})
	heap("heap-under-ramp", 2.5, heapLeak{daily: 0.2, lo: 6, hi: 40, byLoad: true, body: func(b *body) {
		b.load.shape = rampTo(1.7, b.r.between(0, 4*hour), b.r.between(10*hour, 40*hour))
		b.more = 0.4 * b.live
	}})
	heap("heap-in-steps", 2.5, heapLeak{daily: 0.2, lo: 6, hi: 40, every: 25 * minute})
	heap("heap-late", 3, heapLeak{daily: 0.3, lo: 5, hi: 36, late: true})
	heap("heap-with-cache-fill", 2.5, heapLeak{daily: 0.2, lo: 6, hi: 40, body: func(b *body) { b.more = 0.7 * b.live }, also: func(b *body) []part {
		bound := b.more
		return []part{b.part(2*kib, &lru{bound: bound, universe: 2 * bound, rate: 2 * bound / (3 * hour)})}
	}})
	heap("heap-under-noise", 3, heapLeak{daily: 0.5, lo: 12, hi: 48, body: func(b *body) { b.more = 2 * b.live }, also: func(b *body) []part {
		return []part{
			b.part(32*kib, &inflight{amount: b.live * 0.4, lifetime: 10, noise: wander{tau: 5 * minute, sd: 0.3}}),
			b.part(2*kib, &wobble{amount: b.live * 0.4, noise: wander{tau: 2 * hour, sd: 0.2}}),
		}
	}})
	add("heap-several-sites", memwatch.KindHeap, 2.5, severalSites)
	add("heap-restarts-at-limit", memwatch.KindHeap, 2, func(r source, fixed bool) plan {
		p := heapLeak{daily: 0.2, lo: 1.5, hi: 6, byLoad: true}.plan(r, fixed)
		p.lives = 1000
		return p
	})
	add("heap-gomemlimit", memwatch.KindHeap, 2.5, gomemlimitLeak)
	add("goroutines", memwatch.KindGoroutine, 2.5, goroutineLeak)
	add("goroutines-diurnal", memwatch.KindGoroutine, 2.5, func(r source, fixed bool) plan {
		return goroutines(r, fixed, 0.6, defaultStack, r.scale(8, 40))
	})
	add("goroutine-stacks", memwatch.KindGoroutine, 2.5, func(r source, fixed bool) plan {
		return goroutines(r, fixed, 0.2, 64*kib, r.scale(6, 30))
	})
	add("offheap", memwatch.KindOffHeap, 2.5, func(r source, fixed bool) plan { return outside(r, fixed, offHeap, 0.3) })
	add("fragmentation", memwatch.KindFragmentation, 2.5, func(r source, fixed bool) plan { return outside(r, fixed, inHoles, 0.2) })
	out = append(out, &Scenario{Name: "heap-fixed-by-deploy", Leak: true, Kind: memwatch.KindHeap, Days: 2.5, plan: fixedByDeploy})
	return out
}

func severalSites(r source, fixed bool) plan {
	b := newBody(r, 0.3)
	room := b.heapRoom()
	rate := room / (r.scale(6, 40) * hour)
	var owners []string
	shares := []float64{0.5, 0.3, 0.2}
	for range shares {
		owners = append(owners, b.function())
	}
	sizes := []float64{r.scale(64, 8*kib), r.scale(64, 8*kib), r.scale(64, 8*kib)}
	p := b.plan(func(b *body) []part {
		var out []part
		for i, s := range shares {
			out = append(out, part{owner: owners[i], style: i, size: sizes[i], leaks: !fixed, holder: &leak{rate: rate * s, byLoad: i == 1, fixed: fixed}})
		}
		return out
	})
	p.capacity, p.culprits = room, owners
	return p
}

// gomemlimitLeak: the GC works ever harder to stay beneath GOMEMLIMIT, so that
// resident memory hardly shows the leak until it is too late.
func gomemlimitLeak(r source, fixed bool) plan {
	b := newBody(r, 0.2)
	b.gogc = pick(r.Float64() < 0.5, 0, 100)
	memLimit := 0.88 * b.limit
	room := memLimit - b.live*1.2 - 40*mib
	rate := room / (r.scale(5, 40) * hour)
	owner, size := b.function(), r.scale(100, 8*kib)
	p := b.plan(func(b *body) []part {
		return []part{{owner: owner, style: 0, size: size, leaks: !fixed, holder: &leak{rate: rate, fixed: fixed}}}
	})
	p = p.with(func(s *setup) { s.memLimit = memLimit })
	p.capacity, p.culprits = room, []string{owner}
	return p
}

// goroutines is the service's share in goroutines that wait: n of them by the
// given holder, each with something on the heap.
func (b *body) goroutines(h holder, heapEach float64, leaks bool, owner string) []part {
	c := &counted{holder: h}
	return []part{
		{where: asGoroutines, owner: owner + ".func1", size: 1, holder: c, leaks: leaks},
		{owner: owner, size: heapEach, holder: &pinned{by: c, each: heapEach}, leaks: leaks},
	}
}

func goroutineLeak(r source, fixed bool) plan {
	return goroutines(r, fixed, 0.2, defaultStack, r.scale(5, 40))
}

func goroutines(r source, fixed bool, daily, stack, hours float64) plan {
	const heapEach = 2 * kib
	b := newBody(r, daily)
	room := max(0.2*b.limit, b.limit-b.footprint()-200*stack)
	each := stack + heapEach*2*spanLoss
	rate := room / each / (hours * hour)
	owner := b.function()
	p := b.plan(func(b *body) []part {
		return b.goroutines(&leak{rate: rate, byLoad: daily > 0.4, fixed: fixed}, heapEach, !fixed, owner)
	})
	p = p.with(func(s *setup) { s.stackEach = stack })
	p.capacity, p.culprits = room/each*(stack+heapEach), []string{owner}
	return p
}

// outside leaks where no heap profile looks.
func outside(r source, fixed bool, where place, daily float64) plan {
	b := newBody(r, daily)
	room := max(0.2*b.limit, b.limit-b.footprint())
	rate := room / (r.scale(5, 40) * hour)
	p := b.plan(func(b *body) []part {
		return []part{{where: where, size: 1, leaks: !fixed, holder: &leak{rate: rate, byLoad: b.r.Float64() < 0.5, fixed: fixed}}}
	})
	p.capacity = room
	return p
}

// fixedByDeploy leaks until a new version is rolled out.
func fixedByDeploy(r source) plan {
	leaking := heapLeak{daily: 0.2, lo: 20, hi: 40}
	at, seed := r.between(10*hour, 18*hour), r.Uint64()
	p := leaking.plan(newSource(seed), false)
	repaired := leaking.plan(newSource(seed), true)
	p.deploys, p.leakTo = []float64{at}, at
	run := p.life
	p.life = func(n int, t float64) setup {
		if n > 0 {
			return repaired.life(n, t)
		}
		return run(n, t)
	}
	return p
}
