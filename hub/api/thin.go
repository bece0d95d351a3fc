package api

import (
	"time"

	"github.com/zupee/memwatch"
)

// Thin leaves at most limit samples (two for each step, where a step is given),
// evenly spread over their time. Of each stretch it keeps the lowest and the
// highest, so that no peak is lost, and the very first and last. The samples
// are oldest first; the result shares their memory.
func Thin(samples []memwatch.Sample, step time.Duration, limit int) []memwatch.Sample {
	if len(samples) <= 2 || (step <= 0 && len(samples) <= limit) {
		return samples
	}
	first, last := samples[0].Time, samples[len(samples)-1].Time
	if least := last.Sub(first) / time.Duration(max(1, (limit-2)/2)); step < least+1 {
		if len(samples) > limit {
			step = least + 1
		} else if step <= 0 {
			return samples
		}
	}
	height := measure(samples)
	out := samples[:1:1]
	for i := 1; i < len(samples)-1; {
		bucket := samples[i].Time.Sub(first) / step
		low, high, end := i, i, i
		for ; end < len(samples)-1 && samples[end].Time.Sub(first)/step == bucket; end++ {
			if height(end) < height(low) {
				low = end
			}
			if height(end) >= height(high) {
				high = end
			}
		}
		out = append(out, samples[min(low, high)])
		if low != high {
			out = append(out, samples[max(low, high)])
		}
		i = end
	}
	return append(out, samples[len(samples)-1])
}

// measure returns what makes a sample low or high: the first signal of these
// that the samples have.
func measure(samples []memwatch.Sample) func(i int) float64 {
	for _, sig := range []memwatch.Signal{memwatch.HeapAllocBytes, memwatch.LiveHeapBytes, memwatch.RSSBytes, memwatch.Goroutines} {
		if _, ok := samples[len(samples)/2].Get(sig); ok {
			return func(i int) float64 { return samples[i].Or(sig, 0) }
		}
	}
	return func(int) float64 { return 0 }
}
