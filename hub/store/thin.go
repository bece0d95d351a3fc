package store

import (
	"slices"
	"time"

	"github.com/zupee/memwatch"
)

// MainValue is what a reading is drawn and thinned by: live heap, where a
// runtime has none heap in use, else resident memory; 0 when it has neither.
func MainValue(s *memwatch.Sample) float64 {
	for _, sig := range [...]memwatch.Signal{memwatch.LiveHeapBytes, memwatch.HeapAllocBytes, memwatch.RSSBytes, memwatch.CgroupBytes} {
		if v, ok := s.Get(sig); ok {
			return v
		}
	}
	return 0
}

// Thinner gathers the readings of one instance within a range, in any order. As
// long as there are no more than points it keeps all of them. After that it cuts the
// range into points/2 - 1 equal spans and keeps of each the readings with the least
// and the greatest main value, and the first and last of all: no peak is lost, and
// every reading is a real one.
type Thinner struct {
	// From and To bound the range in milliseconds, both included.
	From, To int64
	points   int
	// Total is how many readings within the range came.
	Total int

	// low and high are the ends of what can come, once extended.
	low, high int64
	expected  int // how many readings at most

	all         []memwatch.Sample
	spans       []span
	first, last memwatch.Sample
}

// NewThinner makes one for at least 4 points.
func NewThinner(from, to int64, points int) *Thinner {
	return &Thinner{From: from, To: to, points: points}
}

// span keeps the readings with the least and the greatest main value.
type span struct {
	used     bool
	min, max memwatch.Sample
}

// Extend says that up to count readings between first and last are to come. It
// must be called before they do.
func (th *Thinner) Extend(first, last int64, count int) {
	first, last = max(first, th.From), min(last, th.To)
	if th.expected == 0 {
		th.low, th.high = first, last
	}
	th.low, th.high = min(th.low, first), max(th.high, last)
	th.expected += count
}

// Add takes readings in; those outside of the range are passed over.
func (th *Thinner) Add(readings []memwatch.Sample) {
	for i := range readings {
		r := &readings[i]
		ms := r.Time.UnixMilli()
		if ms < th.From || ms > th.To {
			continue
		}
		if th.Total == 0 || r.Time.Before(th.first.Time) {
			th.first = *r
		}
		if th.Total == 0 || r.Time.After(th.last.Time) {
			th.last = *r
		}
		th.Total++
		if th.spans != nil {
			th.thin(r, ms)
			continue
		}
		if th.all == nil {
			th.all = make([]memwatch.Sample, 0, min(th.expected, th.points+1))
		}
		if th.all = append(th.all, *r); len(th.all) > th.points {
			th.spans = make([]span, th.points/2-1)
			for i := range th.all {
				th.thin(&th.all[i], th.all[i].Time.UnixMilli())
			}
			th.all = nil
		}
	}
}

// thin puts a reading into its span.
func (th *Thinner) thin(r *memwatch.Sample, ms int64) {
	// In floating point: the product would overflow for an open range.
	i := int(float64(ms-th.low) / (float64(th.high-th.low) + 1) * float64(len(th.spans)))
	sp := &th.spans[min(max(i, 0), len(th.spans)-1)]
	if !sp.used {
		*sp = span{used: true, min: *r, max: *r}
		return
	}
	v := MainValue(r)
	if v < MainValue(&sp.min) {
		sp.min = *r
	}
	if v > MainValue(&sp.max) {
		sp.max = *r
	}
}

// Readings is the answer, oldest first.
func (th *Thinner) Readings() []memwatch.Sample {
	out := th.all
	if th.spans != nil {
		out = append(make([]memwatch.Sample, 0, th.points), th.first, th.last)
		for i := range th.spans {
			if th.spans[i].used {
				out = append(out, th.spans[i].min, th.spans[i].max)
			}
		}
	}
	byTime := func(a, b memwatch.Sample) int { return a.Time.Compare(b.Time) }
	if !slices.IsSortedFunc(out, byTime) {
		slices.SortFunc(out, byTime)
	}
	return slices.CompactFunc(out, func(a, b memwatch.Sample) bool { return a.Time.Equal(b.Time) })
}

// Coarsen keeps of each step the readings with the least and the greatest main
// value. The readings must be in order; it overwrites them.
func Coarsen(readings []memwatch.Sample, step time.Duration) []memwatch.Sample {
	kept := readings[:0]
	for i := 0; i < len(readings); {
		at := readings[i].Time.Truncate(step)
		low, high := i, i
		end := i + 1
		for ; end < len(readings) && readings[end].Time.Truncate(step).Equal(at); end++ {
			if MainValue(&readings[end]) < MainValue(&readings[low]) {
				low = end
			}
			if MainValue(&readings[end]) > MainValue(&readings[high]) {
				high = end
			}
		}
		first, second := readings[min(low, high)], readings[max(low, high)]
		kept = append(kept, first)
		if low != high {
			kept = append(kept, second)
		}
		i = end
	}
	return kept
}
