package detector

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/zupee/memwatch"
)

// process makes up the life of a process for the detector: what it holds at
// each reading, as functions of the reading's number.
type process struct {
	d        *Detector
	interval time.Duration
	start    time.Time
	n        int // readings so far, over all lives
	born     int // the reading at which this life began
	r        *rand.Rand
	// What grows, in bytes and goroutines; nil is at rest.
	live, offHeap, fragments, goroutines func(i int) float64
	// load multiplies the allocation rate; nil is 1.
	load  func(i int) float64
	alloc float64
}

const mib = 1 << 20

func newProcess(cfg Config) *process {
	return &process{d: New(cfg), interval: 10 * time.Second, start: epoch, r: rand.New(rand.NewPCG(7, 8))}
}

func or(f func(int) float64, i int) float64 {
	if f == nil {
		return 0
	}
	return f(i)
}

// reading is the next one: one GC a reading, some noise, 100 MiB alive at rest.
func (p *process) reading() *memwatch.Sample {
	i := p.n - p.born
	rate := 5.0 * mib
	if p.load != nil {
		rate *= p.load(i)
	}
	p.alloc += rate * p.interval.Seconds()
	live := (100+p.r.NormFloat64())*mib + or(p.live, i)
	routines := 200 + 4*p.r.NormFloat64() + or(p.goroutines, i)
	inuse := 1.5*live + or(p.fragments, i)
	sys := 1.7*inuse + 20*mib
	s := &memwatch.Sample{Time: epoch.Add(time.Duration(p.n) * p.interval), Start: p.start}
	for sig, v := range map[memwatch.Signal]float64{
		memwatch.LiveHeapBytes: live, memwatch.HeapAllocBytes: 1.4 * live, memwatch.HeapInuseBytes: inuse, memwatch.HeapReleasedBytes: 0,
		memwatch.SysBytes: sys, memwatch.StackInuseBytes: 8192 * routines, memwatch.NextGCBytes: 2 * live,
		memwatch.Goroutines: math.Round(routines), memwatch.NumGC: float64(i + 1), memwatch.TotalAllocBytes: p.alloc,
		memwatch.RSSBytes: sys + p.r.NormFloat64()*mib + or(p.offHeap, i), memwatch.LimitBytes: 4096 * mib,
	} {
		s.Set(sig, v)
	}
	p.n++
	return s
}

// run takes n readings and returns the states passed through, each once.
func (p *process) run(n int) (way []memwatch.State) {
	for range n {
		p.d.Observe(p.reading())
		if s := p.d.State(); len(way) == 0 || way[len(way)-1] != s {
			way = append(way, s)
		}
	}
	return way
}

func (p *process) restart() {
	p.born, p.start, p.alloc = p.n, epoch.Add(time.Duration(p.n)*p.interval), 0
}

func line(perReading float64) func(int) float64 {
	return func(i int) float64 { return perReading * float64(i) }
}

func worst(way []memwatch.State) memwatch.State {
	return slices.MaxFunc(way, func(a, b memwatch.State) int { return a.Rank() - b.Rank() })
}

func TestAProcessAtRestIsHealthy(t *testing.T) {
	p := newProcess(DefaultConfig())
	way := p.run(3000)
	if !slices.Equal(way, []memwatch.State{memwatch.Learning, memwatch.Healthy}) {
		t.Errorf("went %v, want learning, then healthy", way)
	}
	v := p.d.Verdict()
	if v.Kind != memwatch.KindNone || v.Severity != memwatch.SeverityNone || len(v.Culprits) > 0 || len(v.Gates) == 0 {
		t.Errorf("%+v: want no kind, no culprits, and the gates that say why not", v)
	}
}

