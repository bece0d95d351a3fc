package detector

import (
	"slices"
	"strings"
	"time"

	"github.com/zupee/memwatch"
)

// maxCulprits are named, the surest first.
const maxCulprits = 5

// culprits names the owners behind the growth.
func (d *Detector) culprits() []memwatch.Culprit {
	out := d.owners()
	// Sites are measured apart from the whole, and each has an error of its own:
	// together they are never more than all of it.
	sum := 0.0
	for i := range out {
		sum += out[i].Share
	}
	for i := range out {
		out[i].Share /= max(1, sum)
	}
	return out
}

func (d *Detector) owners() []memwatch.Culprit {
	out := []memwatch.Culprit{}
	var tables []*siteTable
	unit := 1.0
	if d.state.ev.kind == memwatch.KindGoroutine {
		out = d.proven(out)
	}
	switch d.state.ev.kind {
	case memwatch.KindGoroutine:
		tables = []*siteTable{&d.stacks, &d.heap}
		unit = d.perGoroutine()
	case memwatch.KindHeap:
		tables = []*siteTable{&d.heap}
	}
	for _, table := range tables {
		if table != &d.stacks {
			unit = 1
		}
		for _, g := range table.groups(0, false) {
			if len(out) == maxCulprits {
				return out
			}
			if table == &d.heap && d.state.ev.kind == memwatch.KindGoroutine && strings.HasPrefix(g.owner, "runtime.") {
				continue // the goroutines themselves, as the heap profile sees them
			}
			if slices.ContainsFunc(out, func(c memwatch.Culprit) bool { return c.Function == g.owner }) {
				continue
			}
			if g.growth > 0 && g.gap > 0 {
				out = append(out, d.culprit(table, &g, unit))
			}
		}
	}
	return out
}

func (d *Detector) culprit(table *siteTable, g *group, unit float64) memwatch.Culprit {
	m := &g.movers[0]
	c := memwatch.Culprit{Function: g.owner, Certainty: memwatch.Likely}
	for i, id := range m.stack {
		f := table.frames[id]
		c.Stack = append(c.Stack, f)
		if i == g.at {
			c.File, c.Line = f.File, f.Line
		}
		if c.OwnFrame == "" && isOwn(f) {
			c.OwnFrame = f.Function
		}
	}
	c.Leaf = c.Stack[0].Function
	held, objects := 0.0, 0.0
	for _, m := range g.movers {
		live := float64(m.live[table.n-1])
		held += live * unit
		objects += live / max(float64(m.size), 1)
	}
	c.LiveBytes, c.LiveObjects = whole(held), whole(objects)
	c.History = d.history(table, g, unit)
	c.GrowthBytesPerSecond = g.growth * unit / g.gap
	if total := d.state.ev.tr.slope; total > 0 {
		c.Share = min(1, c.GrowthBytesPerSecond/total)
	}
	if g.growth > accumulateZ*g.sd && g.keeps() >= keepsShare {
		c.Certainty = memwatch.Certain
	}
	return c
}

// history is what a group's stacks held together at each profile.
func (d *Detector) history(table *siteTable, g *group, unit float64) []memwatch.Held {
	out := make([]memwatch.Held, table.n)
	for i := range out {
		sum := 0.0
		for _, m := range g.movers {
			sum += float64(m.live[i]) * unit
		}
		at := d.clock.origin.Add(time.Duration(table.t[i] * float64(time.Second)))
		out[i] = memwatch.Held{Timestamp: memwatch.Milli(at), LiveBytes: whole(sum)}
	}
	return out
}

// whole is a number of bytes as an integer, whatever a target claims.
func whole(bytes float64) int64 { return int64(min(bytes, 1<<62)) }

// proven names the stacks of goroutines that are lost for good.
func (d *Detector) proven(out []memwatch.Culprit) []memwatch.Culprit {
	b := &blame{frames: d.proof.frames}
	for i := range d.proof.sites[:min(len(d.proof.sites), maxCulprits)] {
		s := &d.proof.sites[i]
		owner := d.proof.frames[s.Stack[b.owner(s.Stack)]]
		c := memwatch.Culprit{
			Function: owner.Function, File: owner.File, Line: owner.Line,
			LiveObjects: s.LiveObjects, LiveBytes: whole(float64(s.LiveObjects) * d.perGoroutine()),
			Share: float64(s.LiveObjects) / float64(d.proof.total), Certainty: memwatch.Certain,
		}
		for _, id := range s.Stack {
			f := d.proof.frames[id]
			c.Stack = append(c.Stack, f)
			if c.OwnFrame == "" && isOwn(f) {
				c.OwnFrame = f.Function
			}
		}
		c.Leaf = c.Stack[0].Function
		c.GrowthBytesPerSecond = d.state.ev.tr.slope * c.Share
		out = append(out, c)
	}
	return out
}
