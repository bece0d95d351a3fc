package simulate

import (
	"math"
	"strconv"
	"time"

	"github.com/zupee/memwatch"
)

// Truth is what is the case at one time, whatever the readings show.
type Truth int

// The truths. Unknowable is a cache that fills at a steady rate and will stop:
// until it does, nothing tells it from a leak.
const (
	Sound Truth = iota
	Leaks
	Unknowable
)

// plan is one scenario made concrete for one instance.
type plan struct {
	limit   float64 // bytes
	load    load
	deploys []float64 // planned restarts, seconds
	gaps    [][2]float64
	jumps   []jump
	// life makes what runs from time t on; n counts the restarts before it.
	life func(n int, t float64) setup

	// Of a leak: when it begins and (0: never) ends, how many bytes of it fit
	// beneath the limit, and the functions that are to blame.
	leakFrom, leakTo float64
	capacity         float64
	culprits         []string
	// lives says how many lives to watch when the limit ends them; 0 is 1.
	lives int
	// unknowable reports whether a cache still fills; nil is never.
	unknowable func() bool
}

// jump moves the agent's clock.
type jump struct{ at, by float64 }

// Instance is one process watched by one agent. It is not safe for concurrent use.
type Instance struct {
	Scenario *Scenario
	Replica  int

	plan
	interval, dt float64
	end          float64
	rand, probe  source // of the process, and of its profiler
	exports      exports
	prog         program
	p            *process
	lifeNo       int
	t            float64 // seconds since first seen
	skew         float64 // of the agent's clock
	reading      time.Time
	limitHits    []float64
	done         bool
	lastLoad     float64
}

const (
	// missed is the share of readings that fail.
	missed = 0.02
	// finest is the longest step of the model, in seconds.
	finest = 10.0
	// downtime is how long a restart takes, in seconds.
	downtime = 15.0
)

// Instance makes the replica-th instance of the scenario, read at the given interval.
func (s *Scenario) Instance(seed uint64, replica int, interval time.Duration) *Instance {
	name := []string{s.Name, strconv.Itoa(replica)}
	shape := newSource(seed, append(name, "plan")...)
	in := &Instance{
		Scenario: s, Replica: replica,
		interval: interval.Seconds(), end: s.Days * day,
		rand: newSource(seed, append(name, "run")...), probe: newSource(seed, append(name, "profile")...),
		exports: exports(replica % int(exportKinds)),
	}
	in.dt = in.interval / math.Ceil(in.interval/finest)
	in.plan = s.plan(shape)
	in.boot()
	return in
}

func (in *Instance) boot() {
	in.p = start(in.rand, in.t, &in.prog, in.life(in.lifeNo, in.t))
	in.lifeNo++
}

// Next moves on to the next reading. It returns false when the run is over.
func (in *Instance) Next() bool {
	for !in.done {
		from := in.t
		for in.t < from+in.interval-in.dt/2 && !in.done {
			in.advance()
		}
		if in.t >= in.end {
			in.done = true
		}
		for len(in.jumps) > 0 && in.t >= in.jumps[0].at {
			in.skew += in.jumps[0].by
			in.jumps = in.jumps[1:]
		}
		if in.done || in.t < in.p.begun || in.inGap() || in.rand.Float64() < missed {
			continue
		}
		in.reading = at(in.t + in.skew + in.rand.NormFloat64()*0.01*in.interval)
		return true
	}
	return false
}

// advance moves the process by one step, and restarts it where that is due.
func (in *Instance) advance() {
	in.t += in.dt
	in.lastLoad = in.load.step(in.rand, in.t, in.dt)
	if in.t < in.p.begun {
		return // it is down
	}
	in.p.step(in.rand, in.t, in.dt, in.lastLoad)
	if len(in.deploys) > 0 && in.t >= in.deploys[0] {
		in.deploys = in.deploys[1:]
		in.restart()
	} else if in.p.rss() >= in.limit {
		in.limitHits = append(in.limitHits, in.t)
		if in.leakFrom >= 0 && len(in.limitHits) >= max(1, in.lives) {
			in.done = true
			return
		}
		in.restart()
	}
}

func (in *Instance) restart() {
	now := in.t
	in.t += downtime
	in.boot()
	in.t = now
}

func (in *Instance) inGap() bool {
	for _, g := range in.gaps {
		if in.t >= g[0] && in.t < g[1] {
			return true
		}
	}
	return false
}

// Seconds is the time since the instance was first seen, by a clock that does not jump.
func (in *Instance) Seconds() float64 { return in.t }

// Sample is the reading of now, by the agent's clock.
func (in *Instance) Sample() *memwatch.Sample {
	s := &memwatch.Sample{Time: in.reading, Start: at(in.p.begun)}
	in.p.fill(s, in.t, in.exports, in.limit)
	return s
}

// Profile is the profile of now: heap or goroutine.
func (in *Instance) Profile(kind memwatch.ProfileKind) *memwatch.Sites {
	if kind == memwatch.GoroutineProfile {
		return in.p.goroutineProfile(in.reading)
	}
	return in.p.heapProfile(in.probe, in.reading)
}

// Truth says what is the case now.
func (in *Instance) Truth() Truth {
	switch {
	case in.Scenario.Leak && in.t >= in.leakFrom && (in.leakTo == 0 || in.t < in.leakTo):
		return Leaks
	case in.unknowable != nil && in.unknowable():
		return Unknowable
	}
	return Sound
}

// LimitHits are the times at which the process was killed at its limit.
func (in *Instance) LimitHits() []float64 { return in.limitHits }

// Used is how much of the room beneath the limit the present life's leak has
// taken, 0 to 1.
func (in *Instance) Used() float64 {
	if in.capacity <= 0 {
		return 0
	}
	return min(1, in.p.leaked/in.capacity)
}

// LeakFrom is when the leak begins, in seconds.
func (in *Instance) LeakFrom() float64 { return in.leakFrom }

// Culprits are the functions to blame; empty where memory has no stack.
func (in *Instance) Culprits() []string { return in.culprits }
