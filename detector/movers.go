package detector

import (
	"cmp"
	"math"
	"slices"
)

// mover is a stack that holds more than it did.
type mover struct {
	*site
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

// moves measures every stack from snapshot from on, in the order of the table.
func (s *siteTable) moves(from int) []mover {
	if s.n-from < 2 {
		return nil
	}
	out := make([]mover, 0, len(s.sites))
	for i := range s.sites {
		if m, ok := s.move(&s.sites[i], from); ok {
			out = append(out, m)
		}
	}
	return out
}

// move fits a line through one stack's snapshots and asks the Poisson process
// that sampling is how much of it may be chance. Each sampled object stands for
// many. Over the time seen, B were born and D died; B and D are independent
// counts, so the growth B−D has the variance B+D. Where the profile does not
// count births, the counts held at both ends stand in.
func (s *siteTable) move(x *site, from int) (mover, bool) {
	last := s.n - 1
	m := mover{site: x, born: -1, bornLate: -1}
	later := from
	for later < s.n-3 && s.t[later] < s.t[from]+(s.t[last]-s.t[from])/3 {
		later++
	}
	m.growth = s.rise(x.live[from:s.n], from)
	m.late = s.rise(x.live[later:s.n], later)
	if m.growth == 0 && x.live[last] == 0 {
		return m, false
	}
	p := x.sampled(s.period)
	perCount := max(float64(x.size), 1) / p // bytes that one sampled object stands for
	events := (float64(x.live[from]) + float64(x.live[last])) / perCount
	if x.born[last] > 0 {
		objects := max(0, float64(x.born[last])-float64(x.born[from]))
		m.born = objects * max(float64(x.size), 1)
		m.bornLate = max(0, float64(x.born[last])-float64(x.born[later])) * max(float64(x.size), 1)
		deaths := max(0, m.born-(float64(x.live[last])-float64(x.live[from])))
		events = (m.born + deaths) / perCount
	}
	if s.period <= 1 {
		events = 0 // exact counts: goroutines
	}
	m.sd = math.Sqrt(max(events, 0)) * perCount
	return m, true
}

// rise is the rise of the least-squares line over snapshots from on.
func (s *siteTable) rise(v []float32, from int) float64 {
	var st, sv, stt, stv float64
	n := float64(len(v))
	for i, y := range v {
		t := s.t[from+i] - s.t[from]
		st, sv = st+t, sv+float64(y)
		stt, stv = stt+t*t, stv+t*float64(y)
	}
	d := stt - st*st/n
	if d <= 0 {
		return 0
	}
	return (stv - st*sv/n) / d * (s.t[s.n-1] - s.t[from])
}

// byCertainty sorts the surest growth first; ties go by key, so that the order
// in which a profile lists its stacks never matters.
func byCertainty(ms []mover) {
	slices.SortFunc(ms, func(a, b mover) int {
		return cmp.Or(cmp.Compare(b.certain(), a.certain()), cmp.Compare(b.growth, a.growth), cmp.Compare(a.key, b.key))
	})
}
