package detector

import (
	"math/rand/v2"
	"slices"
	"testing"
)

func TestRankIsThePlaceInOrder(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // repeatable, not secret
	for n := 1; n < 200; n++ {
		v := make([]float64, n)
		for i := range v {
			v[i] = float64(r.IntN(n)) // many equal ones
		}
		sorted := slices.Sorted(slices.Values(v))
		k := r.IntN(n)
		if got := rank(v, k); got != sorted[k] {
			t.Fatalf("rank %d of %d: %v, want %v", k, n, got, sorted[k])
		}
		if slices.ContainsFunc(v[:k], func(x float64) bool { return x > v[k] }) || slices.ContainsFunc(v[k:], func(x float64) bool { return x < v[k] }) {
			t.Fatalf("rank %d of %d left %v unsplit", k, n, v)
		}
	}
}
