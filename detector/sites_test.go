package detector

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/zupee/memwatch"
)

// profileAt makes a heap profile of one-frame stacks; holds gives the live bytes
// of each function, all that was ever allocated being that and churn.
func profileAt(seconds float64, holds map[string]int64, churn int64) *memwatch.Sites {
	p := &memwatch.Sites{Kind: memwatch.HeapProfile, Time: epoch.Add(time.Duration(seconds * float64(time.Second)))}
	for name, live := range holds {
		key := uint64(0)
		for _, c := range name {
			key = key*31 + uint64(c)
		}
		p.Frames = append(p.Frames, memwatch.Frame{Function: name})
		p.Sites = append(p.Sites, memwatch.Site{
			Key: key, Stack: []uint32{uint32(len(p.Frames) - 1)}, LiveBytes: live, LiveObjects: live / 100,
			AllocBytes: live + churn, AllocObjects: (live + churn) / 100,
		})
	}
	return p
}

func TestSnapshotsAreDenseLatelyAndReachBackToTheFirst(t *testing.T) {
	var s siteTable
	for i := range 1000 {
		if s.add(float64(i), profileAt(float64(i), map[string]int64{"a.f": int64(1000 + i)}, 0)) == nil {
			t.Fatalf("profile %d was refused", i)
		}
	}
	if s.n != snapshots || s.t[0] != 0 || s.t[s.n-1] != 999 {
		t.Fatalf("%d snapshots from %v to %v s, want %d from 0 to 999", s.n, s.t[0], s.t[s.n-1], snapshots)
	}
	for i := 1; i < s.n; i++ {
		if s.t[i] <= s.t[i-1] {
			t.Errorf("snapshots out of order: %v", s.t)
		}
		if got := s.history(&s.sites[0], new(course)).live[i]; got != float32(1000+s.t[i]) {
			t.Errorf("at %v s it held %v, want %v", s.t[i], got, 1000+s.t[i])
		}
	}
	first, last := s.t[2]-s.t[1], s.t[s.n-1]-s.t[s.n-2]
	if first <= last {
		t.Errorf("gaps of %v s long ago and %v s lately: want them to widen backwards", first, last)
	}
}

func TestProfilesOutOfOrderArePassedOver(t *testing.T) {
	var s siteTable
	s.add(10, profileAt(10, map[string]int64{"a.f": 5}, 0))
	for _, at := range []float64{10, 3, -1} {
		if s.add(at, profileAt(at, map[string]int64{"a.f": 9}, 0)) != nil || s.n != 1 || s.sites[0].live != 5 {
			t.Errorf("a profile of %v s was taken after one of 10 s", at)
		}
	}
}

// Stacks come and go, thousands in each profile: what is kept is bounded, and
// the one that grows is not lost.
func TestSitesThatChurnAreBounded(t *testing.T) {
	d := New(DefaultConfig())
	const each = 6000
	for i := range 14 {
		at := epoch.Add(time.Duration(i) * time.Minute)
		s := &memwatch.Sample{Time: at}
		s.Set(memwatch.NumGC, float64(i+1))
		s.Set(memwatch.LiveHeapBytes, float64(100+i)*mib)
		d.Observe(s)
		p := profileAt(0, map[string]int64{"shop.leak": int64(i+1) * mib}, 0)
		p.Time = at
		p.Frames = append(p.Frames, memwatch.Frame{Function: "shop.churn"})
		for k := range each {
			p.Sites = append(p.Sites, memwatch.Site{Key: uint64(1e6 + i*each + k), Stack: []uint32{1}, LiveBytes: 1000, LiveObjects: 1, AllocBytes: 1000, AllocObjects: 1})
		}
		d.ObserveSites(p)
		if n, moved := len(d.heap.sites), len(d.heap.moved); n > maxSites || moved > n {
			t.Fatalf("after profile %d: %d sites and %d courses, want at most %d", i, n, moved, maxSites)
		}
	}
	if o := d.heap.owners; len(o) == 0 || o[0].Function != "shop.leak" {
		t.Errorf("the one that grows was lost among them: %d owners", len(o))
	}
}

// A table full of stacks that all hold something takes no more, and is gone
// through for room once a profile, not for each stack that is new.
func TestAFullTableIsSweptOnceAProfile(t *testing.T) {
	var s siteTable
	p := &memwatch.Sites{Kind: memwatch.HeapProfile, Frames: []memwatch.Frame{{Function: "shop.hold"}}}
	for k := range 2 * maxSites {
		p.Sites = append(p.Sites, memwatch.Site{Key: uint64(k), Stack: []uint32{0}, LiveBytes: 1, LiveObjects: 1})
	}
	v := s.add(0, p)
	if len(s.sites) != maxSites {
		t.Fatalf("%d sites, want %d", len(s.sites), maxSites)
	}
	s.sites[7].live = 0
	if s.room(v) {
		t.Error("swept twice at one profile")
	}
	s.swept = false
	if !s.room(v) || len(s.sites) != maxSites-1 {
		t.Errorf("%d sites after the next profile, want the empty one forgotten", len(s.sites))
	}
}

