package detector

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/zupee/memwatch"
)

// same fails unless two verdicts are equal to the last bit.
func same(t *testing.T, what string, got, want *memwatch.Verdict) {
	t.Helper()
	a, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	if string(a) != string(b) {
		t.Errorf("%s:\ngot  %s\nwant %s", what, a, b)
	}
}

// finiteAll fails when any number in a verdict is none, or cannot be true.
func finiteAll(t *testing.T, v *memwatch.Verdict) {
	t.Helper()
	numbers(reflect.ValueOf(v), func(path string, x float64) {
		if math.IsNaN(x) || math.IsInf(x, 0) {
			t.Errorf("%s is %v", path, x)
		}
	}, "verdict")
	if _, err := json.Marshal(v); err != nil {
		t.Errorf("cannot be sent: %v", err)
	}
	if v.Confidence < 0 || v.Confidence > 1 {
		t.Errorf("confidence %v, want 0 to 1", v.Confidence)
	}
	sum := 0.0
	for _, c := range v.Culprits {
		sum += c.Share
		if c.LiveBytes < 0 || c.LiveObjects < 0 {
			t.Errorf("culprit %s holds %d bytes in %d objects", c.Function, c.LiveBytes, c.LiveObjects)
		}
		if c.Share < 0 || c.Share > 1 || len(c.Stack) == 0 {
			t.Errorf("culprit %+v: want a share of 0 to 1 and a stack", c)
		}
		if n := len(c.History); n > snapshots || n > 0 && c.History[n-1].LiveBytes != c.LiveBytes {
			t.Errorf("culprit %s holds %d bytes, with the history %v", c.Function, c.LiveBytes, c.History)
		}
		if !slices.IsSortedFunc(c.History, func(a, b memwatch.Held) int { return cmp.Compare(a.Timestamp, b.Timestamp) }) {
			t.Errorf("culprit %s: history out of order: %v", c.Function, c.History)
		}
	}
	if sum > 1+1e-9 {
		t.Errorf("the culprits' shares make %v together, want 1 at most", sum)
	}
	for _, at := range []*float64{v.TimeToLimitSeconds, v.TimeToLimitLowSeconds, v.TimeToLimitHighSeconds} {
		if at != nil && *at < 0 {
			t.Errorf("the limit in %v s", *at)
		}
	}
}

// numbers visits every float of a value.
func numbers(v reflect.Value, visit func(path string, x float64), path string) {
	switch v.Kind() {
	case reflect.Float64, reflect.Float32:
		visit(path, v.Float())
	case reflect.Pointer:
		if !v.IsNil() {
			numbers(v.Elem(), visit, path)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			numbers(v.Field(i), visit, path+"."+v.Type().Field(i).Name)
		}
	case reflect.Slice:
		for i := range v.Len() {
			numbers(v.Index(i), visit, fmt.Sprintf("%s[%d]", path, i))
		}
	}
}

// story is a process with heap profiles: every shape comes from the seed.
func story(seed uint64, n int, each func(i int, s *memwatch.Sample, p *memwatch.Sites)) {
	r := rand.New(rand.NewPCG(seed, 2))
	p := newProcess(DefaultConfig())
	p.r = r
	p.interval = []time.Duration{time.Second, 10 * time.Second, 100 * time.Second}[r.IntN(3)]
	leak := r.Float64() * 2 * mib
	from := r.IntN(n)
	grown := func(i int) float64 { return leak * max(0, float64(i-from)) }
	switch r.IntN(5) {
	case 0:
		p.live = grown
	case 1:
		p.goroutines = func(i int) float64 { return grown(i) / 20000 }
	case 2:
		p.offHeap = grown
	case 3:
		top := r.Float64() * float64(n) * leak
		p.live = func(i int) float64 { return min(top, grown(i)) }
	}
	for i := range n {
		s := p.reading()
		var profile *memwatch.Sites
		if i%6 == 3 {
			profile = heapOf(r, s.Time, or(p.live, i), float64(i))
		}
		each(i, s, profile)
	}
}

