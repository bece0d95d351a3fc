package main

import (
	"time"

	"github.com/zupee/memwatch"
	"github.com/zupee/memwatch/detector"
	"github.com/zupee/memwatch/scraper"
)

// The detector is three judges: what it suspects, what it calls a leak, and
// what it would wake people for.
const (
	suspecting = iota
	leaking
	notifying
	detectorJudges
)

var detectorNames = [detectorJudges]string{"memwatch, suspect", "memwatch, leaking", "**memwatch, notifying**"}

// profiled is what the detector may ask to see beside the readings.
type profiled interface {
	Profile(kind memwatch.ProfileKind) *memwatch.Sites
}

// watcher drives the detector as memwatchd does: readings as they come, profiles
// when it wants them and there can be something new in them.
type watcher struct {
	det             *detector.Detector
	live            scraper.LiveHeap
	heapAt, stackAt time.Time
	heapGC          float64
	notified        bool
	verdict         *memwatch.Verdict // the newest that was built
	unread          int               // readings since
}

func newWatcher(cfg detector.Config) *watcher { return &watcher{det: detector.New(cfg)} }

// early lets a profile come a little before its time, with the reading that is
// nearest to it.
const early = 0.9

// observe shows one reading, and reports what each of the detector's judges says.
func (a *watcher) observe(s *memwatch.Sample, target profiled) (alarm [detectorJudges]bool) {
	a.det.Observe(s)
	wants := a.det.Wants()
	gc := s.Or(memwatch.NumGC, 0)
	if gc < a.heapGC {
		a.heapGC, a.heapAt, a.stackAt = 0, time.Time{}, time.Time{} // another process
	}
	if gc > a.heapGC && due(s.Time, a.heapAt, wants.HeapEvery) {
		a.heapGC, a.heapAt = gc, s.Time
		a.det.ObserveSites(target.Profile(memwatch.HeapProfile))
	}
	if due(s.Time, a.stackAt, wants.GoroutinesEvery) {
		a.stackAt = s.Time
		a.det.ObserveSites(target.Profile(memwatch.GoroutineProfile))
	}
	state := a.det.State()
	alarm[suspecting] = state.Rank() >= memwatch.Suspect.Rank()
	if state != memwatch.Leaking {
		a.notified, a.verdict = false, nil
		return alarm
	}
	alarm[leaking] = true
	// A verdict is built freshly each time; two in three readings can do without.
	if a.unread++; !a.notified && (a.verdict == nil || a.unread >= 3) {
		a.verdict, a.unread = a.det.Verdict(), 0
		a.notified = a.verdict.Notifies()
	}
	alarm[notifying] = a.notified
	return alarm
}

// due reports whether so much time has passed since; a clock that went back counts.
func due(now, since time.Time, every time.Duration) bool {
	gap := now.Sub(since)
	return gap >= time.Duration(early*float64(every)) || gap < 0
}