func TestSamplingNoiseIsNoGrowth(t *testing.T) {
	const size, period, steady = 4096, 512 << 10, 20 * mib
	certain := func(seed uint64, grows float64) bool {
		r := rand.New(rand.NewPCG(seed, 9))
		var s siteTable
		var v *survey
		for i := range snapshots {
			chance := -math.Expm1(-float64(size) / period)
			live := int64(float64(poisson(r, (steady+grows*float64(i))/size*chance)) / chance)
			p := profileAt(float64(i*60), map[string]int64{"shop.hold": live * size}, 0)
			p.PeriodBytes = period
			p.Sites[0].LiveObjects, p.Sites[0].AllocObjects = live, live+int64(i)*50000
			p.Sites[0].AllocBytes = p.Sites[0].AllocObjects * size
			v = s.add(float64(i*60), p)
		}
		g := v.groups(0, true)
		return len(g) > 0 && g[0].growth > accumulateZ*g[0].sd
	}
	noise, grown := 0, 0
	for seed := range uint64(200) {
		noise += b2i(certain(seed, 0))
		grown += b2i(certain(seed, 20*mib))
	}
	if noise > 2 {
		t.Errorf("of 200 sites that only churn, %d are said to grow", noise)
	}
	if grown < 180 {
		t.Errorf("of 200 sites that grow by 300 MiB, %d are found", grown)
	}
}

func TestACacheThatEvictsShowsByItsDeaths(t *testing.T) {
	cfg := DefaultConfig()
	for name, c := range map[string]struct {
		churn int64 // allocated and freed again between two profiles
		found bool
	}{"keeps all": {0, true}, "frees as much as it keeps": {2 * mib, false}} {
		var s siteTable
		var v *survey
		for i := range int64(snapshots) {
			v = s.add(float64(i*60), profileAt(0, map[string]int64{"shop.cache": (i + 1) * mib}, i*c.churn))
		}
		groups, _ := v.accumulates(&cfg, func(float64) float32 { return 1 }, nil)
		if (len(groups) > 0) != c.found {
			t.Errorf("%s: accumulates %v, want %v", name, len(groups) > 0, c.found)
		}
	}
}

func TestTheOwnerIsWhoKeeps(t *testing.T) {
	frames := []memwatch.Frame{
		{Function: "bytes.growSlice"},                              // 0
		{Function: "bytes.(*Buffer).Write"},                        // 1
		{Function: "shop/pool.Get"},                                // 2: serves leak and others
		{Function: "shop.(*Basket).Keep"},                          // 3
		{Function: "shop.(*Page).Render"},                          // 4
		{Function: "runtime.main"},                                 // 5
		{Function: "main.main"},                                    // 6
		{Function: "runtime.malg"},                                 // 7
		{Function: "github.com/x/lib.(*Cache).Add"},                // 8
		{Function: "net/http.(*Transport).dialConn", File: "http"}, // 9
	}
	type stack struct {
		ids           []uint32
		growth, churn int64 // a profile
	}
	for name, c := range map[string]struct {
		stacks []stack
		owner  string
	}{
		"a buffer's bytes are its writer's":                {[]stack{{[]uint32{0, 1, 3, 6, 5}, mib, 0}}, "shop.(*Basket).Keep"},
		"a helper that others use and give back":           {[]stack{{[]uint32{2, 3, 6}, mib, 0}, {[]uint32{2, 4, 6}, 0, 9 * mib}}, "shop.(*Basket).Keep"},
		"a helper that keeps for all its callers alike":    {[]stack{{[]uint32{2, 3, 6}, mib, 0}, {[]uint32{2, 4, 6}, mib, 0}}, "shop/pool.Get"},
		"a library that keeps":                             {[]stack{{[]uint32{0, 8, 6, 5}, mib, 0}}, "github.com/x/lib.(*Cache).Add"},
		"the standard library, where there is nobody else": {[]stack{{[]uint32{0, 9}, mib, 0}}, "net/http.(*Transport).dialConn"},
		"the runtime, where there is nothing else":         {[]stack{{[]uint32{7}, mib, 0}}, "runtime.malg"},
	} {
		var s siteTable
		var v *survey
		for i := range int64(6) {
			p := &memwatch.Sites{Kind: memwatch.HeapProfile, Frames: frames}
			for k, st := range c.stacks {
				live := 4*mib + st.growth*i
				allocated := live + st.churn*i
				p.Sites = append(p.Sites, memwatch.Site{Key: uint64(k + 1), Stack: st.ids, LiveBytes: live, LiveObjects: live / 1024, AllocBytes: allocated, AllocObjects: allocated / 1024})
			}
			v = s.add(float64(i*60), p)
		}
		groups := v.groups(0, true)
		if len(groups) == 0 || groups[0].owner != c.owner {
			t.Errorf("%s: %+v, want %s", name, groups, c.owner)
		}
	}
}