// heapOf is a heap profile of thirty sites, sampled as the runtime does; the
// first holds what grows.
func heapOf(r *rand.Rand, at time.Time, grown, age float64) *memwatch.Sites {
	const size, period = 4096, 512 << 10
	p := &memwatch.Sites{Kind: memwatch.HeapProfile, Time: at, PeriodBytes: period, Frames: siteFrames}
	for k := range len(siteFrames) - 1 {
		held, churn := 2*mib*float64(k%5), 3*mib*float64(k%3)
		if k == 0 {
			held, churn = grown, 0
		}
		chance := -math.Expm1(-float64(size) / period)
		samples := poisson(r, held/size*chance)
		live := int64(float64(samples) / chance)
		allocated := live + int64(churn*age/size)
		p.Sites = append(p.Sites, memwatch.Site{
			Key: uint64(1000 + k), Stack: []uint32{uint32(k), uint32(len(siteFrames) - 1)},
			LiveObjects: live, LiveBytes: live * size, AllocObjects: allocated, AllocBytes: allocated * size,
		})
	}
	return p
}

// poisson is close enough for the small and the large.
func poisson(r *rand.Rand, mean float64) int {
	if mean > 50 {
		return int(max(0, math.Round(mean+math.Sqrt(mean)*r.NormFloat64())))
	}
	n, left := 0, r.ExpFloat64()
	for left < mean {
		n++
		left += r.ExpFloat64()
	}
	return n
}

var siteFrames = func() []memwatch.Frame {
	var out []memwatch.Frame
	for i := range 30 {
		out = append(out, memwatch.Frame{Function: fmt.Sprintf("shop.hold%d", i), File: "shop/hold.go", Line: i + 1})
	}
	return append(out, memwatch.Frame{Function: "main.main", File: "shop/main.go", Line: 1})
}()

const stories = 10

func TestTheSameInputGivesTheSameVerdict(t *testing.T) {
	for seed := range uint64(stories) {
		var said [2][]string
		for k := range said {
			d := New(DefaultConfig())
			story(seed, 240, func(i int, s *memwatch.Sample, p *memwatch.Sites) {
				d.Observe(s)
				if p != nil {
					d.ObserveSites(p)
				}
				// Asking more often must not change what is said.
				if k == 0 || i%60 == 59 {
					b, _ := json.Marshal(d.Verdict())
					if i%60 == 59 {
						said[k] = append(said[k], string(b))
					}
				}
			})
		}
		if !slices.Equal(said[0], said[1]) {
			t.Fatalf("seed %d: said\n%s\nand\n%s", seed, said[0], said[1])
		}
	}
}

func TestTheOrderOfSitesDoesNotMatter(t *testing.T) {
	leaking := 0
	for seed := range uint64(stories) {
		a, b := New(DefaultConfig()), New(DefaultConfig())
		r := rand.New(rand.NewPCG(seed, 3))
		story(seed, 240, func(_ int, s *memwatch.Sample, p *memwatch.Sites) {
			a.Observe(s)
			b.Observe(s)
			if p != nil {
				a.ObserveSites(p)
				b.ObserveSites(shuffled(r, p))
			}
		})
		va, vb := a.Verdict(), b.Verdict()
		leaking += b2i(va.State == memwatch.Leaking)
		// Sums of floats in another order differ in the last digit, no more.
		alike(t, fmt.Sprintf("seed %d", seed), va, vb, 1)
	}
	if leaking == 0 {
		t.Errorf("%d of %d stories end leaking: too few to show anything", leaking, stories)
	}
}

// shuffled is the same profile with its sites and frames in another order.
func shuffled(r *rand.Rand, p *memwatch.Sites) *memwatch.Sites {
	q := *p
	place := r.Perm(len(p.Frames))
	q.Frames = make([]memwatch.Frame, len(p.Frames))
	for i, at := range place {
		q.Frames[at] = p.Frames[i]
	}
	q.Sites = slices.Clone(p.Sites)
	for i := range q.Sites {
		stack := make([]uint32, len(q.Sites[i].Stack))
		for j, id := range q.Sites[i].Stack {
			stack[j] = uint32(place[id])
		}
		q.Sites[i].Stack = stack
	}
	r.Shuffle(len(q.Sites), func(i, j int) { q.Sites[i], q.Sites[j] = q.Sites[j], q.Sites[i] })
	return &q
}

