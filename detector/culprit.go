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
		for i := range table.owners {
			o := &table.owners[i]
			if len(out) == maxCulprits {
				return out
			}
			if table == &d.heap && d.state.ev.kind == memwatch.KindGoroutine && o.runtimes() {
				continue // the goroutines themselves, as the heap profile sees them
			}
			if slices.ContainsFunc(out, func(c memwatch.Culprit) bool { return c.Function == o.Function }) {
				continue
			}
			out = append(out, d.culprit(table, o, unit))
		}
	}
	return out
}

// suspect is an owner behind growth: a culprit, save for what depends on the
// whole.
type suspect struct {
	memwatch.Culprit
	growth, gap float64            // in the units of its table, and seconds
	held        [snapshots]float64 // by the stacks of it that grow
	objects     float64
}

func (o *suspect) runtimes() bool { return strings.HasPrefix(o.Function, "runtime.") }

// maxSuspects are enough for maxCulprits, whichever of them a verdict passes over.
const maxSuspects = 2 * maxCulprits

// suspects names the owners of all that grows, surest first.
func (v *survey) suspects() []suspect {
	var out []suspect
	others := 0
	for _, g := range v.groups(0, false) {
		o := suspect{growth: g.growth, gap: g.gap}
		o.Function = g.owner
		if g.growth <= 0 || g.gap <= 0 || len(out) >= maxSuspects && (o.runtimes() || others >= maxSuspects) {
			continue
		}
		if !o.runtimes() {
			others++
		}
		m := &g.movers[0]
		o.spell(m.stack, g.at, v.blame.frames)
		for _, m := range g.movers {
			var buf course
			for j, live := range v.history(m.site, &buf).live {
				o.held[j] += float64(live)
			}
			o.objects += float64(m.live) / max(float64(m.size), 1)
		}
		if o.Certainty = memwatch.Likely; g.growth > accumulateZ*g.sd && g.keeps() >= keepsShare {
			o.Certainty = memwatch.Certain
		}
		out = append(out, o)
	}
	return out
}

// spell tells where a culprit allocates: the owner is at a place of the stack.
func (o *suspect) spell(stack []uint32, at int, frames []memwatch.Frame) {
	o.Stack = make([]memwatch.Frame, len(stack))
	for i, id := range stack {
		f := frames[id]
		o.Stack[i] = f
		if o.OwnFrame == "" && isOwn(f) {
			o.OwnFrame = f.Function
		}
	}
	o.File, o.Line, o.Leaf = o.Stack[at].File, o.Stack[at].Line, o.Stack[0].Function
}

func (d *Detector) culprit(table *siteTable, o *suspect, unit float64) memwatch.Culprit {
	c := o.Culprit
	c.LiveBytes, c.LiveObjects = whole(o.held[table.n-1]*unit), whole(o.objects)
	c.History = d.history(table, o, unit)
	c.GrowthBytesPerSecond = o.growth * unit / o.gap
	if total := d.state.ev.tr.slope; total > 0 {
		c.Share = min(1, c.GrowthBytesPerSecond/total)
	}
	return c
}

// history is what an owner's stacks held together at each profile.
func (d *Detector) history(table *siteTable, o *suspect, unit float64) []memwatch.Held {
	out := make([]memwatch.Held, table.n)
	for i := range out {
		at := d.clock.origin.Add(time.Duration(table.t[i] * float64(time.Second)))
		out[i] = memwatch.Held{Timestamp: memwatch.Milli(at), LiveBytes: whole(o.held[i] * unit)}
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
