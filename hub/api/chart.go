package api

import (
	"fmt"
	"strings"

	"github.com/zupee/memwatch"
)

// chart is a line for each instance over time, as a drawing of 1000 by 240.
type chart struct {
	Signal   string
	Lines    []chartLine
	From, To memwatch.UnixMilli
	Most     float64
	AlertX   float64 // where the alert fired
	Left     int     // instances that are not drawn
}

type chartLine struct {
	Instance string
	Points   string // of an SVG polyline
}

const (
	chartWidth, chartHeight = 1000.0, 240.0
	maxLines                = 20
)

// draw shows the signal that the alert is about, of the instances in it.
func draw(st story) *chart {
	signals := []memwatch.Signal{memwatch.LiveHeapBytes, memwatch.HeapAllocBytes, memwatch.RSSBytes}
	switch st.alert.Kind {
	case memwatch.KindGoroutine:
		signals = []memwatch.Signal{memwatch.Goroutines}
	case memwatch.KindOffHeap, memwatch.KindFragmentation:
		signals = []memwatch.Signal{memwatch.RSSBytes}
	case memwatch.KindHeap, memwatch.KindNone:
	}
	for _, sig := range signals {
		if c := drawSignal(st, sig); c != nil {
			return c
		}
	}
	return nil
}

func drawSignal(st story, sig memwatch.Signal) *chart {
	c := &chart{Signal: sig.String()}
	concerned := map[string]bool{}
	for _, i := range st.alert.Instances {
		concerned[i] = true
	}
	var drawn []Series
	for _, s := range st.series {
		if !concerned[s.Instance] {
			continue
		}
		if len(drawn) == maxLines {
			c.Left++
			continue
		}
		drawn = append(drawn, s)
		for i := range s.Samples {
			if v, ok := s.Samples[i].Get(sig); ok {
				at := memwatch.Milli(s.Samples[i].Time)
				if c.From == 0 || at < c.From {
					c.From = at
				}
				c.To, c.Most = max(c.To, at), max(c.Most, v)
			}
		}
	}
	if c.To <= c.From || c.Most <= 0 {
		return nil
	}
	x := func(at memwatch.UnixMilli) float64 { return chartWidth * float64(at-c.From) / float64(c.To-c.From) }
	for _, s := range drawn {
		var b strings.Builder
		for i := range s.Samples {
			if v, ok := s.Samples[i].Get(sig); ok {
				fmt.Fprintf(&b, "%.1f,%.1f ", x(memwatch.Milli(s.Samples[i].Time)), chartHeight*(1-v/c.Most))
			}
		}
		c.Lines = append(c.Lines, chartLine{s.Instance, b.String()})
	}
	c.AlertX = min(max(x(st.alert.Time), 0), chartWidth)
	return c
}
