package detector

import (
	"sync"

	"github.com/zupee/memwatch"
)

// survey is a look at all stacks of a table while the newest profile, which
// tells what calls they are made of, is at hand. What it is done in is used
// again, by whichever detector is shown the next profile.
type survey struct {
	*siteTable
	profile *memwatch.Sites
	where   []int32 // by site: its place in the profile, -1 when it is not there
	// index finds sites, those before indexed; next is where the one looked for
	// lies when this profile lists its stacks in the order of the table.
	index   map[uint64]int32
	indexed int
	next    int

	// What was made out of all moves since snapshot from; -1 for nothing yet.
	from, later int
	all         []mover
	movers      []mover // that grow, surest first
	blame       blame
}

var surveys = sync.Pool{New: func() any {
	return &survey{index: map[uint64]int32{}, blame: blame{numbers: map[string]int32{}}}
}}

func newSurvey(s *siteTable, p *memwatch.Sites) *survey {
	v := surveys.Get().(*survey) //nolint:forcetypeassert // nothing else is in there
	v.siteTable, v.profile, v.from = s, p, -1
	v.where = v.where[:0]
	for range s.sites {
		v.where = append(v.where, -1)
	}
	v.forget()
	return v
}

// release ends the survey. Nothing of it may be used any more.
func (v *survey) release() {
	v.siteTable, v.profile = nil, nil
	clear(v.all[:cap(v.all)]) // they point into tables and profiles
	clear(v.movers[:cap(v.movers)])
	v.blame.frames = nil
	surveys.Put(v)
}

// forget has find begin anew: sites have other places.
func (v *survey) forget() {
	clear(v.index)
	v.indexed, v.next = 0, 0
}

// find is a site's place by its key. Most profiles list their stacks as the one
// before did, so that the next site is the right one.
func (v *survey) find(key uint64) (place int, ok bool) {
	if v.next >= len(v.sites) {
		v.next = 0
	}
	if v.next < len(v.sites) && v.sites[v.next].key == key {
		v.next++
		return v.next - 1, true
	}
	for ; v.indexed < len(v.sites); v.indexed++ {
		v.index[v.sites[v.indexed].key] = int32(v.indexed)
	}
	i, ok := v.index[key]
	if ok {
		v.next = int(i) + 1
	}
	return int(i), ok
}

// stack is the calls of a site, leaf first, and frames what they point to; empty
// where nobody knows them any more.
func (v *survey) stack(site int) []uint32 {
	if v.kept.forgetful {
		if site < len(v.kept.stacks) {
			return v.kept.stacks[site]
		}
		return nil
	}
	if place := v.where[site]; place >= 0 {
		return v.profile.Sites[place].Stack
	}
	return nil
}

func (v *survey) frames() []memwatch.Frame {
	if v.kept.forgetful {
		return v.kept.frames
	}
	return v.profile.Frames
}

// look measures every stack from snapshot from on, in the order of the table,
// picks those that grow, and sums up what went through their functions.
func (v *survey) look(from int) {
	if v.from == from {
		return
	}
	v.from, v.later = from, from
	v.all, v.movers = v.all[:0], v.movers[:0]
	last := v.n - 1
	if last-from < 1 {
		return
	}
	for v.later < v.n-3 && v.t[v.later] < v.t[from]+(v.t[last]-v.t[from])/3 {
		v.later++
	}
	whole, late := v.slope(from), v.slope(v.later)
	for i := range v.sites {
		if m, ok := v.move(i, &whole, &late); ok {
			v.all = append(v.all, m)
			if m.growth > 0 && m.seen && m.goesOn() && len(m.stack) > 0 {
				v.movers = append(v.movers, m)
			}
		}
	}
	byCertainty(v.movers)
	v.movers = v.movers[:min(len(v.movers), maxMovers)]
	if len(v.movers) > 0 {
		v.blame.fill(v.frames(), v.all, v.movers)
	}
}
