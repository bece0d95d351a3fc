package detector

import (
	"math"
	"math/rand/v2"
	"testing"
)

// curve makes a window of n points a second apart.
func curve(n int, f func(t float64) float64) []block {
	out := make([]block, n)
	for i := range out {
		out[i] = block{t: float64(i), v: f(float64(i)), load: 1}
	}
	return out
}

// noise is normal, the same in every run.
func noise(seed uint64, sd float64) func() float64 {
	r := rand.New(rand.NewPCG(seed, 1))
	return func() float64 { return sd * r.NormFloat64() }
}

func TestOnlyWhatGoesOnPasses(t *testing.T) {
	const base = 100e6
	jitter := noise(1, 2e5)
	plateau := func(tr trend) bool { return tr.plateau >= rivalMargin }
	step := func(tr trend) bool { return tr.step >= rivalMargin }
	bend := func(tr trend) bool { return tr.bend >= rivalMargin }
	falls := func(tr trend) bool { return tr.z <= 0 }
	level := func(tr trend) bool { return math.Abs(tr.z) < 3 }
	s := newSeries()[liveHeap]
	cfg := DefaultConfig()
	for name, c := range map[string]struct {
		f      func(t float64) float64
		passes bool
		shows  func(trend) bool // what the shape must be seen as
	}{
		"a line":            {func(t float64) float64 { return base + 1e6*t }, true, func(tr trend) bool { return !plateau(tr) && !step(tr) && !bend(tr) }},
		"in many steps":     {func(t float64) float64 { return base + 4e6*math.Floor(t/4) }, true, func(tr trend) bool { return !plateau(tr) && !step(tr) && !bend(tr) }},
		"a line backwards":  {func(t float64) float64 { return base - 1e6*t }, false, falls},
		"level":             {func(float64) float64 { return base }, false, level},
		"a saw":             {func(t float64) float64 { return base + 1e6*math.Mod(t, 8) }, false, level},
		"rose, stopped":     {func(t float64) float64 { return base + 1e6*min(t, 20) }, false, plateau},
		"jumped once":       {func(t float64) float64 { return base + 20e6*float64(b2i(t > 24)) }, false, step},
		"fills ever slower": {func(t float64) float64 { return base - 40e6*math.Expm1(-t/8) }, false, bend},
	} {
		tr, _ := measure(curve(levelBlocks, func(t float64) float64 { return c.f(t) + jitter() }), nil)
		if s.passes(&cfg, &tr) != c.passes || !c.shows(tr) {
			t.Errorf("%s: passes %v, want %v; %+v", name, s.passes(&cfg, &tr), c.passes, tr)
		}
	}
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

func TestMeasureOfALineIsExact(t *testing.T) {
	tr, _ := measure(curve(20, func(t float64) float64 { return 5000 + 30*t }), nil)
	want := trend{
		n: 20, span: 19, first: 5000, last: 5570, growth: 570, slope: 30, low: 30, high: 30,
		z: sortedZ(20), ending: tr.ending, beyondLoad: 1,
	}
	if tr != want {
		t.Errorf("got  %+v\nwant %+v", tr, want)
	}
	if math.Abs(tr.ending-1.0/3) > 0.05 {
		t.Errorf("the last third made %.2f, want a third", tr.ending)
	}
}

// In chance data, z must exceed a level about as often as a normal number does:
// otherwise Significance means nothing.
func TestChanceIsCalledATrendAsOftenAsItMay(t *testing.T) {
	const runs = 1500
	jitter := noise(2, 1)
	for _, n := range []int{minPoints, 18, levelBlocks} {
		over := 0
		for range runs {
			tr, _ := measure(curve(n, func(float64) float64 { return jitter() }), nil)
			if tr.z > 1.96 {
				over++
			}
		}
		if share := float64(over) / runs; share > 0.035 {
			t.Errorf("of %d points in random order %.1f %% are beyond 1.96, want at most 2.5 %%", n, 100*share)
		}
	}
}

// A memory that wanders is no trend, though its neighbours resemble each other.
func TestAutocorrelationIsTakenOff(t *testing.T) {
	const runs = 300
	jitter := noise(3, 1)
	over, plain := 0, 0
	for range runs {
		level := 0.0
		w := curve(levelBlocks, func(float64) float64 { level = 0.6*level + jitter(); return level })
		tr, _ := measure(w, nil)
		over += b2i(tr.z > 3.5)
		plain += b2i(float64(concordance(w))/kendallSD(len(w)) > 3.5)
	}
	if over*2 > plain || plain == 0 {
		t.Errorf("%d of %d wanderings pass; without the correction %d do", over, runs, plain)
	}
}

func TestMeasureOfTooLittleIsEmpty(t *testing.T) {
	for name, w := range map[string][]block{
		"one point":            curve(1, func(float64) float64 { return 1 }),
		"one less than enough": curve(minPoints-1, func(t float64) float64 { return t }),
		"all at once":          make([]block, 20),
	} {
		if tr, _ := measure(w, nil); tr.z != 0 || tr.growth != 0 {
			t.Errorf("%s: %+v", name, tr)
		}
	}
}

func TestAGapDoesNotBreakTheThirds(t *testing.T) {
	w := append(curve(6, func(t float64) float64 { return t }), curve(6, func(t float64) float64 { return 100 + t })...)
	for i := range 6 {
		w[6+i].t += 1000
	}
	first, middle, last := thirds(w)
	if len(first) != 6 || len(middle) != 0 || len(last) != 6 {
		t.Errorf("thirds of %d, %d, %d points, want 6, 0, 6", len(first), len(middle), len(last))
	}
	if got := ending(w, 100); got != 1.0/3 {
		t.Errorf("with nothing in the middle the last third made %v, want a third: nothing to compare with", got)
	}
}

func TestLoadExplainsGrowth(t *testing.T) {
	for name, c := range map[string]struct {
		level, rate func(t float64) float64
		low, high   float64 // of what is not explained
	}{
		"grows, load the same":        {func(t float64) float64 { return 100 + t }, func(float64) float64 { return 50 }, 1, 1},
		"grows as load does":          {func(t float64) float64 { return 100 + 2*t }, func(t float64) float64 { return 50 + t }, -0.3, 0.1},
		"grows twice as much as load": {func(t float64) float64 { return 100 + 2*t }, func(t float64) float64 { return 50 + t/2 }, 0.4, 0.6},
		"load unknown":                {func(t float64) float64 { return 100 + t }, func(float64) float64 { return -1 }, 1, 1},
		"shrinks":                     {func(t float64) float64 { return 100 - t }, func(float64) float64 { return 50 }, 0, 0},
	} {
		w := curve(levelBlocks, c.level)
		for i := range w {
			w[i].load = float32(c.rate(w[i].t))
		}
		if got := beyondLoad(w); got < c.low || got > c.high {
			t.Errorf("%s: %.2f of the growth is left, want %v to %v", name, got, c.low, c.high)
		}
	}
}

func TestASteepClimbNeedsFewPoints(t *testing.T) {
	climb := func(levels ...float64) *pyramid {
		var p pyramid
		for i, v := range levels {
			p.add(v)
			p.closeBlock(float64(20*i), 1)
		}
		return &p
	}
	for name, c := range map[string]struct {
		levels []float64
		found  bool
	}{
		"doubles each time":     {[]float64{10, 20, 40, 80, 160}, true},
		"after a rest":          {[]float64{10, 9, 10, 8, 20, 40, 80, 160}, true},
		"too few":               {[]float64{10, 40, 160, 640}, false},
		"one that fell between": {[]float64{10, 20, 40, 30, 80, 160}, false},
		"not much":              {[]float64{100, 110, 120, 130, 140}, false},
	} {
		if tr := steep(climb(c.levels...), 50, 40); (tr.n > 0) != c.found {
			t.Errorf("%s: found %+v, want %v", name, tr, c.found)
		}
	}
	if tr := steep(climb(10, 20, 40, 80, 160), 50, 100); tr.n != 0 {
		t.Error("a climb of 80 s passed where 100 s are asked for")
	}
	if tr := steep(climb(10, 20, 40, 80, 160), 200, 40); tr.n != 0 {
		t.Error("a climb by 150 passed where 200 are asked for")
	}
}
