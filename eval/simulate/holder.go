package simulate

import "math"

// A holder decides how much one site keeps reachable. Amounts are bytes, or
// goroutines for a site of goroutines. Times are seconds since the instance was
// first seen; a holder belongs to one life of the process.
type holder interface {
	// step moves by dt under the given load. It returns what is held at the end
	// and what was born on the way.
	step(r source, t, dt, load float64) (held, born float64)
}

// constant holds the same for ever: code, tables, a ballast.
type constant struct {
	amount float64
	begun  bool
}

func (c *constant) step(source, float64, float64, float64) (float64, float64) {
	if c.begun {
		return c.amount, 0
	}
	c.begun = true
	return c.amount, c.amount
}

// inflight holds what the work under way needs, for a short while.
type inflight struct {
	amount   float64 // at load 1
	lifetime float64 // seconds
	noise    wander
}

func (f *inflight) step(r source, _, dt, load float64) (float64, float64) {
	held := f.amount * load * swing(f.noise.step(r, dt))
	return held, held * dt / f.lifetime
}

// swing turns noise into a factor. There is a most that a service takes on.
func swing(x float64) float64 { return math.Exp(max(-1, min(0.7, x))) }

// sessions follow the load with a delay: users stay for about stay seconds, none
// when the process starts. More stages (up to 4) make lifetimes more alike, as a
// TTL does.
type sessions struct {
	amount float64 // at load 1, when settled
	stay   float64
	stages int
	held   [4]float64
}

func (s *sessions) step(_ source, _, dt, load float64) (float64, float64) {
	n := max(1, s.stages)
	in := s.amount * load * dt / s.stay
	born, total := in, 0.0
	leave := 1 - math.Exp(-dt*float64(n)/s.stay)
	for i := range n {
		out := s.held[i] * leave
		s.held[i] += in - out
		in = out
		total += s.held[i]
	}
	return total, born
}

// lru is a bounded cache: it fills by misses and then evicts. With a universe
// it slows down on the way, since what is asked for is held ever more often.
type lru struct {
	bound    float64
	rate     float64 // bytes a second at load 1 when empty
	universe float64 // 0: every miss is a new key
	held     float64
}

func (c *lru) step(_ source, _, dt, load float64) (float64, float64) {
	miss := 1.0
	if c.universe > 0 {
		miss = max(0.02, 1-math.Sqrt(c.held/c.universe))
	}
	born := c.rate * load * miss * dt
	c.held = min(c.bound, c.held+born)
	return c.held, born
}

// full reports whether the cache has reached its bound.
func (c *lru) full() bool { return c.held >= c.bound }

// warmup approaches a level as 1−e^(−t/tau) from the start of the process.
type warmup struct{ amount, tau, held float64 }

func (w *warmup) step(_ source, _, dt, _ float64) (float64, float64) {
	born := (w.amount - w.held) * (1 - math.Exp(-dt/w.tau))
	w.held += born
	return w.held, born
}

// batch holds an amount for a while in each period: a job of every hour.
type batch struct{ amount, period, lasts, phase float64 }

func (b *batch) step(_ source, t, dt, _ float64) (float64, float64) {
	at := math.Mod(t+b.phase, b.period)
	if at >= b.lasts {
		return 0, 0
	}
	// Built in the first fifth of its time.
	held := b.amount * min(1, at/(b.lasts/5))
	return held, b.amount * min(dt, b.lasts) / (b.lasts / 2)
}

// sawtooth fills over a period and is dropped: a table in memory that is
// flushed, a segment that is closed.
type sawtooth struct{ amount, period, held, next float64 }

func (s *sawtooth) step(r source, _, dt, load float64) (float64, float64) {
	if s.next == 0 {
		s.next = s.amount * r.between(0.9, 1.1)
	}
	born := s.amount / s.period * load * dt
	if s.held += born; s.held > s.next {
		s.held, s.next = 0, s.amount*r.between(0.9, 1.1)
	}
	return s.held, born
}

// reloads changes its size at random times: configuration read again, a little
// larger or smaller, around amount.
type reloads struct {
	amount, gap, spread float64
	held                float64
}

func (c *reloads) step(r source, _, dt, _ float64) (float64, float64) {
	if c.held > 0 && r.Float64() >= dt/c.gap {
		return c.held, 0
	}
	c.held = c.amount * (1 + c.spread*r.between(-1, 1))
	return c.held, c.held
}

// wobble drifts around its amount for hours.
type wobble struct {
	amount float64
	noise  wander
	held   float64
}

func (w *wobble) step(r source, _, dt, load float64) (float64, float64) {
	was := w.held
	w.held = max(0, w.amount*(1+w.noise.step(r, dt)))
	turnover := w.amount * load * dt / (10 * minute)
	return w.held, max(0, w.held-was) + turnover
}

// highWater keeps what the highest load so far needed: pools, maps whose
// buckets stay when entries are deleted.
type highWater struct {
	amount float64 // at load 1
	noise  wander
	held   float64
}

func (h *highWater) step(r source, _, dt, load float64) (float64, float64) {
	need := h.amount * load * swing(h.noise.step(r, dt))
	born := max(0, need-h.held)
	h.held += born
	return h.held, born
}

// backlog grows while its consumer is slow and drains after.
type backlog struct {
	rate          float64 // bytes a second while it grows
	gap           float64 // seconds between the ends of two backlogs, on average
	grows         float64 // seconds
	held          float64
	until, drains float64
}

func (q *backlog) step(r source, t, dt, load float64) (float64, float64) {
	if q.until == 0 && q.held == 0 && r.Float64() < dt/q.gap {
		q.until = t + q.grows*r.between(0.6, 1.2)
	}
	if t < q.until {
		born := q.rate * load * dt
		q.held += born
		return q.held, born
	}
	if q.held > 0 {
		if q.until > 0 {
			q.until, q.drains = 0, q.held/(q.grows/3)
		}
		q.held = max(0, q.held-q.drains*dt)
	}
	return q.held, 0
}

// leak keeps what it is given, from one time to another.
type leak struct {
	rate     float64 // a second, at load 1
	from, to float64 // to 0: for ever
	byLoad   bool
	// every is the time between lumps; 0 leaks steadily.
	every float64
	// fixed lets go after fixedStay: the same code without its fault.
	fixed bool

	held, owed, lump float64
}

// fixedStay is how long the repaired version of a leak holds what it is given.
const fixedStay = 4 * minute

func (l *leak) step(r source, t, dt, load float64) (float64, float64) {
	born := 0.0
	if t >= l.from && (l.to == 0 || t < l.to) {
		born = l.rate * dt
		if l.byLoad {
			born *= load
		}
	}
	if l.every > 0 {
		if l.lump == 0 {
			l.lump = l.every * r.between(0.2, 1)
		}
		l.owed += born
		born = 0
		if l.lump -= dt; l.lump <= 0 {
			born, l.owed, l.lump = l.owed, 0, l.every*r.between(0.7, 1.3)
		}
	}
	if l.fixed {
		l.held *= math.Exp(-dt / fixedStay)
	}
	l.held += born
	return l.held, born
}

// counted lets another part see what a holder holds.
type counted struct {
	holder
	now, born float64
}

func (c *counted) step(r source, t, dt, load float64) (float64, float64) {
	c.now, c.born = c.holder.step(r, t, dt, load)
	return c.now, c.born
}

// pinned is what goroutines keep on the heap: so many bytes each.
type pinned struct {
	by   *counted
	each float64
}

func (p *pinned) step(source, float64, float64, float64) (float64, float64) {
	return math.Round(p.by.now) * p.each, p.by.born * p.each
}
