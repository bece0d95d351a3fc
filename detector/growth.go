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
	// found is the window that shows growth; n is 0 when none does. perLevel are
	// the findings of each level, as of the block in looked.
	found    trend
	perLevel [levels]trend
	looked   [levels]int
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

// look tries the windows of each level that has a new block, longest first,
// and keeps the first that passes; of the levels, the highest counts.
func (s *series) look(cfg *Config, scratch []float64) []float64 {
	for l := range levels {
		if r := &s.pyramid.level[l]; r.total != s.looked[l] {
			s.looked[l] = r.total
			scratch = s.lookAt(l, cfg, scratch)
		}
	}
	s.found = trend{}
	for l := levels - 1; l >= 0 && s.found.n == 0; l-- {
		s.found = s.perLevel[l]
	}
	return scratch
}

func (s *series) lookAt(l int, cfg *Config, scratch []float64) []float64 {
	s.perLevel[l] = trend{}
	var buf [levelBlocks]block
	held, previous := s.pyramid.level[l].n, 0
	for _, n := range windows {
		n = min(n, held)
		if n < minPoints || n == previous || l > 0 && n*childBlocks <= s.pyramid.level[l-1].n {
			continue // too short, seen, or shown whole and finer by the level below
		}
		previous = n
		w := s.pyramid.window(l, n, &buf)
		if !s.promises(w, cfg.Significance) {
			continue
		}
		var tr trend
		if tr, scratch = measure(w, scratch); s.passes(cfg, &tr) {
			s.perLevel[l] = tr
			return scratch
		}
	}
	return scratch
}

// promises is the cheap look before the dear one. It may let through what the
// gates refuse, and hardly the other way round: nearly all windows of a healthy
// process end here.
func (s *series) promises(w []block, significance float64) bool {
	third := len(w) / 3
	head, tail := mean(w[:third]), mean(w[len(w)-third:])
	// A line gains two thirds of its growth between the middles of the outer thirds.
	return tail > head && s.enough(head, 3*(tail-head)) && float64(concordance(w)) >= significance*kendallSD(len(w))
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