func TestEachKindOfGrowthIsFoundAndNamed(t *testing.T) {
	for name, c := range map[string]struct {
		set  func(*process)
		kind memwatch.Kind
	}{
		"heap":          {func(p *process) { p.live = line(mib) }, memwatch.KindHeap},
		"goroutines":    {func(p *process) { p.goroutines = line(40) }, memwatch.KindGoroutine},
		"off the heap":  {func(p *process) { p.offHeap = line(2 * mib) }, memwatch.KindOffHeap},
		"fragmentation": {func(p *process) { p.fragments = line(2 * mib) }, memwatch.KindFragmentation},
		// Goroutines hold what they refer to: both grow, and the goroutines are the matter.
		"goroutines with their heap": {func(p *process) { p.goroutines, p.live = line(40), line(40*4096) }, memwatch.KindGoroutine},
	} {
		p := newProcess(DefaultConfig())
		c.set(p)
		way := p.run(300)
		v := p.d.Verdict()
		if !slices.Equal(way, []memwatch.State{memwatch.Learning, memwatch.Healthy, memwatch.Suspect, memwatch.Leaking}) || v.Kind != c.kind {
			t.Errorf("%s: went %v and is called %s, want all four states and %s\n%s", name, way, v.Kind, c.kind, v.Summary)
		}
		if g := v.GrowthBytesPerSecond; !(g.Low <= g.Estimate && g.Estimate <= g.High && g.Low > 0) {
			t.Errorf("%s: growth %+v, want an interval above 0 around the estimate", name, g)
		}
	}
}

func TestTheGrowthIsMeasuredRight(t *testing.T) {
	p := newProcess(DefaultConfig())
	p.live = func(i int) float64 { return max(0, float64(i-100)) * mib }
	p.run(400)
	v := p.d.Verdict()
	if g := v.GrowthBytesPerSecond; math.Abs(g.Estimate-mib/10) > 0.05*mib/10 || g.Low > mib/10 || g.High < mib/10 {
		t.Errorf("growth %+v, want %v within", g, mib/10)
	}
	// It began after 1000 s, and was seen within some windows.
	if began := v.Since.Time().Sub(epoch); began <= 0 || began > 1300*time.Second {
		t.Errorf("since %v after the first reading, want before it was seen", began)
	}
	// 4 GiB less what is used, at two bytes a byte of live heap.
	left := (4096 - p.d.last.Or(memwatch.RSSBytes, 0)/mib) * 10 / 2
	if got := *v.TimeToLimitSeconds; math.Abs(got-left) > 0.1*left || *v.TimeToLimitLowSeconds > got || *v.TimeToLimitHighSeconds < got {
		t.Errorf("the limit in %v s (%v to %v), want about %v", got, *v.TimeToLimitLowSeconds, *v.TimeToLimitHighSeconds, left)
	}
}

// What grows for a while and stops, for a reason that is no leak, wakes nobody
// and is forgotten.
func TestWhatIsNoLeakWakesNobody(t *testing.T) {
	for name, set := range map[string]func(*process){
		"a warm-up of minutes": func(p *process) { p.live = func(i int) float64 { return -60 * mib * math.Expm1(-float64(i)/30) } },
		"a cache that fills within four minutes": func(p *process) {
			p.live = func(i int) float64 { return min(30, 1.2*float64(i)) * mib }
		},
		"a reload, once": func(p *process) {
			p.live = func(i int) float64 { return 80 * mib * float64(b2i(i > 200)) }
		},
		"a batch each hour": func(p *process) {
			p.live = func(i int) float64 { return 150 * mib * float64(b2i(i%360 > 330)) }
		},
		"a saw": func(p *process) { p.live = func(i int) float64 { return float64(i%20) * mib } },
		"load that doubles, and what it keeps alive": func(p *process) {
			p.load = func(i int) float64 { return 1 + min(1, float64(i)/400) }
			p.live = func(i int) float64 { return 100 * mib * min(1, float64(i)/400) }
		},
		"heap given back": func(p *process) { p.live = func(i int) float64 { return 80 * mib * math.Exp(-float64(i)/200) } },
	} {
		p := newProcess(DefaultConfig())
		set(p)
		for range 1000 {
			p.run(1)
			if v := p.d.Verdict(); v.Notifies() {
				t.Errorf("%s: somebody is woken at reading %d: %s", name, p.n, v.Summary)
				break
			}
		}
		if p.d.State() != memwatch.Healthy {
			t.Errorf("%s: want healthy in the end\n%s", name, p.d.Verdict().Summary)
		}
	}
}

