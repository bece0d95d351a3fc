package detector

import (
	"math"
	"testing"
	"time"

	"github.com/zupee/memwatch"
)

// knowing is a detector that has read one sample with the given signals.
func knowing(cfg Config, signals map[memwatch.Signal]float64) *Detector {
	d := New(cfg)
	s := &memwatch.Sample{Time: epoch}
	for sig, v := range signals {
		s.Set(sig, v)
	}
	d.Observe(s)
	return d
}

func TestTheNearestKnownLimitCounts(t *testing.T) {
	const gib = float64(1 << 30)
	for name, c := range map[string]struct {
		config  int64
		signals map[memwatch.Signal]float64
		limit   float64
		source  memwatch.LimitSource
	}{
		"cgroup":               {0, map[memwatch.Signal]float64{memwatch.LimitBytes: 2 * gib}, 2 * gib, "cgroup"},
		"GOMEMLIMIT":           {0, map[memwatch.Signal]float64{memwatch.GoMemLimitBytes: gib}, 0.95 * gib, "gomemlimit"},
		"GOMEMLIMIT is nearer": {0, map[memwatch.Signal]float64{memwatch.LimitBytes: 2 * gib, memwatch.GoMemLimitBytes: gib}, 0.95 * gib, "gomemlimit"},
		"cgroup is nearer":     {0, map[memwatch.Signal]float64{memwatch.LimitBytes: gib, memwatch.GoMemLimitBytes: 2 * gib}, gib, "cgroup"},
		"configuration wins":   {3 << 30, map[memwatch.Signal]float64{memwatch.LimitBytes: gib}, 3 * gib, "config"},
		"none, a small one":    {0, map[memwatch.Signal]float64{memwatch.RSSBytes: 50e6}, gib, "assumed"},
		"none, a large one":    {0, map[memwatch.Signal]float64{memwatch.RSSBytes: 3 * gib}, 12 * gib, "assumed"},
		"a limit of nothing":   {0, map[memwatch.Signal]float64{memwatch.LimitBytes: 0}, gib, "assumed"},
	} {
		cfg := DefaultConfig()
		cfg.LimitBytes = c.config
		if limit, source := knowing(cfg, c.signals).limit(); limit != c.limit || source != c.source {
			t.Errorf("%s: %v (%s), want %v (%s)", name, limit, source, c.limit, c.source)
		}
	}
}

func TestWhatCountsAgainstTheLimit(t *testing.T) {
	signals := map[memwatch.Signal]float64{
		memwatch.LiveHeapBytes: 100, memwatch.NumGC: 5, memwatch.SysBytes: 500, memwatch.HeapSysBytes: 450,
		memwatch.RSSBytes: 400, memwatch.CgroupBytes: 420, memwatch.NextGCBytes: 200,
	}
	d := knowing(DefaultConfig(), signals)
	if got := d.used("gomemlimit"); got != 150 {
		t.Errorf("against GOMEMLIMIT %v, want 150: what is alive, and what is not heap", got)
	}
	if got := d.used("cgroup"); got != 420 {
		t.Errorf("against the cgroup's limit %v, want its own count", got)
	}
	delete(signals, memwatch.CgroupBytes)
	if got := knowing(DefaultConfig(), signals).used("cgroup"); got != 400 {
		t.Errorf("without a cgroup %v, want RSS", got)
	}
	if got := knowing(DefaultConfig(), nil).used("cgroup"); got != 0 {
		t.Errorf("with nothing known %v, want 0", got)
	}
}

