package simulate

import (
	"math"
	"time"

	"github.com/zupee/memwatch"
)

// place is where a part's memory lies.
type place int

const (
	onHeap place = iota
	asGoroutines
	offHeap
	inHoles // spans kept in use by few objects: fragmentation
)

// part is one thing that holds memory, with the code that allocates it.
type part struct {
	where place
	owner string // function; the profile's culprit when it leaks
	style int    // of the stack
	size  float64
	holder
	leaks bool
}

// setup says how a process is run and what it is made of.
type setup struct {
	gogc, memLimit float64
	garbage        float64 // bytes a second allocated and dropped at once, at load 1
	stackEach      float64 // bytes of stack a goroutine has
	scavengeLag    float64 // seconds
	// gogcAt changes GOGC at a time (seconds of the instance); nil keeps it.
	gogcAt func(t float64) float64
	parts  []part
}

// process is one life.
type process struct {
	setup
	begun    float64 // seconds of the instance
	prog     *program
	sites    []site // all but goroutines, in the order of parts
	groups   []site // goroutines
	heap     heap
	pages    pages
	routines float64
	stacks   float64
	off      float64
	holes    float64
	held     float64 // reachable heap
	leaked   float64 // bytes that the leaks of this life hold, GC overhead not counted
	jitter   wander  // of resident memory
}

// site is a part with its history as the profiler will see it.
type site struct {
	*part
	key        uint64
	stack      []uint32
	held, born float64 // bytes or goroutines: now, and since the process began
	// As of the last completed GC, and of the one before: what a profile shows.
	marked, shown sight
	sampled       sampling
}

type sight struct{ held, born float64 }

const (
	// runtimeBytes is what a Go program has resident besides what is modelled: its code and the runtime's tables.
	runtimeBytes  = 22 * mib
	otherSys      = 6 * mib
	baseRoutines  = 12
	defaultStack  = 8 * kib
	gcBookkeeping = 0.02 // of the resident heap
)

func start(r source, t float64, prog *program, s setup) *process {
	if s.stackEach == 0 {
		s.stackEach = defaultStack
	}
	if s.scavengeLag == 0 {
		s.scavengeLag = 5 * minute
	}
	p := &process{setup: s, begun: t, prog: prog, heap: newHeap(s.gogc, s.memLimit)}
	p.pages.lag = s.scavengeLag
	p.heap.lastGC = t
	p.jitter = wander{tau: 10 * minute, sd: 0.5 * mib}
	p.jitter.start(r)
	for i := range p.parts {
		q := &p.parts[i]
		st := site{part: q}
		if q.owner != "" {
			st.stack = prog.stack(q.owner, q.style)
			st.key = keyOf(prog, st.stack)
		}
		if q.where == asGoroutines {
			p.groups = append(p.groups, st)
		} else {
			p.sites = append(p.sites, st)
		}
	}
	return p
}

// step moves the process by dt seconds, to time t of the instance.
func (p *process) step(r source, t, dt, load float64) {
	before := p.held
	allocated := p.garbage * load * dt
	held, off, holes, leaked := 0.0, 0.0, 0.0, 0.0
	routines := float64(baseRoutines)
	for i := range p.groups {
		g := &p.groups[i]
		n, born := g.step(r, t, dt, load)
		g.held, g.born = math.Round(n), g.born+born
		routines += g.held
		if g.leaks {
			leaked += g.held * p.stackEach
		}
	}
	for i := range p.sites {
		s := &p.sites[i]
		n, born := s.step(r, t, dt, load)
		switch s.where {
		case offHeap:
			off += n
		case inHoles:
			holes += n
		default:
			held += n
			allocated += born
			s.held, s.born = n, s.born+born
		}
		if s.leaks {
			leaked += n
		}
	}
	p.held, p.off, p.holes, p.leaked, p.routines = held, off, holes, leaked, routines
	// Stacks shrink only by GC and are pooled: they follow slowly down.
	need := routines * p.stackEach
	p.stacks = max(need, p.stacks-(p.stacks-need)*(1-math.Exp(-dt/(4*minute))))
	if p.gogcAt != nil {
		p.heap.gogc = p.gogcAt(t)
	}
	others := p.stacks + otherSys + p.pages.resident*gcBookkeeping + p.holes
	n := p.heap.step(r, t, dt, before, p.held, allocated, p.stacks, others)
	p.pages.step(&p.heap, holes, dt)
	p.jitter.step(r, dt)
	p.mark(n)
}

