package scraper

import (
	"github.com/zupee/memwatch"
)

// LiveHeap derives the live heap (what survived the last completed GC) for
// targets that do not export /gc/heap/live:bytes. One belongs to one target;
// the zero value is ready.
//
// Go's pacer sets the next cycle's goal to
//
//	goal = live + (live + stacks + globals)·GOGC/100
//
// so the live heap follows from NextGC when GOGC is what set it. When a memory
// limit, a disabled GC or the 4 MiB floor set it, NextGC says nothing, and the
// least HeapAlloc seen since the cycle ended is the next best: live heap plus
// what has been allocated since.
type LiveHeap struct {
	cycle     float64 // NumGC of the newest cycle seen
	seen      bool
	leastSeen float64 // least HeapAlloc since that cycle ended
}

// minHeapGoal is Go's floor of the heap goal at GOGC=100, in bytes.
const minHeapGoal = 4 << 20

// Fill sets LiveHeapBytes where the sample lacks it and has what it takes.
func (l *LiveHeap) Fill(s *memwatch.Sample) {
	numGC, okN := s.Get(memwatch.NumGC)
	alloc, okA := s.Get(memwatch.HeapAllocBytes)
	if !okA || !okN {
		return
	}
	if !l.seen || numGC != l.cycle {
		l.seen, l.cycle, l.leastSeen = true, numGC, alloc
	}
	l.leastSeen = min(l.leastSeen, alloc)
	if _, has := s.Get(memwatch.LiveHeapBytes); has || numGC == 0 {
		return
	}
	s.Set(memwatch.LiveHeapBytes, l.estimate(s))
}

func (l *LiveHeap) estimate(s *memwatch.Sample) float64 {
	next, ok := s.Get(memwatch.NextGCBytes)
	if !ok {
		return l.leastSeen
	}
	ratio := s.Or(memwatch.GOGCPercent, 100) / 100
	if limit, ok := s.Get(memwatch.GoMemLimitBytes); ok && next > 0.9*limit {
		return l.leastSeen
	}
	if next <= 1.05*minHeapGoal*ratio {
		return l.leastSeen
	}
	paced := (next - s.Or(memwatch.StackInuseBytes, 0)*ratio) / (1 + ratio)
	// The live heap cannot exceed what was allocated just after the cycle: then
	// GOGC is not what was assumed.
	return max(0, min(paced, l.leastSeen))
}
