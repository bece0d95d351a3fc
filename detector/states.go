package detector

import "github.com/zupee/memwatch"

type states struct {
	state memwatch.State
	kind  memwatch.Kind
	hits  int
	miss  int
	tr    trend
}

const learnBlocks = 12

func (d *Detector) judge() {
	st := &d.state
	best, kind := trend{}, memwatch.KindNone
	var buf [levelBlocks]block
	for _, c := range []struct {
		p    *pyramid
		kind memwatch.Kind
		unit float64 // bytes a unit, for comparison
		min  float64
	}{{&d.heap, memwatch.KindHeap, 1, 1 << 20}, {&d.routines, memwatch.KindGoroutine, 8192, 20}, {&d.offheap, memwatch.KindOffHeap, 1, 4 << 20}} {
		for l := range levels {
			w := c.p.window(l, buf[:0])
			if len(w) < learnBlocks {
				break
			}
			tr := analyse(w)
			steady := true
			for _, b := range tr.thirds {
				steady = steady && b > 0.3*tr.slope
			}
			if tr.z > d.cfg.Significance && tr.low > 0 && steady && tr.growth > max(c.min, 0.05*tr.first) {
				scaled := tr
				if c.unit != 1 {
					scaled.slope, scaled.low, scaled.high, scaled.growth = tr.slope*c.unit, tr.low*c.unit, tr.high*c.unit, tr.growth*c.unit
				}
				if scaled.growth > best.growth {
					best, kind = scaled, c.kind
				}
			}
		}
	}
	if d.heap.level[0].total >= learnBlocks || d.routines.level[0].total >= learnBlocks {
		if st.state == memwatch.Learning {
			st.state = memwatch.Healthy
		}
	}
	if kind == memwatch.KindNone {
		st.hits = 0
		if st.miss++; st.miss >= 7 && st.state.Rank() >= memwatch.Suspect.Rank() {
			st.state, st.kind = memwatch.Healthy, memwatch.KindNone
		}
		return
	}
	st.miss = 0
	st.hits++
	st.tr, st.kind = best, kind
	switch {
	case st.hits >= 8:
		st.state = memwatch.Leaking
	case st.hits >= 2 && st.state != memwatch.Leaking:
		st.state = memwatch.Suspect
	}
}
