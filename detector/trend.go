package detector

import (
	"math"
	"slices"
)

// trend is what one window of a series shows. Slopes are per second, in the
// series' own unit.
type trend struct {
	n      int     // points
	span   float64 // seconds from the first point to the last
	first  float64 // level at the start of the fitted line
	last   float64 // level at its end
	growth float64 // last − first
	// z is Mann-Kendall's: how often later points lie above earlier ones, in
	// standard deviations, with autocorrelation taken off.
	z float64
	// slope is Theil-Sen's, with its 95 % interval.
	slope, low, high float64
	// noise is the typical distance of a point from the line.
	noise float64
	// plateau and step compare the line with "rose, then stopped" and "jumped
	// once": the log-likelihood ratio by which the rival explains the points
	// better, its extra parameter paid for. Above 0 the rival is ahead.
	plateau, step float64
	// bend is the same for a curve that flattens, ceiling where that curve ends.
	bend, ceiling float64
	// ending is the part of the growth made in the last third; 1/3 for a line.
	ending float64
	// beyondLoad is the share of the growth from the first third to the last that
	// a rise of the allocation rate does not explain; 1 when the rate is unknown.
	beyondLoad float64
}

// scaled turns a trend of a count into one of bytes.
func (tr trend) scaled(unit float64) trend {
	tr.first, tr.last, tr.growth, tr.noise, tr.ceiling = tr.first*unit, tr.last*unit, tr.growth*unit, tr.noise*unit, tr.ceiling*unit
	tr.slope, tr.low, tr.high = tr.slope*unit, tr.low*unit, tr.high*unit
	return tr
}

// minPoints is the least that a trend is looked for in: with 9 points all in
// order, Mann-Kendall reaches 3.65.
const minPoints = 9

// concordance is Mann-Kendall's S: pairs in rising order less pairs in falling order.
func concordance(b []block) int {
	s := 0
	for i := range b {
		v := b[i].v
		for _, q := range b[i+1:] {
			if q.v > v {
				s++
			} else if q.v < v {
				s--
			}
		}
	}
	return s
}

// measure looks at a window in full. buf is scratch for n·(n−1)/2 slopes.
func measure(b []block, buf []float64) (trend, []float64) {
	n := len(b)
	tr := trend{n: n, span: b[n-1].t - b[0].t}
	if n < minPoints || tr.span <= 0 {
		return tr, buf
	}
	slopes, s := buf[:0], concordance(b)
	for i := range b {
		for j := i + 1; j < n; j++ {
			if dt := b[j].t - b[i].t; dt > 0 {
				slopes = append(slopes, (b[j].v-b[i].v)/dt)
			}
		}
	}
	middle := len(slopes) / 2
	tr.slope = rank(slopes, middle)

	mid := lineAt(b, tr.slope)
	tr.first = mid - tr.slope*tr.span/2
	tr.last = tr.first + tr.slope*tr.span
	tr.growth = tr.slope * tr.span

	inflate := tr.residuals(b)
	sd := kendallSD(n) * math.Sqrt(inflate)
	tr.z = float64(s-sign(float64(s))) / sd
	// Sen's interval: the slopes at ranks (m ± 1.96·sd)/2.
	m, k := float64(len(slopes)), 1.96*sd
	tr.low = tr.slope
	if i := int(max(0, (m-k)/2)); i < middle {
		tr.low = rank(slopes[:middle], i)
	}
	if i := int(min(m-1, (m+k)/2)); i > middle {
		tr.high = rank(slopes[middle+1:], i-middle-1)
	} else {
		tr.high = tr.slope
	}

	tr.rivals(b, float64(n)/inflate)
	tr.ending = ending(b, tr.growth)
	tr.beyondLoad = beyondLoad(b)
	return tr, slopes
}

// kendallSD is the standard deviation of Mann-Kendall's S when n points are in random order.
func kendallSD(n int) float64 { return math.Sqrt(float64(n*(n-1)*(2*n+5)) / 18) }

// sortedZ is the z of n points that are all in order.
func sortedZ(n int) float64 { return float64(n*(n-1)/2-1) / kendallSD(n) }

// residuals sets the noise and returns by how much autocorrelation inflates the
// variance of the mean: (1+ρ)/(1−ρ) for a first-order process, at least 1.
func (tr *trend) residuals(b []block) float64 {
	var dev [levelBlocks]float64
	var sum, lag, prev float64
	for i, p := range b {
		r := p.v - (tr.first + tr.slope*(p.t-b[0].t))
		dev[i] = math.Abs(r)
		sum += r * r
		if i > 0 {
			lag += r * prev
		}
		prev = r
	}
	tr.noise = 1.4826 * lowMedian(dev[:len(b)])
	return inflation(sum, lag, float64(len(b)))
}

