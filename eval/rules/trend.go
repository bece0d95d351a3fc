package rules

import (
	"math"

	"github.com/zupee/memwatch"
)

// predict is predict_linear(rss[window], 4h) > limit, as an alerting rule.
type predict struct {
	points points
	life   lives
	first  float64
}

const ahead = 4 * 3600 // seconds

func (p *predict) Observe(s *memwatch.Sample) bool {
	rss, ok := s.Get(memwatch.RSSBytes)
	if p.life.restarted(s) {
		p.points.clear()
		p.first = 0
	}
	if !ok {
		return false
	}
	if p.first == 0 {
		p.first = rss
	}
	p.points.add(s.Time, rss)
	if !p.points.filled() {
		return false
	}
	l := leastSquares(p.points.t, p.points.v)
	return l.last+l.slope*ahead > limitOf(s, p.first)
}

// fit alarms when a rising line explains most of the used heap's variance.
type fit struct {
	points points
	life   lives
}

func (f *fit) Observe(s *memwatch.Sample) bool {
	v, ok := s.Get(memwatch.HeapAllocBytes)
	if f.life.restarted(s) {
		f.points.clear()
	}
	if !ok {
		return false
	}
	f.points.add(s.Time, v)
	if !f.points.filled() {
		return false
	}
	l := leastSquares(f.points.t, f.points.v)
	return l.slope > 0 && l.r2 > 0.8
}

// kendall is the Mann-Kendall test on the live heap, one point a collection.
type kendall struct {
	points points
	life   lives
	gcs    float64
	s      int
	alarm  bool
}

// kendallZ is one in a thousand, if points were independent.
const kendallZ = 3.09

func (k *kendall) Observe(s *memwatch.Sample) bool {
	if k.life.restarted(s) {
		*k = kendall{points: k.points, life: k.life}
		k.points.clear()
	}
	gcs := s.Or(memwatch.NumGC, 0)
	live, ok := s.Get(memwatch.LiveHeapBytes)
	if !ok || gcs == k.gcs {
		return k.alarm
	}
	k.gcs = gcs
	for _, v := range k.points.v {
		k.s += sign(live - v)
	}
	gone := k.points.add(s.Time, live)
	for i, g := range gone {
		for _, later := range gone[i+1:] {
			k.s -= sign(later - g)
		}
		for _, later := range k.points.v {
			k.s -= sign(later - g)
		}
	}
	n := float64(len(k.points.t))
	if !k.points.filled() {
		k.alarm = false
		return false
	}
	sd := math.Sqrt(n * (n - 1) * (2*n + 5) / 18)
	k.alarm = float64(k.s-sign(float64(k.s)))/sd > kendallZ
	return k.alarm
}

// coroot is the rule that Coroot publishes for its memory-leak inspection: over
// an hour of the container's memory, what came before a drop of more than half
// is left out, a line is fitted, and it counts when the last quarter still has
// 0.3 of its slope and it makes 5 % of the limit an hour.
type coroot struct {
	points points
	first  float64
}

func (c *coroot) Observe(s *memwatch.Sample) bool {
	rss, ok := s.Get(memwatch.RSSBytes)
	if v, has := s.Get(memwatch.CgroupBytes); has {
		rss, ok = v, true
	}
	if !ok {
		return false
	}
	if c.first == 0 {
		c.first = rss
	}
	if n := len(c.points.v); n > 0 && rss < c.points.v[n-1]/2 {
		c.points.clear()
	}
	c.points.add(s.Time, rss)
	n := len(c.points.t)
	// After a drop there is less than a window for a while: half must do.
	if n < leastPoints || c.points.seconds() < c.points.span/2 {
		return false
	}
	whole := leastSquares(c.points.t, c.points.v)
	end := leastSquares(c.points.t[n-n/4:], c.points.v[n-n/4:])
	return whole.slope*3600 >= 0.05*limitOf(s, c.first) && end.slope >= 0.3*whole.slope
}
