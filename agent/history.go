package agent

import "github.com/zupee/memwatch"

// history keeps the readings of a target's life in bounded memory: when it is
// full, every second one goes, and from then on half as many come in.
type history struct {
	max     int
	stride  int // one in stride readings is kept
	skipped int
	kept    []memwatch.Sample
	newest  memwatch.Sample
}

func newHistory(max int) *history { return &history{max: max, stride: 1} }

func (h *history) add(s *memwatch.Sample) {
	h.newest = *s
	if h.skipped++; h.skipped < h.stride {
		return
	}
	h.skipped = 0
	if len(h.kept) >= h.max {
		h.halve()
	}
	h.kept = append(h.kept, *s)
}

// readings are those kept, oldest first, and the newest.
func (h *history) readings() []memwatch.Sample {
	out := append(make([]memwatch.Sample, 0, len(h.kept)+1), h.kept...)
	if n := len(out); n == 0 || !out[n-1].Time.Equal(h.newest.Time) {
		out = append(out, h.newest)
	}
	return out
}

// reset begins another life.
func (h *history) reset() { h.kept, h.stride, h.skipped = h.kept[:0], 1, 0 }

// resize changes how many are kept at most.
func (h *history) resize(max int) {
	for h.max = max; len(h.kept) > max; {
		h.halve()
	}
}

// halve leaves out every second one, now and from now on.
func (h *history) halve() {
	n := len(h.kept) / 2
	for i := range n {
		h.kept[i] = h.kept[2*i]
	}
	h.kept = h.kept[:n]
	h.stride *= 2
}

// restore takes readings that were kept before.
func (h *history) restore(kept []memwatch.Sample, stride int) {
	h.kept, h.stride = kept, max(stride, 1)
	h.resize(h.max)
}
