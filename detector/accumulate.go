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
	growth float64 // of all stacks
	sd     float64
	born   float64 // negative when unknown
	// The same over the later two thirds.
	late, bornLate float64
	tr             trend
	gap            float64 // seconds between the first snapshot looked at and the last
	held           [snapshots]float64
	movers         []mover // its stacks that grow, surest first; while a survey lasts
	at             int     // the owner's place in the first mover's stack
}

func (g *group) certain() float64 { return g.growth - 1.64*g.sd }

// keeps is the share of what was allocated that stayed, over the whole time or
// lately, whichever is less: a cache keeps everything until it is full.
func (g *group) keeps() float64 {
	return min(survival(g.growth, g.born), survival(g.late, g.bornLate))
}

// lasting is the part of a group's growth that is taken to go on: all of it where
// what is allocated stays, none where only just enough stays to be looked at.
// Sessions and requests that have not ended yet are kept, too, and the less the
// longer it is looked at.
func (g *group) lasting() float64 {
	return max(0, min(1, (g.keeps()-keepsShare)/(keepsAll-keepsShare)))
}

// keepsAll is the share from which on all that is allocated is taken to stay:
// profiles are samples, and sites do more than one thing.
const keepsAll = 0.9

// maxMovers bounds the stacks that are looked at closely; a leak of hundreds of
// stacks has few owners.
const maxMovers = 256

// groups gathers the growth since snapshot from by owner, surest first: of the
// stacks whose growth exceeds chance, or of all.
func (v *survey) groups(from int, sure bool) []group {
	v.look(from)
	movers := v.movers
	if sure { // the surest come first
		movers = movers[:countWhile(movers, func(m *mover) bool { return m.certain() > 0 })]
	}
	if len(movers) == 0 {
		return nil
	}
	index, taken := make(map[string]int), make(map[uint64]bool, len(movers))
	var out []group
	for i := range movers {
		m := &movers[i]
		at := v.blame.owner(m.stack)
		name := v.blame.frames[m.stack[at]].Function
		g, ok := index[name]
		if !ok {
			g = len(out)
			index[name] = g
			out = append(out, group{owner: name, at: at, gap: v.t[v.n-1] - v.t[from]})
		}
		out[g].movers = append(out[g].movers, *m)
		v.share(m, &out[g])
		taken[m.key] = true
	}
	owners := v.blame.places(index)
	for i := range v.all {
		if g := deepest(v.all[i].stack, owners); g >= 0 && !taken[v.all[i].key] {
			v.share(&v.all[i], &out[g])
		}
	}
	slices.SortFunc(out, func(a, b group) int {
		return cmp.Or(cmp.Compare(b.certain(), a.certain()), cmp.Compare(b.growth, a.growth), cmp.Compare(a.owner, b.owner))
	})
	return out
}

func countWhile(ms []mover, is func(*mover) bool) int {
	for i := range ms {
		if !is(&ms[i]) {
			return i
		}
	}
	return len(ms)
}

// deepest finds the deepest of the owners that a stack goes through, -1 if none;
// owners are by frame, from 1 on.
func deepest(stack []uint32, owners []int32) int {
	for _, id := range stack {
		if i := owners[id]; i > 0 {
			return int(i) - 1
		}
	}
	return -1
}

// share adds a stack to a group.
func (v *survey) share(m *mover, g *group) {
	g.growth += m.growth
	g.sd = math.Hypot(g.sd, m.sd)
	g.late += m.late
	g.born += m.born
	g.bornLate += m.bornLate
	if m.born < 0 {
		g.born, g.bornLate = math.Inf(-1), math.Inf(-1)
	}
	var buf course
	c := v.history(m.site, &buf)
	for j := range v.n {
		g.held[j] += float64(c.live[j])
	}
}

// series is what a group held at each snapshot, as a window to measure.
func (v *survey) series(g *group, from int, load func(float64) float32, buf *[levelBlocks]block) []block {
	for i := from; i < v.n; i++ {
		buf[i-from] = block{t: v.t[i], v: g.held[i], load: load(v.t[i])}
	}
	return buf[:v.n-from]
}

// Site evidence stands on its own when a group accumulates: of what it
// allocates, at least 60 % stays (a cache that evicts, a queue that drains and
// traffic that comes and goes keep less), the growth exceeds sampling noise by
// accumulateZ standard deviations.
const (
	keepsShare   = 0.6
	accumulateZ  = 3.0
	minSnapshots = minPoints
)

// starts are the snapshots from which growth is looked for: over all that is
// kept, and from later on, for what began late.
var starts = [...]int{0, 5}

// accumulates picks the groups that stand on their own, over the longest time
// that shows any.
func (v *survey) accumulates(cfg *Config, load func(float64) float32, scratch []float64) ([]group, []float64) {
	var buf [levelBlocks]block
	for _, from := range starts {
		if v.n-from < minSnapshots {
			break
		}
		var out []group
		for _, g := range v.groups(from, true) {
			if g.growth < heapFloor || g.growth <= accumulateZ*g.sd || g.keeps() < keepsShare {
				continue
			}
			g.tr, scratch = measure(v.series(&g, from, load, &buf), scratch)
			if g.tr.z >= cfg.Significance && g.tr.plateau < rivalMargin && g.tr.step < rivalMargin && g.tr.ending >= endingShare {
				g.movers = nil
				out = append(out, g)
			}
		}
		if len(out) > 0 {
			return out, scratch
		}
	}
	return nil, scratch
}