func TestAByteOfLiveHeapCostsWhatTheGCMakesOfIt(t *testing.T) {
	heap, off := &evidence{kind: memwatch.KindHeap}, &evidence{kind: memwatch.KindOffHeap}
	for name, c := range map[string]struct {
		signals map[memwatch.Signal]float64
		ev      *evidence
		want    float64
	}{
		"GOGC by default":   {map[memwatch.Signal]float64{memwatch.NextGCBytes: 1}, heap, 2},
		"GOGC=400":          {map[memwatch.Signal]float64{memwatch.NextGCBytes: 1, memwatch.GOGCPercent: 400}, heap, 5},
		"under GOMEMLIMIT":  {map[memwatch.Signal]float64{memwatch.NextGCBytes: 1, memwatch.GoMemLimitBytes: 1}, heap, 1},
		"another runtime":   {nil, heap, 1},
		"outside the heap":  {map[memwatch.Signal]float64{memwatch.NextGCBytes: 1}, off, 1},
		"goroutines' stack": {map[memwatch.Signal]float64{memwatch.NextGCBytes: 1}, &evidence{kind: memwatch.KindGoroutine}, 1},
	} {
		if got := knowing(DefaultConfig(), c.signals).costOfGrowth(c.ev); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

// growing is evidence for a leak outside the heap, where a byte is a byte: so
// fast, seen for so long, from 100 MB on.
func growing(perSecond, seconds float64) *evidence {
	return &evidence{
		kind: memwatch.KindOffHeap, beyondLoad: true, watched: true, fresh: true, ample: true, goesOn: true,
		tr: trend{
			n: 48, span: seconds, slope: perSecond, low: perSecond / 2, high: 2 * perSecond,
			first: 100e6, last: 100e6 + perSecond*seconds, growth: perSecond * seconds, bend: -10, beyondLoad: 1,
		},
	}
}

func TestSeverityIsHowSoonItHurts(t *testing.T) {
	const mb, hour = 1e6, 3600.0
	for name, c := range map[string]struct {
		limit, used float64 // 0: no limit is known
		ev          *evidence
		want        memwatch.Severity
	}{
		"far beyond what may be extrapolated": {4000 * mb, 200 * mb, growing(mb/hour, 10*hour), memwatch.SeverityInfo},
		"the limit within the horizon":        {1000 * mb, 600 * mb, growing(5*mb/hour, 23*hour), memwatch.SeverityWarning},
		"just beyond the horizon":             {1000 * mb, 600 * mb, growing(5*mb/hour, 21*hour), memwatch.SeverityInfo},
		"within the hour":                     {1000 * mb, 990 * mb, growing(20*mb/hour, 10*hour), memwatch.SeverityCritical},
		"a quarter of the limit taken":        {4000 * mb, 1200 * mb, growing(10*mb/hour, 105*hour), memwatch.SeverityWarning},
		"half of the room gone":               {1000 * mb, 600 * mb, growing(50*mb/hour, 10*hour), memwatch.SeverityCritical},
		"much, and no limit known":            {0, 200 * mb, growing(10*mb/hour, 6*hour), memwatch.SeverityWarning},
		"little, and no limit known":          {0, 200 * mb, growing(mb/hour, 6*hour), memwatch.SeverityInfo},
		"much, in a large container":          {8000 * mb, 200 * mb, growing(10*mb/hour, 6*hour), memwatch.SeverityInfo},
	} {
		signals := map[memwatch.Signal]float64{memwatch.RSSBytes: c.used}
		if c.limit > 0 {
			signals[memwatch.LimitBytes] = c.limit
		}
		d := knowing(DefaultConfig(), signals)
		d.clock.at = c.ev.tr.span
		x := d.danger(c.ev)
		if got := d.severity(c.ev, &x); got != c.want {
			t.Errorf("%s: %s, want %s (%.1f h left, horizon %.1f h)", name, got, c.want, x.left/hour, d.horizon(c.ev)/hour)
		}
		c.ev.watched = false
		if got := d.severity(c.ev, &x); got != memwatch.SeverityInfo {
			t.Errorf("%s, the evidence wavering: %s, want info", name, got)
		}
	}
}

func TestACurveThatFlattensBelowTheLimitIsNotProlonged(t *testing.T) {
	ev := growing(10e6/3600, 30*3600)
	ev.tr.bend, ev.tr.ceiling = 10, 450e6
	d := knowing(DefaultConfig(), map[memwatch.Signal]float64{memwatch.RSSBytes: 200e6, memwatch.LimitBytes: 1000e6})
	x := d.danger(ev)
	if !x.bends || !math.IsInf(x.left, 1) || d.severity(ev, &x) != memwatch.SeverityInfo {
		t.Errorf("%+v, severity %s: want it to end below the limit, info", x, d.severity(ev, &x))
	}
	ev.tr.ceiling = 5000e6
	if x := d.danger(ev); x.bends || math.IsInf(x.left, 0) {
		t.Errorf("%+v: the curve ends above the limit and still meets it", x)
	}
}

func TestTheHorizonGoesByWhatWasSeen(t *testing.T) {
	cfg := DefaultConfig()
	d := knowing(cfg, nil)
	ev := growing(1, 600)
	ev.name = "memory outside the Go heap"
	d.clock.at = 2 * youngSeconds
	if got := d.horizon(ev); got != 3.7*600 {
		t.Errorf("horizon %v s, want three and a half times the 600 seen", got)
	}
	d.previous = past{watched: 1000, name: ev.name, level: ev.tr.last / 2}
	if got := d.horizon(ev); got != 3.7*1200 {
		t.Errorf("%v s, want the previous life's counted in, for as much as this one's", got)
	}
	d.previous.level = ev.tr.last // it came to the same: so it begins, and no more is known
	if got := d.horizon(ev); got != 3.7*600 {
		t.Errorf("%v s, want another life's growth left out", got)
	}
	d.previous.name, d.previous.level = "live heap", ev.tr.last/2
	if got := d.horizon(ev); got != 3.7*600 {
		t.Errorf("%v s, want the growth of something else left out", got)
	}
	d.clock.at = youngSeconds / 2
	if got := d.horizon(ev); got != 3.7*300 {
		t.Errorf("in a young process %v s, want half", got)
	}
	cfg.HorizonFactor = 10
	d = knowing(cfg, nil)
	d.clock.at = 2 * youngSeconds
	if got := d.horizon(ev); got != 6000 {
		t.Errorf("%v s, want the setting obeyed", got)
	}
}

// heapGrowing is a heap that grows by a byte a second, seen by profiles, and what its sites show.
func heapGrowing(groups ...group) (*Detector, *evidence) {
	d := knowing(DefaultConfig(), nil)
	d.heap.n = minSnapshots
	ev := growing(1, 1000)
	ev.kind, ev.groups = memwatch.KindHeap, groups
	return d, ev
}

func TestWhatNoSiteHoldsIsTrustedLess(t *testing.T) {
	leak := group{growth: 1000, born: 1000, late: 600, bornLate: 600, tr: trend{slope: 0.6, bend: -2}}
	cache := group{growth: 1000, born: 1000, late: 600, bornLate: 600, tr: trend{slope: 0.3, bend: 5, last: 100, ceiling: 150}}
	sessions := group{growth: 1000, born: 1600, late: 600, bornLate: 1000, tr: trend{slope: 0.6, bend: -2}}
	for name, c := range map[string]struct {
		groups       []group
		pace, ending float64
		straight     bool
	}{
		"no site":                   {nil, 1.0 / 3, 0, false},
		"one goes on":               {[]group{leak}, 0.6 + 0.4/3, 0, true},
		"one flattens":              {[]group{cache}, 0.7 / 3, 50, false},
		"one of each":               {[]group{leak, cache}, 0.6 + 0.1/3, 50, true},
		"what it allocates is free": {[]group{sessions}, 1.0 / 3, 0, false},
	} {
		d, ev := heapGrowing(c.groups...)
		pace, ending, straight := d.sites(ev)
		if math.Abs(pace-c.pace) > 1e-9 || ending != c.ending || straight != c.straight {
			t.Errorf("%s: %v a second, %v to come, straight %t; want %v, %v, %t", name, pace, ending, straight, c.pace, c.ending, c.straight)
		}
	}
	d, ev := heapGrowing()
	d.heap.n = 2
	if pace, _, _ := d.sites(ev); pace != 1 {
		t.Errorf("without profiles %v a second, want all of it: nothing speaks against it", pace)
	}
}

func TestWantsLooksCloserOnlyAtWhatGrows(t *testing.T) {
	d := New(DefaultConfig())
	if w := d.Wants(); w.HeapEvery != 6*time.Second || w.GoroutineLeak {
		t.Errorf("before anything is seen: %+v", w)
	}
	d.interval = 10
	if w := d.Wants(); w.HeapEvery != time.Minute || w.GoroutinesEvery != 10*time.Minute || w.GoroutineLeak {
		t.Errorf("at rest: %+v, want a heap profile a minute", w)
	}
	d.state = states{state: memwatch.Suspect, hits: 2, ev: evidence{kind: memwatch.KindHeap}}
	if w := d.Wants(); w.HeapEvery != 10*time.Second || w.GoroutineLeak {
		t.Errorf("a heap suspect: %+v, want a heap profile each reading and no goroutineleak", w)
	}
	d.state.ev.kind = memwatch.KindGoroutine
	if w := d.Wants(); !w.GoroutineLeak {
		t.Errorf("a goroutine suspect: %+v, want one goroutineleak profile", w)
	}
	d.ObserveSites(&memwatch.Sites{Kind: memwatch.GoroutineLeakProfile, Time: epoch})
	if w := d.Wants(); !w.GoroutineLeak {
		t.Error("a profile that came before any reading was taken")
	}
	d.clock.origin = epoch
	d.ObserveSites(&memwatch.Sites{Kind: memwatch.GoroutineLeakProfile, Time: epoch.Add(time.Second)})
	if w := d.Wants(); w.GoroutineLeak {
		t.Error("asks for a second goroutineleak profile: each runs a GC in the target")
	}
}

func TestWhatTheLoadExplainsIsNotCarriedOn(t *testing.T) {
	const mb, hour = 1e6, 3600.0
	for _, c := range []struct {
		kind        memwatch.Kind
		unexplained float64 // share of the growth
		longer      float64
		name        string
	}{
		{memwatch.KindGoroutine, 1, 1, "goroutines beside an even load"},
		{memwatch.KindGoroutine, 0.5, 2, "goroutines half of which the load explains"},
		{memwatch.KindGoroutine, 0, 3, "goroutines that follow the load"},
		{memwatch.KindOffHeap, 0.5, 1, "memory that a ramp explains half of"},
		{memwatch.KindOffHeap, 0.1, 3, "memory that follows the load"},
	} {
		ev := growing(10*mb/hour, 10*hour)
		ev.kind, ev.tr.beyondLoad = c.kind, c.unexplained
		x := knowing(DefaultConfig(), map[memwatch.Signal]float64{memwatch.RSSBytes: 600 * mb, memwatch.LimitBytes: 1000 * mb}).danger(ev)
		if got := x.sure / x.left; math.Abs(got-c.longer) > 1e-9 {
			t.Errorf("%s: the time that is sure is %v times the time left, want %v", c.name, got, c.longer)
		}
	}
}
