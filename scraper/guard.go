package scraper

import "time"

// Guard keeps the cost of profiles within a share of one core of the target:
// the time a profile takes to come is an upper bound of what it cost. The zero
// Guard allows everything.
type Guard struct {
	// Share is the part of one core that profiles may take, 0.005 for half a
	// percent; 0 means no bound.
	Share float64
	took  time.Duration // running mean
}

// Took tells how long a profile took.
func (g *Guard) Took(d time.Duration) {
	if g.took == 0 {
		g.took = d
		return
	}
	g.took += (d - g.took) / 4
}

// Interval is the time to leave between two profiles when want is wished for,
// and whether that had to be lengthened because the target is slow.
func (g *Guard) Interval(want time.Duration) (interval time.Duration, slowed bool) {
	if g.Share <= 0 {
		return want, false
	}
	least := time.Duration(float64(g.took) / g.Share)
	if least > want {
		return least, true
	}
	return want, false
}