func TestWhoseFunctionItIs(t *testing.T) {
	for _, c := range []struct {
		frame                 memwatch.Frame
		standard, helper, own bool
	}{
		{memwatch.Frame{Function: "runtime.mallocgc"}, true, false, false},
		{memwatch.Frame{Function: "net/http.(*Server).Serve"}, true, false, false},
		{memwatch.Frame{Function: "bytes.(*Buffer).Write"}, true, true, false},
		{memwatch.Frame{Function: "encoding/json.Marshal"}, true, true, false},
		{memwatch.Frame{Function: "slices.Grow[...]"}, true, true, false},
		{memwatch.Frame{Function: "main.main", File: "/src/shop/main.go"}, false, false, true},
		{memwatch.Frame{Function: "shop/cart.(*Book).Add", File: "/src/shop/cart.go"}, false, false, true},
		{memwatch.Frame{Function: "github.com/x/lib.Do", File: "/go/pkg/mod/github.com/x/lib@v1.2.3/do.go"}, false, false, false},
		{memwatch.Frame{Function: "github.com/x/lib.Do", File: "/src/shop/vendor/github.com/x/lib/do.go"}, false, false, false},
		{memwatch.Frame{Function: "go.opentelemetry.io/otel/attribute.NewSet", File: "/go/pkg/mod/go.opentelemetry.io/otel@v1.17.0/set.go"}, false, false, false},
		{memwatch.Frame{Function: "go/ast.NewFile"}, true, false, false},
		{memwatch.Frame{Function: "main.keep[go.shape.struct { net/http.a }]", File: "/src/shop/main.go"}, false, false, true},
		{memwatch.Frame{Function: "malloc", File: "libc.so"}, false, false, false},
		{memwatch.Frame{}, false, false, false},
	} {
		if isStandard(c.frame.Function) != c.standard || isHelper(c.frame.Function) != c.helper || isOwn(c.frame) != c.own {
			t.Errorf("%+v: standard %v, helper %v, own %v; want %v, %v, %v", c.frame, isStandard(c.frame.Function), isHelper(c.frame.Function), isOwn(c.frame), c.standard, c.helper, c.own)
		}
	}
}

// A goroutineleak profile settles what would have to be watched for minutes.
func TestProofOfLeakedGoroutinesSettlesIt(t *testing.T) {
	frames := []memwatch.Frame{{Function: "runtime.gopark"}, {Function: "runtime.chansend1"}, {Function: "shop.(*Courier).deliver", File: "courier.go", Line: 7}, {Function: "shop.idle"}}
	until := func(proof bool) (readings int, d *Detector) {
		p := newProcess(DefaultConfig())
		p.interval = time.Second
		p.goroutines = line(8)
		for p.d.State() != memwatch.Leaking && p.n < 600 {
			p.run(1)
			if p.d.Wants().GoroutineLeak && proof {
				p.d.ObserveSites(&memwatch.Sites{
					Kind: memwatch.GoroutineLeakProfile, Time: epoch.Add(time.Duration(p.n) * time.Second), Frames: frames,
					Sites: []memwatch.Site{
						{Key: 1, Stack: []uint32{0, 3}, LiveObjects: 3},
						{Key: 2, Stack: []uint32{0, 1, 2}, LiveObjects: int64(8 * p.n)},
						{Key: 3, Stack: []uint32{0, 99}, LiveObjects: 1 << 40}, // points nowhere
					},
				})
				if p.d.Wants().GoroutineLeak {
					t.Fatal("asks for the proof twice: each costs the target a GC")
				}
			}
		}
		return p.n, p.d
	}
	without, _ := until(false)
	with, d := until(true)
	if with > without/3 {
		t.Errorf("leaking after %d readings with the proof and %d without, want a third at most", with, without)
	}
	v := d.Verdict()
	if v.Kind != memwatch.KindGoroutine || len(v.Culprits) == 0 {
		t.Fatalf("%+v: want kind goroutine and culprits", v)
	}
	if c := v.Culprits[0]; c.Function != "shop.(*Courier).deliver" || c.Certainty != memwatch.Certain || c.Leaf != "runtime.gopark" || c.File != "courier.go" || c.Line != 7 || len(c.Stack) != 3 {
		t.Errorf("culprit %+v, want shop.(*Courier).deliver, certain, with its stack", c)
	}
	finiteAll(t, v)
}

