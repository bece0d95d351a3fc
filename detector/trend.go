package detector

import (
	"math"
	"slices"
)

// trend is what a window of blocks shows.
type trend struct {
	z                float64 // Mann-Kendall
	slope, low, high float64 // bytes per second, Theil-Sen with its 95 % interval
	growth           float64 // slope × span
	span             float64 // seconds
	first            float64 // level at the start
	n                int
	thirds           [3]float64
}

func analyse(b []block) trend {
	n := len(b)
	tr := trend{n: n, span: b[n-1].t - b[0].t}
	if n < 6 || tr.span <= 0 {
		return tr
	}
	s := 0
	slopes := make([]float64, 0, n*(n-1)/2)
	for i := range b {
		for j := i + 1; j < n; j++ {
			if dt := b[j].t - b[i].t; dt > 0 {
				slopes = append(slopes, (b[j].v-b[i].v)/dt)
			}
			switch {
			case b[j].v > b[i].v:
				s++
			case b[j].v < b[i].v:
				s--
			}
		}
	}
	if len(slopes) == 0 {
		return tr
	}
	slices.Sort(slopes)
	tr.slope = slopes[len(slopes)/2]
	sd := math.Sqrt(float64(n*(n-1)*(2*n+5)) / 18)
	tr.z = float64(s) / sd
	k := 1.96 * sd
	lo := int(max(0, (float64(len(slopes))-k)/2))
	hi := int(min(float64(len(slopes)-1), (float64(len(slopes))+k)/2))
	tr.low, tr.high = slopes[lo], slopes[hi]
	tr.growth = tr.slope * tr.span
	tr.first = b[0].v
	for i := range tr.thirds {
		part := b[i*n/3 : (i+1)*n/3]
		tr.thirds[i] = (part[len(part)-1].v - part[0].v) / max(1e-9, part[len(part)-1].t-part[0].t)
	}
	return tr
}

func (p *pyramid) window(l int, buf []block) []block {
	r := &p.level[l]
	for i := range r.n {
		buf = append(buf, r.at(i))
	}
	return buf
}
