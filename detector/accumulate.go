package detector

import (
	"cmp"
	"math"
	"slices"
)

// group is what one owner holds: everything allocated beneath one function,
// the stacks that grow and those that shrink alike. A table that is reloaded
// through another path grows in one stack and shrinks in another; picking only
// what grows would make a leak of it.
type group struct {
	owner  string
	movers []mover // its stacks that grow, surest first
	at     int     // the owner's place in the first mover's stack
	growth float64 // of all stacks
	sd     float64
	born   float64 // negative when unknown
	tr     trend
	gap    float64 // seconds between the first snapshot looked at and the last
	held   [snapshots]float64
}

func (g *group) certain() float64 { return g.growth - 1.64*g.sd }

// keeps is the share of what was allocated that stayed.
func (g *group) keeps() float64 { return survival(g.growth, g.born) }

// maxMovers bounds the stacks that are looked at closely; a leak of hundreds of
// stacks has few owners.
const maxMovers = 256

// groups gathers the growth since snapshot from by owner, surest first.
func (s *siteTable) groups(from int) []group {
	all := s.moves(from)
	movers := make([]mover, 0, 64)
	for i := range all {
		if all[i].growth > 0 && all[i].read == s.reads {
			movers = append(movers, all[i])
		}
	}
	byCertainty(movers)
	movers = movers[:min(len(movers), maxMovers)]
	if len(movers) == 0 {
		return nil
	}
	b := newBlame(s.frames, all, movers, s.n-1)
	index := make(map[string]int)
	var out []group
	for _, m := range movers {
		at := b.owner(m.stack)
		name := s.frames[m.stack[at]].Function
		i, ok := index[name]
		if !ok {
			i = len(out)
			index[name] = i
			out = append(out, group{owner: name, at: at, gap: s.t[s.n-1] - s.t[from]})
		}
		out[i].movers = append(out[i].movers, m)
	}
	for i := range all {
		s.share(&all[i], index, out)
	}
	slices.SortFunc(out, func(a, b group) int {
		return cmp.Or(cmp.Compare(b.certain(), a.certain()), cmp.Compare(b.growth, a.growth), cmp.Compare(a.owner, b.owner))
	})
	return out
}

// share adds a stack to the deepest of the owners that it goes through.
func (s *siteTable) share(m *mover, index map[string]int, groups []group) {
	for _, id := range m.stack {
		if int(id) >= len(s.frames) {
			return
		}
		i, ok := index[s.frames[id].Function]
		if !ok {
			continue
		}
		g := &groups[i]
		g.growth += m.growth
		g.sd = math.Hypot(g.sd, m.sd)
		if g.born += m.born; m.born < 0 {
			g.born = -1
		}
		for j := range s.n {
			g.held[j] += float64(m.live[j])
		}
		return
	}
}

// series is what a group held at each snapshot, as a window to measure.
func (s *siteTable) series(g *group, from int, buf *[levelBlocks]block) []block {
	for i := from; i < s.n; i++ {
		buf[i-from] = block{t: s.t[i], v: g.held[i], load: -1}
	}
	return buf[:s.n-from]
}

// Site evidence stands on its own when a group accumulates: of what it
// allocates, at least half stays (a cache that evicts, a queue that drains and
// traffic that comes and goes keep less), the growth exceeds sampling noise by
// accumulateZ standard deviations.
const (
	keepsShare   = 0.5
	accumulateZ  = 3.0
	minSnapshots = minPoints
)

// accumulates picks the groups that stand on their own, from the newest
// snapshots back to snapshot from.
func (s *siteTable) accumulates(from int, scratch []float64) ([]group, []float64) {
	if s.n-from < minSnapshots {
		return nil, scratch
	}
	var buf [levelBlocks]block
	var out []group
	for _, g := range s.groups(from) {
		if g.growth <= accumulateZ*g.sd || g.keeps() < keepsShare {
			continue
		}
		g.tr, scratch = measure(s.series(&g, from, &buf), scratch)
		out = append(out, g)
	}
	return out, scratch
}