func TestAGrowthUnderTheSameRampOfLoadIsStillALeak(t *testing.T) {
	p := newProcess(DefaultConfig())
	p.load = func(i int) float64 { return 1 + min(1, float64(i)/400) }
	p.live = func(i int) float64 { return (100*min(1, float64(i)/400) + float64(i)) * mib }
	if p.run(400); p.d.State() != memwatch.Leaking {
		t.Errorf("%s: a leak of 400 MiB under a load that explains 100", p.d.Verdict().Summary)
	}
}

func TestALeakThatEndsIsHealthyAgain(t *testing.T) {
	p := newProcess(DefaultConfig())
	p.live = until(300, line(mib))
	p.run(300)
	if p.d.State() != memwatch.Leaking {
		t.Fatalf("%s: want leaking while it grows", p.d.Verdict().Summary)
	}
	way := p.run(2000)
	if p.d.State() != memwatch.Healthy {
		t.Errorf("went %v after the end, want healthy", way)
	}
	if n := len(way); n > 4 {
		t.Errorf("went %v: it flutters on its way down", way)
	}
}

// The state holds through a few closings without evidence, and needs more than
// one with it.
func TestHysteresis(t *testing.T) {
	p := newProcess(DefaultConfig())
	p.live = line(mib)
	for p.d.State() != memwatch.Suspect {
		if p.run(1); p.n > 300 {
			t.Fatal("never suspect")
		}
	}
	if p.d.state.hits < suspectHits {
		t.Errorf("suspect after %d closings with evidence, want %d", p.d.state.hits, suspectHits)
	}
	for p.d.State() != memwatch.Leaking {
		if p.run(1); p.n > 300 {
			t.Fatal("never leaking")
		}
	}
	st := &p.d.state
	if st.strong < leakingHits {
		t.Errorf("leaking after %d closings with strong evidence, want %d", st.strong, leakingHits)
	}
	st.misses, st.lastHit = leakingMisses-1, p.d.clock.t-1e6
	if st.over(p.d.clock.t) {
		t.Errorf("over after %d closings without evidence, want %d", st.misses, leakingMisses)
	}
	st.misses = leakingMisses
	if !st.over(p.d.clock.t) {
		t.Errorf("not over after %d closings without evidence", st.misses)
	}
	if st.lastHit = p.d.clock.t - 1; st.over(p.d.clock.t) {
		t.Error("over a second after the last evidence, though it spoke of minutes")
	}
}

func TestARestartBeginsAnewAndRemembers(t *testing.T) {
	p := newProcess(DefaultConfig())
	p.live = func(i int) float64 { return min(200, 2*float64(i)) * mib }
	p.run(1000)
	if p.d.State() != memwatch.Healthy {
		t.Fatalf("after the first life's warm-up: %s", p.d.Verdict().Summary)
	}
	p.restart()
	p.run(1)
	if p.d.Restarts() != 1 || p.d.State() != memwatch.Learning {
		t.Errorf("%d restarts, %s: want 1, learning", p.d.Restarts(), p.d.State())
	}
	if level := p.d.previous.plateau; level < 280*mib || level > 320*mib {
		t.Errorf("remembers %v MiB, want the 300 that the first life held", level/mib)
	}
	// The second life needs longer to get there, and it is no news.
	p.live = func(i int) float64 { return min(200, 0.5*float64(i)) * mib }
	if way := p.run(1000); worst(way) == memwatch.Leaking {
		t.Errorf("went %v on the way to what the first life held", way)
	}
	p.restart()
	p.live = line(2 * mib)
	if p.run(600); p.d.State() != memwatch.Leaking {
		t.Errorf("far above what the first life held: %s", p.d.Verdict().Summary)
	}
}

