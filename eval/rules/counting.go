package rules

import "github.com/zupee/memwatch"

// readings is the rule of the original agent: over the last 12 readings the
// used heap grew by so many bytes, and more than 0.7 of the steps went up.
type readings struct {
	grow float64
	life lives
	used []float64
}

const (
	history  = 12
	trendMin = 0.7
)

func (r *readings) Observe(s *memwatch.Sample) bool {
	v, ok := s.Get(memwatch.HeapAllocBytes)
	if r.life.restarted(s) {
		r.used = r.used[:0]
	}
	if !ok {
		return false
	}
	if r.used = append(r.used, v); len(r.used) > history {
		r.used = r.used[1:]
	}
	if len(r.used) < history {
		return false
	}
	up := 0
	for i := 1; i < history; i++ {
		if r.used[i] > r.used[i-1] {
			up++
		}
	}
	return r.used[history-1]-r.used[0] > r.grow && float64(up)/(history-1) > trendMin
}

// growingGCs alarms when the live heap grew over 5 collections in a row, the
// rule of the oldest libraries of this kind. It sees a collection when a
// reading's count of them has risen.
type growingGCs struct {
	life lives
	gcs  float64
	live float64
	rows int
}

const growing = 5

func (g *growingGCs) Observe(s *memwatch.Sample) bool {
	if g.life.restarted(s) {
		*g = growingGCs{life: g.life}
	}
	gcs, okGC := s.Get(memwatch.NumGC)
	live, ok := s.Get(memwatch.LiveHeapBytes)
	if !ok || !okGC || gcs == g.gcs {
		return g.rows >= growing
	}
	if live > g.live && g.gcs > 0 {
		g.rows++
	} else {
		g.rows = 0
	}
	g.gcs, g.live = gcs, live
	return g.rows >= growing
}

// nearLimit alarms when resident memory passes 80 % of the limit.
type nearLimit struct{}

func (nearLimit) Observe(s *memwatch.Sample) bool {
	rss, ok := s.Get(memwatch.RSSBytes)
	limit, has := s.Get(memwatch.LimitBytes)
	return ok && has && rss > 0.8*limit
}
