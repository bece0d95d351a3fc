package detector

import (
	"time"

	"github.com/zupee/memwatch"
)

// Detector judges one target. It is not safe for concurrent use.
type Detector struct {
	cfg  Config
	life life
	// restarts counts the process's restarts seen.
	restarts int
	last     memwatch.Sample
	any      bool
	heap     pyramid
	routines pyramid
	offheap  pyramid
	lastGC   float64
	sites    siteTable
	stacks   siteTable
	state    states
	interval float64 // running estimate of the seconds between readings
	leakRead bool
}

// life is what is kept of the present process.
type life struct {
	origin time.Time
}

// New makes a detector for one target. cfg must be valid.
func New(cfg Config) *Detector {
	d := &Detector{cfg: cfg}
	d.begin()
	return d
}

func (d *Detector) begin() {
	d.life = life{}
	d.heap, d.routines, d.offheap = pyramid{}, pyramid{}, pyramid{}
	d.sites, d.stacks = newSiteTable(), newSiteTable()
	d.state = states{state: memwatch.Learning}
	d.leakRead = false
	d.lastGC = -1
}

// Observe takes one reading. Readings come in the order of their times; an
// earlier one is passed over.
func (d *Detector) Observe(s *memwatch.Sample) {
	if d.any && !s.Time.After(d.last.Time) {
		return
	}
	if d.any && restarted(&d.last, s) {
		d.restarts++
		d.begin()
	}
	if d.any {
		dt := s.Time.Sub(d.last.Time).Seconds()
		if d.interval == 0 {
			d.interval = dt
		} else {
			// Move by a tenth of itself toward the newest gap: a median, without a window.
			step := d.interval * 0.1
			d.interval += max(-step, min(step, dt-d.interval))
		}
	}
	if d.life.origin.IsZero() {
		d.life.origin = s.Time
	}
	t := s.Time.Sub(d.life.origin).Seconds()
	d.last, d.any = *s, true

	closed := false
	if gc := s.Or(memwatch.NumGC, -1); gc < 0 || gc != d.lastGC {
		d.lastGC = gc
		if v, ok := s.Get(memwatch.LiveHeapBytes); ok {
			d.heap.add(t, v)
		} else if v, ok := s.Get(memwatch.HeapAllocBytes); ok && gc < 0 {
			d.heap.add(t, v)
		}
	}
	closed = d.heap.tick(t) || closed
	if v, ok := s.Get(memwatch.Goroutines); ok {
		d.routines.add(t, v)
	}
	closed = d.routines.tick(t) || closed
	if v, ok := offheapOf(s); ok {
		d.offheap.add(t, v)
	}
	closed = d.offheap.tick(t) || closed
	if closed {
		d.judge()
	}
}

// offheapOf is resident memory that the Go runtime does not know of.
func offheapOf(s *memwatch.Sample) (float64, bool) {
	rss, ok1 := s.Get(memwatch.RSSBytes)
	sys, ok2 := s.Get(memwatch.SysBytes)
	rel, ok3 := s.Get(memwatch.HeapReleasedBytes)
	return max(0, rss-(sys-rel)), ok1 && ok2 && ok3
}

// restarted tells a new process from the old one: its start time changed, or a
// counter that only rises fell.
func restarted(old, s *memwatch.Sample) bool {
	if !old.Start.IsZero() && !s.Start.IsZero() {
		if d := s.Start.Sub(old.Start); d > 2*time.Second || d < -2*time.Second {
			return true
		}
	}
	for _, sig := range []memwatch.Signal{memwatch.NumGC, memwatch.TotalAllocBytes, memwatch.Mallocs} {
		a, ok1 := old.Get(sig)
		b, ok2 := s.Get(sig)
		if ok1 && ok2 && b < a {
			return true
		}
	}
	return false
}

// ObserveSites takes one profile.
func (d *Detector) ObserveSites(p *memwatch.Sites) {
	if d.life.origin.IsZero() {
		return
	}
	t := p.Time.Sub(d.life.origin).Seconds()
	switch p.Kind {
	case memwatch.HeapProfile:
		d.sites.add(t, p)
	case memwatch.GoroutineProfile:
		d.stacks.add(t, p)
	case memwatch.GoroutineLeakProfile:
		d.leakRead = true
	}
}

// State is the present state; the same as Verdict().State, for nothing.
func (d *Detector) State() memwatch.State { return d.state.state }

// Restarts counts the restarts of the process that were seen.
func (d *Detector) Restarts() int { return d.restarts }

// Wants is what the detector would like to be shown, beside a sample at each
// interval. Zero means not at all. What a read costs the target is the agent's
// to weigh: it may always read less.
type Wants struct {
	// HeapEvery is the time between heap profiles.
	HeapEvery time.Duration
	// GoroutinesEvery is the time between goroutine profiles.
	GoroutinesEvery time.Duration
	// GoroutineLeak asks for one goroutineleak profile.
	GoroutineLeak bool
}

// Readings between profiles: at the default interval of 10 s this is a heap
// profile a minute, each 10 s while something grows.
const (
	profileEach      = 6
	goroutinesEach   = 60
	goroutinesCloser = 3
)

// Wants says what to read next.
func (d *Detector) Wants() Wants {
	interval := time.Duration(d.interval * float64(time.Second))
	if interval <= 0 {
		interval = time.Second
	}
	w := Wants{HeapEvery: profileEach * interval, GoroutinesEvery: goroutinesEach * interval}
	if d.state.state.Rank() >= memwatch.Suspect.Rank() {
		w.HeapEvery = interval
		w.GoroutinesEvery = goroutinesCloser * interval
		w.GoroutineLeak = !d.leakRead && d.state.kind == memwatch.KindGoroutine
	}
	return w
}
