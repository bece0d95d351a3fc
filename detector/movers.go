package detector

import (
	"cmp"
	"math"
	"slices"
)

// mover is a stack that holds more than it did.
type mover struct {
	*site
	stack []uint32
	// growth is the rise of a straight line through the snapshots, in bytes
	// (goroutines: a count); sd its standard deviation from sampling and churn.
	growth, sd float64
	// late is the growth over the later two thirds of the time, bornLate what was
	// allocated then: what grew while the program started, and not since, shows here.
	late, bornLate float64
	// born is bytes allocated over the same time; negative when unknown.
	born float64
}

// certain is the part of the growth that chance does not explain.
func (m *mover) certain() float64 { return m.growth - 1.64*m.sd }

// goesOn reports whether the stack still grows: at an even pace, two thirds of
// the growth are late.
func (m *mover) goesOn() bool { return m.late >= 0.2*m.growth }

// survival is the share of what was allocated that is still there: near 1 where
// nothing is ever freed, near 0 where memory comes and goes.
func survival(growth, born float64) float64 {
	switch {
	case growth <= 0:
		return 0
	case born < 0:
		return 1 // the profile does not count allocations
	case born <= growth:
		return 1
	}
	return growth / born
}

// move fits a line through one stack's snapshots and asks the Poisson process
// that sampling is how much of it may be chance. Each sampled object stands for
// many. Over the time seen, B were born and D died; B and D are independent
// counts, so the growth B−D has the variance B+D. Where the profile does not
// count births, the counts held at both ends stand in.
func (v *survey) move(i int, whole, late *slope) (mover, bool) {
	x := &v.sites[i]
	m := mover{site: x, born: -1, bornLate: -1}
	held, born, bornLate := x.live, x.born, x.born // at the begin of both times
	moved := x.course > 0 || int(x.first) > v.from
	if moved {
		var buf course
		c := v.history(x, &buf)
		m.growth, m.late = whole.rise(&c.live), late.rise(&c.live)
		held, born, bornLate = c.live[v.from], c.born[v.from], c.born[v.later]
	}
	if m.growth == 0 && x.live == 0 {
		return m, false
	}
	m.stack = v.stack(i)
	size := max(float64(x.size), 1)
	if x.born > 0 {
		m.born = max(0, float64(x.born)-float64(born)) * size
		m.bornLate = max(0, float64(x.born)-float64(bornLate)) * size
		if !moved {
			return m, true // nothing was born, nothing died
		}
	}
	if v.period <= 1 {
		return m, true // exact counts: goroutines
	}
	perCount := size / x.sampled(v.period) // bytes that one sampled object stands for
	events := (float64(held) + float64(x.live)) / perCount
	if x.born > 0 {
		deaths := max(0, m.born-(float64(x.live)-float64(held)))
		events = (m.born + deaths) / perCount
	}
	m.sd = math.Sqrt(max(events, 0)) * perCount
	return m, true
}

// slope weighs snapshots so that their sum is the rise of the least-squares line
// through them.
type slope struct {
	from, to int
	weight   [snapshots]float64
}

func (s *siteTable) slope(from int) slope {
	w := slope{from: from, to: s.n}
	mean, squares := 0.0, 0.0
	for _, t := range s.t[from:s.n] {
		mean += t / float64(s.n-from)
	}
	for _, t := range s.t[from:s.n] {
		squares += (t - mean) * (t - mean)
	}
	if squares > 0 {
		for i := from; i < s.n; i++ {
			w.weight[i] = (s.t[i] - mean) / squares * (s.t[s.n-1] - s.t[from])
		}
	}
	return w
}

// rise is taken from the first value on, so that what never changes has none.
func (w *slope) rise(v *[snapshots]float32) float64 {
	sum, first := 0.0, v[w.from]
	for i := w.from; i < w.to; i++ {
		sum += w.weight[i] * float64(v[i]-first)
	}
	return sum
}

// byCertainty sorts the surest growth first; ties go by key, so that the order
// in which a profile lists its stacks never matters.
func byCertainty(ms []mover) {
	slices.SortFunc(ms, func(a, b mover) int {
		return cmp.Or(cmp.Compare(b.certain(), a.certain()), cmp.Compare(b.growth, a.growth), cmp.Compare(a.key, b.key))
	})
}