// mark takes down what the profiler shows after n cycles.
func (p *process) mark(n int) {
	if n == 0 {
		return
	}
	for i := range p.sites {
		s := &p.sites[i]
		s.shown = s.marked
		s.marked = sight{s.held, s.born}
		if n > 1 {
			s.shown = s.marked
		}
	}
}

// rss is resident memory in bytes.
func (p *process) rss() float64 {
	return max(0, runtimeBytes+p.pages.resident*(1+gcBookkeeping)+p.stacks+p.off+p.jitter.x)
}

// exports says what the target serves, from least to most.
type exports int

const (
	expvarOnly  exports = iota // MemStats, as /debug/vars has them
	clientGo                   // client_golang's defaults: GOGC and GOMEMLIMIT too
	liveMetrics                // runtime/metrics with /gc/heap/live:bytes
	exportKinds
)

// fill writes what a reading at time t shows.
func (p *process) fill(s *memwatch.Sample, t float64, what exports, limit float64) {
	h, pg := &p.heap, &p.pages
	set := func(sig memwatch.Signal, v float64) { s.Set(sig, math.Round(v)) }
	set(memwatch.HeapAllocBytes, h.alloc)
	set(memwatch.HeapInuseBytes, pg.inuse)
	set(memwatch.HeapSysBytes, pg.sys)
	set(memwatch.HeapIdleBytes, max(0, pg.sys-pg.inuse))
	set(memwatch.HeapReleasedBytes, max(0, pg.sys-pg.resident))
	set(memwatch.HeapObjects, h.alloc/96)
	set(memwatch.StackInuseBytes, math.Ceil(p.stacks/(32*kib))*32*kib)
	set(memwatch.BuckHashSysBytes, 1.5*mib)
	set(memwatch.GCSysBytes, pg.resident*gcBookkeeping)
	set(memwatch.SysBytes, pg.sys+p.stacks+otherSys+pg.resident*gcBookkeeping)
	set(memwatch.NextGCBytes, h.next)
	set(memwatch.NumGC, h.cycles)
	set(memwatch.NumForcedGC, h.forced)
	set(memwatch.TotalAllocBytes, h.total)
	set(memwatch.Mallocs, h.total/96)
	set(memwatch.Frees, max(0, h.total-h.alloc)/96)
	set(memwatch.Goroutines, p.routines)
	set(memwatch.RSSBytes, math.Round(p.rss()/4096)*4096)
	s.Set(memwatch.PauseTotalSeconds, h.cycles*80e-6)
	s.Set(memwatch.GCCPUFraction, min(maxShare, h.cpu/(4*max(1, t-p.begun))))
	s.Set(memwatch.ScrapeSeconds, 0.004)
	if limit > 0 {
		set(memwatch.LimitBytes, limit)
	}
	if what >= clientGo {
		if h.gogc > 0 {
			set(memwatch.GOGCPercent, h.gogc)
		}
		if h.limit > 0 {
			set(memwatch.GoMemLimitBytes, h.limit)
		}
	}
	if what >= liveMetrics && h.cycles > 0 {
		set(memwatch.LiveHeapBytes, h.marked)
	}
}

// epoch is when every simulated instance is first seen.
var epoch = time.Date(2026, 1, 5, 0, 0, 0, 0, time.UTC)

func at(t float64) time.Time { return epoch.Add(time.Duration(t * float64(time.Second))) }
