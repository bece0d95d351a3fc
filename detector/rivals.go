package detector

import "math"

// rivals fits what a leak may be mistaken for and compares. A leak goes on; a
// cache that has filled, a warm-up that is over and a load that has settled
// rose and then stopped; a reload or a loaded table jumped once. Each model is
// fitted by least squares, and the comparison is the log-likelihood ratio of
// normal errors, with the number of independent points that autocorrelation
// leaves, less the price of the one more parameter (Bayes' criterion).
func (tr *trend) rivals(b []block, independent float64) {
	line := fit(b, func(i int) float64 { return b[i].t })
	if line == 0 {
		return // exactly a line: nothing explains it better
	}
	plateau, step := math.Inf(1), math.Inf(1)
	for i := 2; i < len(b)-2; i++ {
		// It stopped at block i; a stop within the last eighth is not to be seen yet.
		if i < len(b)-len(b)/8-1 {
			at := b[i].t
			plateau = min(plateau, fit(b, func(j int) float64 { return min(b[j].t, at) }))
		}
		at := (b[i-1].t + b[i].t) / 2
		step = min(step, fit(b, func(j int) float64 {
			if b[j].t < at {
				return 0
			}
			return 1
		}))
	}
	price := math.Log(float64(len(b))) / 2
	tr.saturation(b, price)
	tr.plateau = advantage(line, plateau, independent) - price
	tr.step = advantage(line, step, independent) - price
}

// saturation fits y = a + c·(1−e^(−x/τ)), the curve of whatever fills the
// slower the fuller it is, at a few τ, and extrapolates it to its end. A warm-up
// and a cache whose keys repeat follow it; a leak has no reason to, but that it
// may go by the clock or by the work: so x is both in turn, and what is straight
// in one of them does not flatten.
func (tr *trend) saturation(b []block, price float64) {
	var hours, work [levelBlocks]float64
	for i := range b {
		hours[i] = b[i].t - b[0].t
	}
	tr.bend, tr.ceiling = bend(b, hours[:len(b)], price)
	if tr.bend <= 0 || !workOf(b, work[:len(b)]) {
		return
	}
	if bends, ceiling := bend(b, work[:len(b)], price); bends < tr.bend {
		tr.bend, tr.ceiling = bends, max(tr.ceiling, ceiling)
	}
}

// workOf sets x to what had been allocated at each block since the first. It
// reports false where that is not known.
func workOf(b []block, x []float64) bool {
	x[0] = 0
	for i := 1; i < len(b); i++ {
		if b[i].load < 0 {
			return false
		}
		x[i] = x[i-1] + float64(b[i].load)*(b[i].t-b[i-1].t)
	}
	return x[len(x)-1] > 0
}

// bend is the log-likelihood by which a curve over x that flattens explains the
// points better than a line over x, and where that curve ends.
func bend(b []block, x []float64, price float64) (better, ceiling float64) {
	span := x[len(x)-1]
	line, _, _ := regress(b, func(i int) float64 { return x[i] })
	least, tau, foot, rise := math.Inf(1), 0.0, 0.0, 0.0
	for _, share := range [...]float64{0.25, 0.5, 1, 2} {
		left, at, c := regress(b, func(i int) float64 { return -math.Expm1(-x[i] / (share * span)) })
		if left < least && c > 0 {
			least, tau, foot, rise = left, share*span, at, c
		}
	}
	if tau == 0 || line == 0 {
		return 0, 0
	}
	left, own := residual(b, func(i int) float64 { return -math.Expm1(-x[i] / tau) })
	return advantage(line, left, float64(len(b))/own) - price, foot + rise
}

// residual returns what a shape leaves, and by how much the autocorrelation of
// that inflates variances. Beside the line, whatever curves or stops looks like
// slow noise; what the shape itself leaves tells how many points are independent.
func residual(b []block, shape func(i int) float64) (left, inflated float64) {
	_, a, c := regress(b, shape)
	var lag, prev float64
	for i := range b {
		r := b[i].v - a - c*shape(i)
		left += r * r
		if i > 0 {
			lag += r * prev
		}
		prev = r
	}
	return left, inflation(left, lag, float64(len(b)))
}

// advantage is how much better, in units of log-likelihood, a model with
// squared error rival explains n points than one with squared error line.
func advantage(line, rival, n float64) float64 {
	return n / 2 * math.Log(line/max(rival, line*1e-6))
}

// fit returns the squared error that y = a + c·shape leaves.
func fit(b []block, shape func(i int) float64) float64 {
	left, _, _ := regress(b, shape)
	return left
}

// regress fits y = a + c·shape(i) to the points and returns the squared error, a and c.
func regress(b []block, shape func(i int) float64) (left, a, c float64) {
	n := float64(len(b))
	var sx, sy, sxx, sxy, syy float64
	// Taken from the first point on, so that large levels lose no digits.
	x0, y0 := shape(0), b[0].v
	for i := range b {
		x, y := shape(i)-x0, b[i].v-y0
		sx, sy = sx+x, sy+y
		sxx, sxy, syy = sxx+x*x, sxy+x*y, syy+y*y
	}
	vx, vy, cov := sxx-sx*sx/n, syy-sy*sy/n, sxy-sx*sy/n
	if vx <= 0 {
		return max(vy, 0), y0 + sy/n, 0
	}
	c = cov / vx
	return max(vy-cov*c, 0), y0 + sy/n - c*(x0+sx/n), c
}
