package score

import (
	"math"
	"slices"
)

// Share is k out of n.
type Share struct{ K, N int }

// Of is k/n; 0 when there is nothing to count.
func (s Share) Of() float64 {
	if s.N == 0 {
		return 0
	}
	return float64(s.K) / float64(s.N)
}

// Add counts one more.
func (s *Share) Add(hit bool) {
	s.N++
	if hit {
		s.K++
	}
}

// Wilson is the 95 % interval of a share, after Wilson.
func (s Share) Wilson() (low, high float64) {
	if s.N == 0 {
		return 0, 1
	}
	const z = 1.96
	n, p := float64(s.N), s.Of()
	d := 1 + z*z/n
	mid, half := p+z*z/(2*n), z*math.Sqrt(p*(1-p)/n+z*z/(4*n*n))
	return max(0, (mid-half)/d), min(1, (mid+half)/d)
}

// Rate is the exact 95 % interval of the mean of a Poisson count (Garwood),
// divided by what it was counted over.
func Rate(count int, over float64) (low, high float64) {
	if over <= 0 {
		return 0, math.Inf(1)
	}
	if count > 0 {
		low = solve(count, func(mean float64) float64 { return 1 - poissonUpTo(count-1, mean) })
	}
	high = solve(count, func(mean float64) float64 { return 1 - poissonUpTo(count, mean) - 0.95 })
	return low / over, high / over
}

// solve finds the mean at which rising(mean) is 0.025.
func solve(count int, rising func(float64) float64) float64 {
	lo, hi := 0.0, float64(count)+12*math.Sqrt(float64(count)+1)+12
	for range 80 {
		if mid := (lo + hi) / 2; rising(mid) < 0.025 {
			lo = mid
		} else {
			hi = mid
		}
	}
	return (lo + hi) / 2
}

// poissonUpTo is the chance of at most k, given the mean.
func poissonUpTo(k int, mean float64) float64 {
	if mean == 0 {
		return 1
	}
	sum := 0.0
	for i := range k + 1 {
		lg, _ := math.Lgamma(float64(i) + 1)
		sum += math.Exp(float64(i)*math.Log(mean) - mean - lg)
	}
	return min(1, sum)
}

// Median of the values; ok is false when there are none.
func Median(v []float64) (m float64, ok bool) {
	if len(v) == 0 {
		return 0, false
	}
	s := slices.Sorted(slices.Values(v))
	n := len(s)
	return (s[(n-1)/2] + s[n/2]) / 2, true
}
