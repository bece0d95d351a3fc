package detector

import (
	"cmp"
	"slices"
	"strings"

	"github.com/zupee/memwatch"
)

const snapshots = 16

type site struct {
	stack []uint32
	live  [snapshots]float32
	now   int64
	objs  int64
}

type siteTable struct {
	t      [snapshots]float64
	n      int
	stride int
	seen   int
	byKey  map[uint64]*site
	frames []memwatch.Frame
}

func newSiteTable() siteTable { return siteTable{byKey: map[uint64]*site{}, stride: 1} }

func (s *siteTable) add(t float64, p *memwatch.Sites) {
	if s.n > 0 && t <= s.t[s.n-1] {
		return
	}
	if s.n == snapshots {
		for i := range snapshots / 2 {
			s.t[i] = s.t[2*i]
			for _, x := range s.byKey {
				x.live[i] = x.live[2*i]
			}
		}
		for _, x := range s.byKey {
			clear(x.live[snapshots/2:])
		}
		s.n = snapshots / 2
		s.stride *= 2
	}
	keep := s.seen%s.stride == 0
	s.seen++
	s.frames = p.Frames
	for _, x := range s.byKey {
		x.now, x.objs = 0, 0
	}
	for i := range p.Sites {
		in := &p.Sites[i]
		x, ok := s.byKey[in.Key]
		if !ok {
			if len(s.byKey) >= 20000 {
				continue
			}
			x = &site{}
			s.byKey[in.Key] = x
		}
		x.stack = in.Stack
		x.now, x.objs = in.LiveBytes, in.LiveObjects
		v := in.LiveBytes
		if p.Kind != memwatch.HeapProfile {
			v = in.LiveObjects
		}
		if keep {
			x.live[s.n] = float32(v)
		}
	}
	if keep {
		s.t[s.n] = t
		s.n++
	}
}

type mover struct {
	*site
	growth, slope float64
}

func (s *siteTable) movers() []mover {
	if s.n < 2 {
		return nil
	}
	var out []mover
	half := s.n / 2
	for _, x := range s.byKey {
		var a, b, ta, tb float64
		for i := range s.n {
			if i < half {
				a += float64(x.live[i]) / float64(half)
				ta += s.t[i] / float64(half)
			} else {
				b += float64(x.live[i]) / float64(s.n-half)
				tb += s.t[i] / float64(s.n-half)
			}
		}
		if g := b - a; g > 0 {
			out = append(out, mover{x, g, g / max(1e-9, tb-ta)})
		}
	}
	slices.SortFunc(out, func(a, b mover) int {
		if c := cmp.Compare(b.growth, a.growth); c != 0 {
			return c
		}
		return slices.Compare(a.stack, b.stack)
	})
	return out[:min(len(out), 5)]
}

func isStd(fn string) bool {
	pkg, _, _ := strings.Cut(fn, ".")
	if i := strings.LastIndex(fn, "/"); i >= 0 {
		head, _, _ := strings.Cut(fn, "/")
		return !strings.Contains(head, ".")
	}
	return pkg != "main"
}