func TestRestartsAreSeenByStartTimeOrCounters(t *testing.T) {
	sample := func(start time.Time, gc, alloc float64) *memwatch.Sample {
		s := &memwatch.Sample{Start: start}
		s.Set(memwatch.NumGC, gc)
		s.Set(memwatch.TotalAllocBytes, alloc)
		return s
	}
	old := sample(epoch, 10, 1000)
	for name, c := range map[string]struct {
		s    *memwatch.Sample
		want bool
	}{
		"it goes on":                {sample(epoch, 11, 2000), false},
		"the start wanders a bit":   {sample(epoch.Add(900*time.Millisecond), 11, 2000), false},
		"another start":             {sample(epoch.Add(time.Minute), 11, 2000), true},
		"an earlier start":          {sample(epoch.Add(-time.Minute), 11, 2000), true},
		"fewer GCs":                 {sample(time.Time{}, 2, 2000), true},
		"less allocated":            {sample(time.Time{}, 11, 20), true},
		"nothing known any more":    {&memwatch.Sample{}, false},
		"start unknown, it goes on": {sample(time.Time{}, 10, 1000), false},
	} {
		if got := restarted(old, c.s); got != c.want {
			t.Errorf("%s: restarted %v, want %v", name, got, c.want)
		}
	}
}

func TestAFastLeakNeedNotBeWatchedForLong(t *testing.T) {
	p := newProcess(DefaultConfig())
	p.interval = time.Second
	p.live = line(4 * mib)
	for p.d.State() != memwatch.Leaking && p.n < 400 {
		p.run(1)
	}
	if p.n > 120 {
		t.Errorf("leaking after %d s at 4 MiB/s, want within 120 s", p.n)
	}
}

func TestReadingsWithoutOrderArePassedOver(t *testing.T) {
	a, b := newProcess(DefaultConfig()), newProcess(DefaultConfig())
	a.live, b.live = line(mib), line(mib)
	for i := range 300 {
		s := a.reading()
		a.d.Observe(s)
		b.d.Observe(b.reading())
		if i%3 == 0 {
			b.d.Observe(s) // the same once more
			old := *s
			old.Time = s.Time.Add(-time.Hour)
			old.Set(memwatch.NumGC, 0)
			b.d.Observe(&old)
		}
	}
	same(t, "with readings out of order", a.d.Verdict(), b.d.Verdict())
	if b.d.Restarts() != 0 {
		t.Error("a reading out of order was taken for a restart")
	}
}

// Between two GCs nothing is known of the live heap: waiting for one is no evidence.
func TestNoGCNoNews(t *testing.T) {
	p := newProcess(DefaultConfig())
	for range 400 {
		s := p.reading()
		s.Set(memwatch.NumGC, 7)
		p.d.Observe(s)
	}
	if n := p.d.series[liveHeap].pyramid.level[0].n; n > 1 {
		t.Errorf("%d levels of live heap within one GC cycle, want 1", n)
	}
	if p.d.clock.closed != 1+399/patience {
		t.Errorf("%d blocks closed, want one in %d readings: other series go on", p.d.clock.closed, patience)
	}
}

// until is a growth that ends at a reading.
func until(end int, grows func(int) float64) func(int) float64 {
	return func(i int) float64 { return grows(min(i, end)) }
}

func TestACacheThatIsFullIsSoonNoLeakAnyMore(t *testing.T) {
	const full = 1000
	p := newProcess(DefaultConfig())
	p.live = until(full, line(mib))
	p.run(full)
	if p.d.State() != memwatch.Leaking {
		t.Fatalf("%s while it fills steadily: want leaking", p.d.State())
	}
	readings := 0
	for ; p.d.State() == memwatch.Leaking && readings < full; readings++ {
		p.run(1)
	}
	if want := full / 6; readings > want {
		t.Errorf("leaking for %d readings after the end of a growth of %d: want %d at most", readings, full, want)
	}
}

func TestOneKindOfLeakDoesNotTakeOverFromAnother(t *testing.T) {
	const full = 600
	p := newProcess(DefaultConfig())
	p.live = until(full, line(4*mib))
	p.fragments = line(mib / 2)
	p.run(full)
	if v := p.d.Verdict(); v.State != memwatch.Leaking || v.Kind != memwatch.KindHeap {
		t.Fatalf("%s of kind %s: want a leak of the heap", v.State, v.Kind)
	}
	for range full {
		p.run(1)
		switch v := p.d.Verdict(); {
		case v.State != memwatch.Leaking:
			return // the new kind has to earn it
		case v.Kind != memwatch.KindHeap:
			t.Fatalf("the leak of the heap became one of kind %s: want it to end first", v.Kind)
		}
	}
	t.Errorf("still %s after as long again: want the leak of the heap to end", p.d.State())
}