// alike fails unless b says what a says, with bytes in another unit.
func alike(t *testing.T, what string, a, b *memwatch.Verdict, unit float64) {
	t.Helper()
	near := func(x, y float64) bool { return math.Abs(x*unit-y) <= 1e-6*math.Max(math.Abs(x*unit), 1) }
	g, h := a.GrowthBytesPerSecond, b.GrowthBytesPerSecond
	if a.State != b.State || a.Kind != b.Kind || a.Severity != b.Severity || a.Since != b.Since ||
		!near(g.Estimate, h.Estimate) || !near(g.Low, h.Low) || !near(g.High, h.High) || !near(a.GrowthBytes, b.GrowthBytes) {
		t.Errorf("%s: said\n%+v\nand\n%+v", what, a, b)
		return
	}
	if len(a.Gates) != len(b.Gates) || len(a.Culprits) != len(b.Culprits) {
		t.Errorf("%s: %d gates and %d culprits, then %d and %d", what, len(a.Gates), len(a.Culprits), len(b.Gates), len(b.Culprits))
		return
	}
	for i := range a.Gates {
		if x, y := a.Gates[i], b.Gates[i]; x.Name != y.Name || x.Passed != y.Passed {
			t.Errorf("%s: gate %+v, then %+v", what, x, y)
		}
	}
	for i := range a.Culprits {
		if x, y := a.Culprits[i], b.Culprits[i]; x.Function != y.Function || x.Certainty != y.Certainty || !near(x.GrowthBytesPerSecond, y.GrowthBytesPerSecond) {
			t.Errorf("%s: culprit %+v, then %+v", what, x, y)
		}
	}
}

// In units of other size, with thresholds in the same units, everything stays.
// What is physics in bytes (floors of noise, a goroutine's stack) is left far
// behind: twice all bytes is the change.
func TestTheUnitDoesNotMatter(t *testing.T) {
	for seed := range uint64(stories) {
		const unit = 2
		wide := DefaultConfig()
		wide.LeakThresholdBytes *= unit
		a, b := New(DefaultConfig()), New(wide)
		grow := 0.2 + rand.New(rand.NewPCG(seed, 4)).Float64()
		p := newProcess(DefaultConfig())
		p.r = rand.New(rand.NewPCG(seed, 5))
		p.live = line(grow * mib)
		for range 240 {
			s := p.reading()
			large := &memwatch.Sample{Time: s.Time, Start: s.Start}
			for sig, v := range s.All() {
				if sig.Info().Unit == memwatch.Bytes {
					v *= unit
				}
				large.Set(sig, v)
			}
			a.Observe(s)
			b.Observe(large)
		}
		alike(t, fmt.Sprintf("seed %d", seed), a.Verdict(), b.Verdict(), unit)
	}
}

// The unit of time is the reading: the same readings ten times slower give the
// same state, where no span in seconds is asked for.
func TestTheClockSUnitHardlyMatters(t *testing.T) {
	for seed := range uint64(stories) {
		var states []memwatch.State
		for _, interval := range []time.Duration{10 * time.Second, 20 * time.Second, 100 * time.Second} {
			p := newProcess(DefaultConfig())
			p.r, p.interval = rand.New(rand.NewPCG(seed, 6)), interval
			if seed%2 == 0 {
				p.live = line((0.3 + float64(seed)/20) * mib)
			}
			p.run(300)
			states = append(states, p.d.State())
		}
		if states[0] != states[1] || states[0] != states[2] {
			t.Errorf("seed %d: %v at intervals of 10, 20 and 100 s", seed, states)
		}
	}
}

// More of the same growth, from the same time on and under the same noise, never
// makes the state better.
func TestMoreGrowthIsNeverLessEvidence(t *testing.T) {
	var seen [4]int
	for seed := range uint64(stories) {
		ranks := make([]int, 0, 8)
		for _, perReading := range []float64{0, 0.02, 0.05, 0.1, 0.5, 2} {
			p := newProcess(DefaultConfig())
			p.r = rand.New(rand.NewPCG(seed, 7))
			p.live = line(perReading * mib)
			p.run(300)
			ranks = append(ranks, p.d.State().Rank())
			seen[p.d.State().Rank()]++
		}
		if !slices.IsSorted(ranks) {
			t.Errorf("seed %d: states %v, from no growth to much", seed, ranks)
		}
	}
	for _, s := range []memwatch.State{memwatch.Healthy, memwatch.Suspect, memwatch.Leaking} {
		if seen[s.Rank()] == 0 {
			t.Errorf("no story ends %s: this shows nothing of it", s)
		}
	}
}
