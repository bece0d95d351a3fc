package detector

import "math"

// rivals fits what a leak may be mistaken for and compares. A leak goes on; a
// cache that has filled, a warm-up that is over and a load that has settled
// rose and then stopped; a reload or a loaded table jumped once. Each model is
// fitted by least squares, and the comparison is the log-likelihood ratio of
// normal errors, with the number of independent points that autocorrelation
// leaves, less the price of the one more parameter (Bayes' criterion).
func (tr *trend) rivals(b []block, independent float64) {
	line := fit(b, func(t float64) float64 { return t })
	if line == 0 {
		return // exactly a line: nothing explains it better
	}
	plateau, step := math.Inf(1), math.Inf(1)
	for i := 2; i < len(b)-2; i++ {
		// It stopped at block i; a stop within the last eighth is not to be seen yet.
		if i < len(b)-len(b)/8-1 {
			at := b[i].t
			plateau = min(plateau, fit(b, func(t float64) float64 { return min(t, at) }))
		}
		at := (b[i-1].t + b[i].t) / 2
		step = min(step, fit(b, func(t float64) float64 {
			if t < at {
				return 0
			}
			return 1
		}))
	}
	price := math.Log(float64(len(b))) / 2
	tr.saturation(b, line, independent, price)
	tr.plateau = advantage(line, plateau, independent) - price
	tr.step = advantage(line, step, independent) - price
}

// saturation fits y = a + c·(1−e^(−t/τ)), the curve of whatever fills the
// slower the fuller it is, at a few τ, and extrapolates it to its end. A warm-up
// and a cache whose keys repeat follow it; a leak has no reason to.
func (tr *trend) saturation(b []block, line, independent, price float64) {
	t0 := b[0].t
	best := math.Inf(1)
	for _, share := range [...]float64{0.25, 0.5, 1, 2} {
		tau := share * tr.span
		left, at, slope := regress(b, func(t float64) float64 { return -math.Expm1(-(t - t0) / tau) })
		if left < best && slope > 0 {
			best, tr.ceiling = left, at+slope
		}
	}
	tr.bend = advantage(line, best, independent) - price
	if math.IsInf(best, 1) {
		tr.bend = 0
	}
}

// advantage is how much better, in units of log-likelihood, a model with
// squared error rival explains n points than one with squared error line.
func advantage(line, rival, n float64) float64 {
	return n / 2 * math.Log(line/max(rival, line*1e-6))
}

// fit returns the squared error that y = a + c·shape(t) leaves.
func fit(b []block, shape func(float64) float64) float64 {
	left, _, _ := regress(b, shape)
	return left
}

// regress fits y = a + c·shape(t) and returns the squared error, a and c.
func regress(b []block, shape func(float64) float64) (left, a, c float64) {
	n := float64(len(b))
	var sx, sy, sxx, sxy, syy float64
	// Taken from the first point on, so that large levels lose no digits.
	x0, y0 := shape(b[0].t), b[0].v
	for _, p := range b {
		x, y := shape(p.t)-x0, p.v-y0
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
