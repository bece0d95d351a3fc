package detector

import (
	"time"

	"github.com/zupee/memwatch"
)

// Wants is what the detector would like to be shown beside a sample at each
// interval. What a read costs the target is the agent's to weigh: it may always
// read less.
type Wants struct {
	// HeapEvery is the time between heap profiles. Only a new GC brings new data.
	HeapEvery time.Duration
	// GoroutinesEvery is the time between goroutine profiles.
	GoroutinesEvery time.Duration
	// GoroutineLeak asks for one goroutineleak profile, where the target serves it.
	GoroutineLeak bool
}

// Readings between profiles: at the default interval of 10 s, a heap profile a
// minute, each 10 s while something grows.
const (
	heapEach         = 6
	goroutinesEach   = 60
	goroutinesCloser = 3
)

// Wants says what to read next.
func (d *Detector) Wants() Wants {
	interval := time.Duration(d.interval * float64(time.Second))
	if interval <= 0 {
		interval = time.Second
	}
	suspect := d.state.state.Rank() >= memwatch.Suspect.Rank()
	if suspect || d.state.hits > 0 {
		return Wants{
			HeapEvery:       interval,
			GoroutinesEvery: goroutinesCloser * interval,
			GoroutineLeak:   suspect && !d.proof.read && d.state.ev.kind == memwatch.KindGoroutine,
		}
	}
	return Wants{HeapEvery: heapEach * interval, GoroutinesEvery: goroutinesEach * interval}
}