// It is read once, early, and holds for what grows after it.
func TestAProofHoldsAsTheGrowthGoesOn(t *testing.T) {
	p := newProcess(DefaultConfig())
	p.interval = time.Second
	p.goroutines = line(8)
	leaking := 0
	for p.n < 240 { // too short to be called a leak without the proof
		p.run(1)
		if p.d.Wants().GoroutineLeak {
			p.d.ObserveSites(&memwatch.Sites{
				Kind: memwatch.GoroutineLeakProfile, Time: epoch.Add(time.Duration(p.n) * time.Second), Frames: []memwatch.Frame{{Function: "a.f"}},
				Sites: []memwatch.Site{{Key: 1, Stack: []uint32{0}, LiveObjects: int64(8 * p.n)}},
			})
		}
		if p.d.State() == memwatch.Leaking {
			leaking++
		} else if leaking > 0 {
			t.Fatalf("reading %d: %s, after it was leaking", p.n, p.d.Verdict().Summary)
		}
	}
	if leaking < 150 {
		t.Errorf("leaking for %d of 240 readings, want most of them", leaking)
	}
}

func TestAFewLostGoroutinesProveNothing(t *testing.T) {
	for _, c := range []struct {
		lost  int64
		grown float64
		want  bool
	}{{proofLeast - 1, 5, false}, {proofLeast, 5, true}, {40, 100, false}, {50, 100, true}, {0, 0, false}} {
		var p proof
		p.take(&memwatch.Sites{Frames: []memwatch.Frame{{Function: "a.f"}}, Sites: []memwatch.Site{{Stack: []uint32{0}, LiveObjects: c.lost}}}, c.grown)
		if p.settles() != c.want {
			t.Errorf("%d lost goroutines settle a growth of %v: %v, want %v", c.lost, c.grown, p.settles(), c.want)
		}
	}
	if (&proof{}).settles() {
		t.Error("a profile that was never read settles it")
	}
}

// What the proof said of one suspicion says nothing of the next.
func TestAProofEndsWithItsSuspicion(t *testing.T) {
	p := newProcess(DefaultConfig())
	p.goroutines = func(i int) float64 { return 40 * float64(min(i, 60)) }
	p.run(60)
	p.d.ObserveSites(&memwatch.Sites{
		Kind: memwatch.GoroutineLeakProfile, Time: epoch.Add(time.Hour), Frames: []memwatch.Frame{{Function: "a.f"}},
		Sites: []memwatch.Site{{Key: 1, Stack: []uint32{0}, LiveObjects: 2000}},
	})
	if !p.d.proof.read {
		t.Fatal("the proof was not taken")
	}
	if p.run(2000); p.d.State() != memwatch.Healthy || p.d.proof.read {
		t.Errorf("%s, proof still there: %v; want healthy without", p.d.State(), p.d.proof.read)
	}
}

func TestSeveralLeaksAreNamedInOrder(t *testing.T) {
	p := newProcess(DefaultConfig())
	p.live = line(3.5 * mib)
	for i := range int64(300) {
		s := p.reading()
		p.d.Observe(s)
		if i%6 == 0 {
			q := profileAt(0, map[string]int64{"shop.small": i * mib / 2, "shop.large": 2 * i * mib, "shop.middle": i * mib, "shop.rest": 80 * mib}, 0)
			q.Time = s.Time
			p.d.ObserveSites(q)
		}
	}
	v := p.d.Verdict()
	var names []string
	for _, c := range v.Culprits {
		names = append(names, c.Function)
	}
	if fmt.Sprint(names) != "[shop.large shop.middle shop.small]" || v.State != memwatch.Leaking {
		t.Errorf("%s, culprits %v: want the three that grow, the largest first", v.State, names)
	}
	if share := v.Culprits[0].Share; math.Abs(share-2/3.5) > 0.1 {
		t.Errorf("share of the largest %.2f, want 0.57", share)
	}
	past := v.Culprits[0].History
	if len(past) != snapshots || past[len(past)-1] != (memwatch.Held{Timestamp: memwatch.Milli(epoch.Add(294 * p.interval)), LiveBytes: 588 * mib}) {
		t.Errorf("history of the largest %v, want it to end with the newest profile", past)
	}
	if !slices.IsSortedFunc(past, func(a, b memwatch.Held) int { return cmp.Compare(a.LiveBytes, b.LiveBytes) }) {
		t.Errorf("history of the largest %v, want it to rise", past)
	}
}
