package detector

import (
	"time"

	"github.com/zupee/memwatch"
)

// Detector judges one target. It is not safe for concurrent use.
type Detector struct {
	cfg      Config
	restarts int
	last     memwatch.Sample // newest reading; zero Time before the first
	previous past            // what the life before this one left behind
	interval float64         // typical seconds between readings

	// The rest belongs to the present life of the process.
	clock    clock
	series   [seriesCount]series
	heap     siteTable // heap profiles
	stacks   siteTable // goroutine profiles
	grown    []group   // owners that accumulate, as of the newest heap profile
	state    states
	proof    proof             // goroutineleak profile
	baseline float64           // memory used when first seen, bytes
	verdict  *memwatch.Verdict // as of the last closing or profile; nil when to be built
	scratch  []float64
}

// clock counts a life's readings and ends its blocks.
type clock struct {
	origin   time.Time
	t        float64 // seconds since origin
	readings int     // since the last block closed
	closed   int     // blocks
	gc       float64 // NumGC at the last close, -1 when unknown
	alloc    float64 // TotalAlloc at the last close, -1 when unknown
	at       float64 // when the last block closed
}

// past is what a restart does not wipe out.
type past struct {
	// plateau is the highest live heap that earlier lives held without leaking; 0
	// when there was none. It fades by half with each life that needed less.
	plateau float64
	// watched is for how many seconds something had been growing when it ended.
	watched float64
	name    string  // what it was
	blocks  int     // the same in blocks
	level   float64 // where it stood then, in bytes
}

// New makes a detector for one target. cfg must be valid.
func New(cfg Config) *Detector {
	d := &Detector{cfg: cfg}
	d.begin()
	return d
}

// begin starts a life.
func (d *Detector) begin() {
	d.clock = clock{gc: -1, alloc: -1}
	d.series = newSeries()
	d.heap, d.stacks, d.grown = siteTable{}, siteTable{}, nil
	d.state = states{state: memwatch.Learning}
	d.proof, d.baseline = proof{}, 0
	d.verdict = nil
}

// Observe takes one reading. Readings come in the order of their times; one
// that is not later than the last is passed over.
func (d *Detector) Observe(s *memwatch.Sample) {
	if !d.last.Time.IsZero() {
		if !s.Time.After(d.last.Time) {
			return
		}
		d.pace(s.Time.Sub(d.last.Time).Seconds())
		if restarted(&d.last, s) {
			d.remember()
			d.restarts++
			d.begin()
		}
	}
	if d.clock.origin.IsZero() {
		d.clock.origin = s.Time
		d.clock.alloc = s.Or(memwatch.TotalAllocBytes, -1)
		d.baseline = s.Or(memwatch.RSSBytes, s.Or(memwatch.SysBytes, 0))
	}
	d.last = *s
	d.clock.t = s.Time.Sub(d.clock.origin).Seconds()
	d.clock.readings++
	d.collect(s)
	if d.closes(s) {
		d.verdict = nil
		d.judge()
	}
}

// pace follows the interval between readings: a running median, moved by a
// tenth of itself toward each gap, so that one long gap hardly counts.
func (d *Detector) pace(gap float64) {
	if d.interval == 0 {
		d.interval = gap
		return
	}
	step := d.interval / 10
	d.interval += max(-step, min(step, gap-d.interval))
}

// collect puts a reading's values into the open blocks.
func (d *Detector) collect(s *memwatch.Sample) {
	if v, ok := liveOf(s); ok {
		d.series[liveHeap].pyramid.add(v)
	}
	if v, ok := s.Get(memwatch.Goroutines); ok {
		d.series[goroutines].pyramid.add(v)
	}
	if v, ok := s.Get(memwatch.StackInuseBytes); ok {
		d.series[stackBytes].pyramid.add(v)
	}
	if v, ok := offHeapOf(s); ok {
		d.series[offHeap].pyramid.add(v)
	} else if v, ok := s.Get(memwatch.RSSBytes); ok && d.heapless(s) {
		d.series[offHeap].pyramid.add(v)
	}
	if v, ok := fragmentsOf(s); ok {
		d.series[fragments].pyramid.add(v)
	}
}

// patience is how many readings without a GC a block waits for one: growth
// outside the heap shows in a process that hardly allocates, too.
const patience = 40

