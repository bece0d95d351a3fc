package store

import (
	"slices"

	"github.com/zupee/memwatch"
)

// Newest gathers the newest readings within a range, in any order, and counts all
// that are there.
type Newest struct {
	// From and To bound the range in milliseconds, both included.
	From, To int64
	// Points is how many readings are kept.
	Points int
	// Readings are the newest that came, oldest first.
	Readings []memwatch.Sample
	// Total is how many readings within the range there are.
	Total int
}

// Wants reports whether a reading of that time would be kept.
func (n *Newest) Wants(ms int64) bool {
	return len(n.Readings) < n.Points || ms > n.Readings[0].Time.UnixMilli()
}

// Add takes readings in; those outside of the range are passed over.
func (n *Newest) Add(readings []memwatch.Sample) {
	for i := range readings {
		if ms := readings[i].Time.UnixMilli(); ms >= n.From && ms <= n.To {
			n.Readings = append(n.Readings, readings[i])
			n.Total++
		}
	}
	slices.SortFunc(n.Readings, func(a, b memwatch.Sample) int { return a.Time.Compare(b.Time) })
	if extra := len(n.Readings) - n.Points; extra > 0 {
		n.Readings = slices.Delete(n.Readings, 0, extra)
	}
}

// Count counts the times that lie within the range.
func (n *Newest) Count(times []int64) {
	for _, ms := range times {
		if ms >= n.From && ms <= n.To {
			n.Total++
		}
	}
}
