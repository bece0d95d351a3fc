package simulate

import (
	"hash/fnv"
	"math"
	"math/rand/v2"
)

// source is a stream of random numbers of its own.
type source struct{ *rand.Rand }

// newSource seeds a stream by a number and names: other names, another stream.
func newSource(seed uint64, names ...string) source {
	h := fnv.New64a()
	for _, n := range names {
		_, _ = h.Write([]byte(n + "\x00")) // a hash takes everything
	}
	return source{rand.New(rand.NewPCG(seed, h.Sum64()))} //nolint:gosec // repeatable, not secret
}

// between draws evenly from lo to hi.
func (r source) between(lo, hi float64) float64 { return lo + (hi-lo)*r.Float64() }

// scale draws from lo to hi, evenly in the logarithm: as often 1 to 2 as 2 to 4.
func (r source) scale(lo, hi float64) float64 { return lo * math.Exp(r.Float64()*math.Log(hi/lo)) }

// few is the count below which distributions are drawn exactly.
const few = 40

// poisson draws a count with the given mean; large means by the normal approximation.
func (r source) poisson(mean float64) int64 {
	switch {
	case !(mean > 0):
		return 0
	case mean > few:
		return int64(max(0, math.Round(mean+math.Sqrt(mean)*r.NormFloat64())))
	}
	n, p, limit := int64(0), r.Float64(), math.Exp(-mean)
	for p > limit {
		p *= r.Float64()
		n++
	}
	return n
}

// binomial draws how many of n remain when each does with probability p.
func (r source) binomial(n int64, p float64) int64 {
	switch {
	case n <= 0 || !(p > 0):
		return 0
	case p >= 1:
		return n
	case n > few:
		mean := float64(n) * p
		sd := math.Sqrt(mean * (1 - p))
		if sd < 2 {
			// Nearly all or nearly none: count the rare ones.
			if p > 0.5 {
				return n - min(n, r.poisson(float64(n)*(1-p)))
			}
			return min(n, r.poisson(mean))
		}
		return min(n, int64(max(0, math.Round(mean+sd*r.NormFloat64()))))
	}
	k := int64(0)
	for range n {
		if r.Float64() < p {
			k++
		}
	}
	return k
}

// wander is noise that forgets its past over tau seconds (an Ornstein-Uhlenbeck
// process): mean 0, standard deviation sd.
type wander struct{ tau, sd, x float64 }

func (w *wander) step(r source, dt float64) float64 {
	keep := math.Exp(-dt / w.tau)
	w.x = w.x*keep + w.sd*math.Sqrt(1-keep*keep)*r.NormFloat64()
	return w.x
}

// start draws the value that noise long under way would have.
func (w *wander) start(r source) { w.x = w.sd * r.NormFloat64() }
