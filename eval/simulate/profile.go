package simulate

import (
	"math"
	"time"

	"github.com/zupee/memwatch"
)

// period is runtime.MemProfileRate: one sample in so many bytes, on average.
const period = 512 * kib

// sampling is what the profiler has of one site: how many of its objects are
// sampled and live, and how many were ever sampled.
type sampling struct {
	seen       sight // what was shown when last drawn
	live, born int64
}

// draw moves the sampled counts to what is shown now. Each object is in the
// profile with a chance given by its size alone, from its birth to its death:
// births add a Poisson number, deaths thin out what was there.
func (s *site) draw(r source) {
	k := &s.sampled
	if s.shown == k.seen {
		return
	}
	size := max(1, s.size)
	p := sampleChance(size)
	was, now := k.seen.held/size, s.shown.held/size
	born := max(0, s.shown.born-k.seen.born) / size
	died := max(0, was+born-now)
	stay := 1.0
	if mean := (was + now) / 2; mean > 0 && died > 0 {
		stay = math.Exp(-died / mean)
	}
	if was > 0 {
		stay = min(stay, now/was)
	}
	fresh := max(0, min(now-was*stay, born)) * p
	k.live = r.binomial(k.live, stay)
	added := r.poisson(fresh)
	k.live += added
	k.born += added + r.poisson(born*p-fresh)
	k.seen = s.shown
}

func sampleChance(size float64) float64 { return -math.Expm1(-size / period) }

// heapProfile is the profile as served now: what was live at the end of the
// last GC but one, scaled up from the samples.
func (p *process) heapProfile(r source, now time.Time) *memwatch.Sites {
	out := &memwatch.Sites{Kind: memwatch.HeapProfile, Time: now, PeriodBytes: period, Frames: p.prog.frames}
	out.Sites = make([]memwatch.Site, 0, len(p.sites))
	for i := range p.sites {
		s := &p.sites[i]
		if s.where != onHeap {
			continue
		}
		s.draw(r)
		k := &s.sampled
		if k.born == 0 {
			continue
		}
		size := max(1, s.size)
		scale := 1 / sampleChance(size)
		out.Sites = append(out.Sites, memwatch.Site{
			Key: s.key, Stack: s.stack,
			LiveObjects: round(float64(k.live) * scale), LiveBytes: round(float64(k.live) * scale * size),
			AllocObjects: round(float64(k.born) * scale), AllocBytes: round(float64(k.born) * scale * size),
		})
	}
	return out
}

// goroutineProfile counts exactly.
func (p *process) goroutineProfile(now time.Time) *memwatch.Sites {
	out := &memwatch.Sites{Kind: memwatch.GoroutineProfile, Time: now, Frames: p.prog.frames}
	for i := range p.groups {
		g := &p.groups[i]
		if g.held >= 1 {
			out.Sites = append(out.Sites, memwatch.Site{Key: g.key, Stack: g.stack, LiveObjects: round(g.held)})
		}
	}
	return out
}

func round(x float64) int64 { return int64(math.Round(x)) }
