package hub

import (
	"time"

	"github.com/zupee/memwatch"
	"github.com/zupee/memwatch/hub/api"
)

const (
	// sparkPoints bounds what an instance remembers for its sparkline.
	sparkPoints = 90
	// sparkSpan is how far back it reaches once there is that much.
	sparkSpan = time.Hour
)

// remember takes a sample that is newer than all before into the sparklines.
func (i *instance) remember(sample *memwatch.Sample) {
	i.spark.add(sample)
	if v := i.verdict; v == nil || v.Kind != memwatch.KindGoroutine {
		i.counts = spark{}
	} else if n, ok := sample.Get(memwatch.Goroutines); ok {
		i.counts.signal = memwatch.Goroutines
		i.counts.put(memwatch.Milli(sample.Time), n)
	}
}

// sparkline is of goroutines where they are what grows, else of memory.
func (i *instance) sparkline() *api.Sparkline {
	if len(i.counts.points) > 1 {
		return i.counts.line()
	}
	return i.spark.line()
}

// spark remembers the last while of one signal, the finer the shorter it is:
// when it is full, every other point goes.
type spark struct {
	signal  memwatch.Signal
	spacing time.Duration // least time between two points
	points  []point
}

type point struct {
	at    memwatch.UnixMilli
	value float64
}

// sparkSignals are what a sparkline may show, the best first.
var sparkSignals = []memwatch.Signal{memwatch.LiveHeapBytes, memwatch.HeapAllocBytes, memwatch.RSSBytes}

// add takes a sample that is newer than all before.
func (s *spark) add(sample *memwatch.Sample) {
	for i, sig := range sparkSignals {
		value, ok := sample.Get(sig)
		if !ok {
			continue
		}
		if sig != s.signal {
			if len(s.points) > 0 && i > s.rank() {
				return // the better signal is missing this once
			}
			*s = spark{signal: sig}
		}
		s.put(memwatch.Milli(sample.Time), value)
		return
	}
}

func (s *spark) rank() int {
	for i, sig := range sparkSignals {
		if sig == s.signal {
			return i
		}
	}
	return len(sparkSignals)
}

func (s *spark) put(at memwatch.UnixMilli, value float64) {
	if n := len(s.points); n > 0 && time.Duration(at-s.points[n-1].at)*time.Millisecond < s.spacing*9/10 {
		return
	}
	s.points = append(s.points, point{at, value})
	oldest := 0
	for at-s.points[oldest].at > memwatch.UnixMilli(sparkSpan.Milliseconds()) {
		oldest++
	}
	s.points = append(s.points[:0], s.points[oldest:]...)
	if len(s.points) < sparkPoints {
		return
	}
	kept := s.points[:0]
	for i := (len(s.points) - 1) % 2; i < len(s.points); i += 2 { // the newest stays
		kept = append(kept, s.points[i])
	}
	s.points = kept
	s.spacing = min(s.mean(), sparkSpan/(sparkPoints-10))
}

// mean is the time between two points.
func (s *spark) mean() time.Duration {
	n := len(s.points)
	if n < 2 {
		return time.Second
	}
	return time.Duration(s.points[n-1].at-s.points[0].at) * time.Millisecond / time.Duration(n-1)
}

// line spaces the points evenly; nil when there are none.
func (s *spark) line() *api.Sparkline {
	n := len(s.points)
	if n == 0 {
		return nil
	}
	step := max(s.mean().Milliseconds(), 1)
	first, last := s.points[0].at, s.points[n-1].at
	out := &api.Sparkline{Signal: s.signal.String(), From: first, StepMs: step}
	next := 0
	for at := first; at <= last+memwatch.UnixMilli(step/2) && len(out.Values) < 2*sparkPoints; at += memwatch.UnixMilli(step) {
		for next+1 < n && s.points[next+1].at <= at+memwatch.UnixMilli(step/2) {
			next++
		}
		if at-s.points[next].at > memwatch.UnixMilli(2*step) {
			out.Values = append(out.Values, nil)
			continue
		}
		value := s.points[next].value
		out.Values = append(out.Values, &value)
	}
	return out
}
