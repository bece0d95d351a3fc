package scraper

import (
	"time"

	"github.com/zupee/memwatch"
)

// Guard keeps the cost of profiles within a share of one core of the target:
// the time a profile takes to come is an upper bound of what it cost. The zero
// Guard allows everything.
type Guard struct {
	// Share is the part of one core that profiles may take, all kinds together,
	// 0.005 for half a percent; 0 means no bound.
	Share float64
	kinds map[memwatch.ProfileKind]spent
}

// spent is what profiles of one kind cost.
type spent struct {
	mean     time.Duration // running
	failures int           // in a row
}

// perByte is what a byte of a profile costs its maker at least: where an answer
// comes faster than that, something between us has kept it.
const perByte = 20 * time.Nanosecond

// Took tells how long a profile took, and how many bytes it had.
func (g *Guard) Took(kind memwatch.ProfileKind, d time.Duration, size int) {
	g.add(kind, max(d, time.Duration(size)*perByte), 0)
}

// Failed tells that a profile was asked for in vain, and for how long.
func (g *Guard) Failed(kind memwatch.ProfileKind, d time.Duration) {
	g.add(kind, d, g.kinds[kind].failures+1)
}

func (g *Guard) add(kind memwatch.ProfileKind, d time.Duration, failures int) {
	if g.kinds == nil {
		g.kinds = map[memwatch.ProfileKind]spent{}
	}
	s := g.kinds[kind]
	if s.mean == 0 {
		s.mean = d
	}
	s.mean += (d - s.mean) / 4
	s.failures = failures
	g.kinds[kind] = s
}

// A profile that fails is asked for half as often each time, up to maxDoubled
// times in a row.
const (
	maxDoubled = 6
	maxBackoff = time.Hour
)

// Interval is the time to leave between two profiles of a kind when want is
// wished for, and whether that had to be lengthened because the target is slow,
// or does not manage.
func (g *Guard) Interval(kind memwatch.ProfileKind, want time.Duration) (interval time.Duration, slowed bool) {
	interval = want
	for range min(g.kinds[kind].failures, maxDoubled) {
		interval += min(interval, maxBackoff)
	}
	if g.Share > 0 {
		var all time.Duration
		for _, s := range g.kinds {
			all += s.mean
		}
		interval = max(interval, time.Duration(float64(all)/g.Share))
	}
	return interval, interval > want
}