// closes ends the open blocks when they are full, and reports whether it did.
func (d *Detector) closes(s *memwatch.Sample) bool {
	c := &d.clock
	gc := s.Or(memwatch.NumGC, -1)
	if c.readings < blockReadings || gc >= 0 && gc == c.gc && c.readings < patience {
		return false
	}
	load := float32(-1)
	alloc := s.Or(memwatch.TotalAllocBytes, -1)
	if alloc >= 0 && c.alloc >= 0 && c.t > c.at {
		load = float32((alloc - c.alloc) / (c.t - c.at))
	}
	if gc >= 0 && gc == c.gc {
		d.series[liveHeap].pyramid.discard() // known already: no cycle ended since
	}
	for i := range d.series {
		d.series[i].pyramid.closeBlock(c.t, load)
	}
	c.readings, c.gc, c.alloc, c.at = 0, gc, alloc, c.t
	c.closed++
	return true
}

// liveOf is the live heap. Before the first GC nothing is known to live; where
// the runtime tells nothing of its GC, the heap in use is all there is.
func liveOf(s *memwatch.Sample) (float64, bool) {
	gc, hasGC := s.Get(memwatch.NumGC)
	if hasGC && gc == 0 {
		return 0, false
	}
	if v, ok := s.Get(memwatch.LiveHeapBytes); ok {
		return v, v > 0
	}
	return s.Get(memwatch.HeapAllocBytes)
}

// heapless reports whether nothing is known of any heap, now or before: then
// all resident memory is what there is to judge.
func (d *Detector) heapless(s *memwatch.Sample) bool {
	for _, sig := range [...]memwatch.Signal{memwatch.LiveHeapBytes, memwatch.HeapAllocBytes, memwatch.SysBytes} {
		if _, ok := s.Get(sig); ok {
			return false
		}
	}
	return d.series[liveHeap].pyramid.level[0].total == 0
}

// offHeapOf is resident memory that the runtime does not account for.
func offHeapOf(s *memwatch.Sample) (float64, bool) {
	rss, ok := s.Get(memwatch.RSSBytes)
	sys, okSys := s.Get(memwatch.SysBytes)
	released, okReleased := s.Get(memwatch.HeapReleasedBytes)
	return max(0, rss-(sys-released)), ok && okSys && okReleased
}

// fragmentsOf is memory in heap spans that hold something, but not in objects.
func fragmentsOf(s *memwatch.Sample) (float64, bool) {
	inuse, ok := s.Get(memwatch.HeapInuseBytes)
	alloc, okAlloc := s.Get(memwatch.HeapAllocBytes)
	return max(0, inuse-alloc), ok && okAlloc
}

// restarted tells a new process from the old one: its start time changed, or a
// counter that only rises fell.
func restarted(old, s *memwatch.Sample) bool {
	if !old.Start.IsZero() && !s.Start.IsZero() {
		// Start times are computed from ticks and wander by a fraction of a second.
		if gap := s.Start.Sub(old.Start); gap > 2*time.Second || gap < -2*time.Second {
			return true
		}
	}
	for _, sig := range [...]memwatch.Signal{memwatch.NumGC, memwatch.TotalAllocBytes, memwatch.Mallocs} {
		a, okA := old.Get(sig)
		b, okB := s.Get(sig)
		if okA && okB && b < a {
			return true
		}
	}
	return false
}

// remember keeps, across a restart, the level that the life had held, and that
// it was growing to its end if it was: what it grew to is then no level to rest at.
func (d *Detector) remember() {
	p := &d.series[liveHeap].pyramid
	if d.state.state.Rank() >= memwatch.Suspect.Rank() {
		ev := &d.state.ev
		d.previous = past{
			plateau: max(d.previous.plateau, p.highest(d.state.since)),
			watched: ev.tr.span, name: ev.name, blocks: ev.tr.n, level: ev.tr.last,
		}
		return
	}
	d.previous = past{plateau: max(d.previous.plateau/2, p.highest(d.clock.t))}
}

// ObserveSites takes one profile, of which it keeps nothing. One that is older than the last of its kind,
// or comes before any sample, is passed over.
func (d *Detector) ObserveSites(p *memwatch.Sites) {
	if d.clock.origin.IsZero() {
		return
	}
	t := p.Time.Sub(d.clock.origin).Seconds()
	switch p.Kind {
	case memwatch.HeapProfile:
		if v := d.heap.add(t, p); v != nil {
			d.heap.owners = v.suspects()
			d.grown, d.scratch = v.accumulates(&d.cfg, d.series[liveHeap].pyramid.loadAt, d.scratch)
			v.release()
			d.verdict = nil
		}
	case memwatch.GoroutineProfile:
		if v := d.stacks.add(t, p); v != nil {
			d.stacks.owners = v.suspects()
			v.release()
			d.verdict = nil
		}
	case memwatch.GoroutineLeakProfile:
		d.proof.take(p, d.series[goroutines].found.growth)
		d.verdict = nil
	}
}

// State is the present state: Verdict().State without the cost.
func (d *Detector) State() memwatch.State { return d.state.state }

// Restarts counts the restarts of the process that were seen.
func (d *Detector) Restarts() int { return d.restarts }