// inflation takes the sums of n deviations' squares, and of their products with
// the one before.
func inflation(sum, lag, n float64) float64 {
	if sum == 0 {
		return 1
	}
	// ρ of a short window is biased down by about (1+3ρ)/n and noisy by 1/√n:
	// what is within the noise is taken for none.
	rho := lag/sum - 1/math.Sqrt(n)
	rho = max(0, min(0.8, rho))
	return (1 + rho) / (1 - rho)
}

// thirds splits a window into three equal times. Points need not be equally far
// apart, so they are not equally many; one without points ends where the next begins.
func thirds(b []block) (first, middle, last []block) {
	from, span := b[0].t, b[len(b)-1].t-b[0].t
	i := 0
	for i < len(b) && b[i].t <= from+span/3 {
		i++
	}
	j := i
	for j < len(b) && b[j].t <= from+2*span/3 {
		j++
	}
	return b[:i], b[i:j], b[j:]
}

// ending is the share of the growth that the last third made: from the middle
// of the second third to the middle of the last.
func ending(b []block, growth float64) float64 {
	_, middle, last := thirds(b)
	if growth <= 0 || len(last) == 0 {
		return 0
	}
	if len(middle) == 0 {
		return 1.0 / 3 // a gap: nothing to compare with
	}
	return (median(last) - median(middle)) / growth
}

// beyondLoad compares the growth from the first third to the last with what
// the work done explains: twice the allocation rate keeps twice the memory
// alive, at most. What a leak leaves lying is on top of that. Only so much of
// the rise counts as its own noise does not explain.
func beyondLoad(b []block) float64 {
	first, _, last := thirds(b)
	rate, err1 := load(first)
	later, err2 := load(last)
	if rate <= 0 || later <= 0 || len(last) == 0 {
		return 1
	}
	level := median(first)
	growth := median(last) - level
	if growth <= 0 {
		return 0
	}
	rise := max(0, later-rate-1.64*math.Hypot(err1, err2))
	return (growth - level*rise/rate) / growth
}

// load is the mean allocation rate of some blocks with its standard error; 0
// when unknown.
func load(b []block) (rate, err float64) {
	var sum, sq, n float64
	for _, p := range b {
		if l := float64(p.load); l >= 0 {
			sum, sq, n = sum+l, sq+l*l, n+1
		}
	}
	if n < 2 {
		return 0, 0
	}
	rate = sum / n
	return rate, math.Sqrt(max(0, sq/n-rate*rate) / (n - 1))
}

func mean(b []block) float64 {
	var s float64
	for _, p := range b {
		s += p.v
	}
	return s / float64(len(b))
}

func median(b []block) float64 {
	var v [levelBlocks]float64
	for i, p := range b {
		v[i] = p.v
	}
	s := v[:len(b)]
	slices.Sort(s)
	return (s[(len(s)-1)/2] + s[len(s)/2]) / 2
}

// rank returns what stands at place k when v is sorted, and leaves v split there:
// nothing before k is larger, nothing after it smaller. Three ranks of a thousand
// slopes do not need them all in order.
func rank(v []float64, k int) float64 {
	for lo, hi := 0, len(v)-1; lo < hi; {
		pivot := v[lo+(hi-lo)/2]
		i, j := lo, hi
		for i <= j {
			for v[i] < pivot {
				i++
			}
			for v[j] > pivot {
				j--
			}
			if i <= j {
				v[i], v[j] = v[j], v[i]
				i++
				j--
			}
		}
		switch {
		case k <= j:
			hi = j
		case k >= i:
			lo = i
		default:
			return v[k]
		}
	}
	return v[k]
}

// lineAt is the level of a line of the given slope in the middle of the window:
// the median of the points, each moved there along the line.
func lineAt(b []block, slope float64) float64 {
	var v [levelBlocks]float64
	mid := (b[0].t + b[len(b)-1].t) / 2
	for i, p := range b {
		v[i] = p.v - slope*(p.t-mid)
	}
	return lowMedian(v[:len(b)])
}

func sign(x float64) int {
	switch {
	case x > 0:
		return 1
	case x < 0:
		return -1
	}
	return 0
}
