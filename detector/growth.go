package detector

import (
	"github.com/zupee/memwatch"
)

// series is one quantity of the process that may leak.
type series struct {
	name string // in words
	kind memwatch.Kind
	// A growth below floor, or below share of the level that it started from,
	// is not worth a word.
	floor, share float64
	pyramid      pyramid
	// found is the window that showed growth at the last closing; n is 0 when none did.
	found trend
}

// The series, by the place they have in Detector.series.
const (
	liveHeap = iota
	goroutines
	offHeap
	stackBytes
	fragments
	seriesCount
)

// heapFloor is the least growth of the live heap worth a word, in bytes: two
// samples of the heap profiler.
const heapFloor = 1 << 20

func newSeries() [seriesCount]series {
	return [seriesCount]series{
		liveHeap:   {name: "live heap", kind: memwatch.KindHeap, floor: heapFloor, share: 0.05},
		goroutines: {name: "memory kept by goroutines", kind: memwatch.KindGoroutine, floor: 30, share: 0.25},
		// Which pages are resident wanders by some MiB as heap spans are reused.
		offHeap:    {name: "memory outside the Go heap", kind: memwatch.KindOffHeap, floor: 8 << 20, share: 0.25},
		stackBytes: {name: "goroutine stacks", kind: memwatch.KindGoroutine, floor: 8 << 20, share: 0.25},
		fragments:  {name: "free space within heap spans", kind: memwatch.KindFragmentation, floor: 32 << 20, share: 0.25},
	}
}

// Windows of each level, in blocks: a leak that began lately is seen in a short
// one, a slow one in a long one.
var windows = [...]int{48, 36, 27, 18, 12, minPoints}

// rivalMargin is the log-likelihood by which a plateau or a step must explain
// the points better than a line to be believed: e³ = 20 to 1.
const rivalMargin = 3

// endingShare of the growth must have been made in the last third. A line makes
// a third, a plateau nothing.
const endingShare = 0.2

// look tries the windows, longest first, and keeps the first that passes.
func (s *series) look(cfg *Config, scratch []float64) []float64 {
	s.found = trend{}
	var buf [levelBlocks]block
	for l := levels - 1; l >= 0; l-- {
		held, previous := s.pyramid.level[l].n, 0
		for _, n := range windows {
			n = min(n, held)
			if n < minPoints || n == previous || l > 0 && n*childBlocks <= s.pyramid.level[l-1].n {
				continue // too short, seen, or shown whole and finer by the level below
			}
			previous = n
			w := s.pyramid.window(l, n, &buf)
			if !rises(w) {
				continue
			}
			var tr trend
			tr, scratch = measure(w, scratch)
			if s.passes(cfg, &tr) {
				s.found = tr
				return scratch
			}
		}
	}
	return scratch
}

// enough reports whether a growth from a level is worth a word.
func (s *series) enough(from, growth float64) bool {
	return growth >= s.floor && growth >= s.share*from
}

// passes applies the gates of a trend.
func (s *series) passes(cfg *Config, tr *trend) bool {
	return tr.z >= cfg.Significance && tr.low > 0 && s.enough(tr.first, tr.growth) &&
		tr.growth >= 2*tr.noise && tr.plateau < rivalMargin && tr.step < rivalMargin &&
		tr.ending >= endingShare
}
