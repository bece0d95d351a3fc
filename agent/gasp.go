package agent

import (
	"time"

	"github.com/zupee/memwatch"
)

// gasp notices memory that rushes towards its limit, whatever the detector
// makes of it: a heap that fills a container within half a minute leaves it no
// time for a verdict, and the next reading may find nobody to ask.
type gasp struct {
	last    [gaspReadings]usage // newest last
	n       int
	highest float64 // of this life
}

type usage struct {
	at    time.Time
	bytes float64
}

const (
	// gaspReadings are those that the rush is measured over.
	gaspReadings = 3
	// gaspShare of the limit is in use before anything is thought of it.
	gaspShare = 0.7
	// lastGaspSeconds before the limit is the last chance to see a target.
	lastGaspSeconds = 60
)

// near takes one reading and reports whether the limit is about to be reached:
// at the present pace within a minute, or within three readings. Memory that
// only comes back to where it was (between two GCs, with the hour) rushes
// nowhere.
func (g *gasp) near(s *memwatch.Sample) bool {
	limit, limited := s.Get(memwatch.LimitBytes)
	used, known := s.Get(memwatch.CgroupBytes)
	if !known {
		used, known = s.Get(memwatch.RSSBytes)
	}
	if !limited || !known || limit <= 0 {
		return false
	}
	copy(g.last[:], g.last[1:])
	g.last[gaspReadings-1] = usage{s.Time, used}
	g.n = min(g.n+1, gaspReadings)
	higher := used > g.highest
	g.highest = max(g.highest, used)
	if !higher || g.n < gaspReadings || used < gaspShare*limit {
		return false
	}
	first := g.last[0]
	span := s.Time.Sub(first.at).Seconds()
	rate := (used - first.bytes) / span
	return rate > 0 && (limit-used)/rate < max(lastGaspSeconds, span*gaspReadings/(gaspReadings-1))
}
