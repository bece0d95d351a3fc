package detector

import (
	"fmt"
	"math"

	"github.com/zupee/memwatch"
)

// gates answers "why" and "why not": every test between nothing and a page,
// with its value, its need and the same in words.
func (d *Detector) gates(ev *evidence, x *danger) []memwatch.Gate {
	tr := &ev.tr
	floor, share := d.floors(ev)
	watched, _ := d.watched(ev)
	out := []memwatch.Gate{
		gate("trend", tr.z, ">= %.3g", d.cfg.Significance, tr.z >= d.cfg.Significance,
			"%s rises through %d blocks of readings: %.1f standard deviations from chance", ev.name, tr.n, tr.z),
		gate("growth", tr.growth, ">= %.6g", math.Max(floor, share*tr.first), tr.growth >= math.Max(floor, share*tr.first),
			"it grew by %s from %s in %s", size(tr.growth), size(math.Max(0, tr.first)), duration(tr.span)), // a line that steepens starts below 0
		gate("plateau", tr.plateau, "< %.3g", rivalMargin, tr.plateau < rivalMargin,
			"log-likelihood by which \"rose, then stopped\" explains the readings better than \"goes on\""),
		gate("step", tr.step, "< %.3g", rivalMargin, tr.step < rivalMargin,
			"log-likelihood by which \"jumped once\" explains the readings better than \"goes on\""),
		gate("ending", tr.ending, ">= %.3g", endingShare, tr.ending >= endingShare,
			"the last third made %.0f %% of the growth; an even pace makes 33 %%", 100*tr.ending),
		gate("lately", ev.lately, ">= %.3g", latelyShare, ev.goesOn,
			"the newest stretch still rises at %.0f %% of its pace at most", 100*math.Max(0, ev.lately)),
		gate("load", d.beyondLoad(ev), ">= %.3g", loadShare, ev.beyondLoad,
			"%.0f %% of the growth is not explained by more allocations per second", 100*math.Max(0, d.beyondLoad(ev))),
		gate("watched", watched, ">= %.6g", math.Max(settleSeconds, lifeShare*d.clock.t), ev.watched,
			"seen for %s; %s that doubled the memory need not be watched for long", duration(watched), size(float64(d.cfg.LeakThresholdBytes))),
	}
	if level := d.heldBefore(ev); level > 0 {
		out = append(out, gate("new", tr.last, "> %.6g", previousMargin*level, ev.fresh,
			"it held %s before and came back from it", size(level)))
	}
	_, _, straight := d.sites(ev)
	out = append(out, gate("bend", tr.bend, "< %.3g, or call sites that go on", bendMargin, tr.bend < bendMargin || straight,
		"log-likelihood by which a curve that flattens out at %s explains the readings better than a line", size(tr.ceiling)))
	if ev.kind == memwatch.KindHeap {
		out = append(out, d.siteGate(ev))
	}
	if ev.kind == memwatch.KindGoroutine && d.proof.read {
		out = append(out, gate("proof", float64(d.proof.total), ">= %.6g", d.proof.needs(), d.proof.settles(),
			"%d goroutines wait for what nobody can reach any more, and will never end; no need to watch them", d.proof.total))
	}
	horizon := gate("horizon", x.sure, "<= %.6g", d.horizon(ev), x.sure <= d.horizon(ev),
		"%s of %s used (limit: %s); a trend is trusted for %.3g times the time it was seen, for less in a process's first hour; growth that no call site accounts for counts by a third",
		size(x.used), size(x.limit), x.source, d.cfg.HorizonFactor)
	return append(out, horizon)
}

// heldBefore is the level that the growth must exceed to be news, in bytes.
func (d *Detector) heldBefore(ev *evidence) float64 {
	if ev.kind != memwatch.KindHeap {
		return 0
	}
	return math.Max(d.previous.plateau, d.series[liveHeap].pyramid.highest(d.clock.t-ev.tr.span))
}

// siteGate tells whether call sites confirm the growth.
func (d *Detector) siteGate(ev *evidence) memwatch.Gate {
	best := d.grown
	if len(ev.groups) > 0 {
		best = ev.groups
	}
	if len(best) == 0 {
		return memwatch.Gate{
			Name: "site", Need: fmt.Sprintf(">= %.3g", accumulateZ),
			Detail: "no call site's growth stands out from sampling noise, or what they allocate is freed again; the process's own growth decides",
		}
	}
	g := &best[0]
	return gate("site", g.growth/math.Max(g.sd, 1), ">= %.3g", accumulateZ, len(ev.groups) > 0,
		"%s keeps %.0f %% of what it allocates and holds %s more than before", g.owner, 100*g.keeps(), size(g.growth))
}

// floors is the least growth that counts for the evidence's series, in bytes.
func (d *Detector) floors(ev *evidence) (floor, share float64) {
	for i := range d.series {
		if s := &d.series[i]; s.kind == ev.kind && s.name == ev.name {
			if i == goroutines {
				return s.floor * d.perGoroutine(), s.share
			}
			return s.floor, s.share
		}
	}
	return heapFloor, 0
}

func gate(name string, value float64, need string, needed float64, passed bool, detail string, args ...any) memwatch.Gate {
	g := memwatch.Gate{Name: name, Need: fmt.Sprintf(need, needed), Passed: passed, Detail: fmt.Sprintf(detail, args...)}
	if !math.IsNaN(value) && !math.IsInf(value, 0) {
		g.Value = &value
	}
	return g
}

// idle are the gates when nothing passed at the last closing: those of the
// series and window that came nearest.
func (d *Detector) idle() (evidence, bool) {
	var best evidence
	most := math.Inf(-1)
	var buf [levelBlocks]block
	for i := range d.series {
		s := &d.series[i]
		for l := levels - 1; l >= 0; l-- {
			w := s.pyramid.window(l, levelBlocks, &buf)
			if len(w) < minPoints {
				continue
			}
			var tr trend
			tr, d.scratch = measure(w, d.scratch)
			if i == goroutines {
				tr = tr.scaled(d.perGoroutine())
			}
			// Growth in units of its floor, where it is significant at all.
			if near := tr.z / d.cfg.Significance * math.Min(1, math.Max(0, tr.growth)/math.Max(s.floor, s.share*tr.first)); near > most {
				most = near
				best = evidence{kind: s.kind, name: s.name, tr: tr, fresh: true, goesOn: true, lately: 1, beyondLoad: tr.beyondLoad >= loadShare}
			}
			break
		}
	}
	return best, best.tr.n > 0
}
