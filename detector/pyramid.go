package detector

import "slices"

// A block sums up a stretch of readings: at least blockReadings of them, and at
// least one completed GC. Between two GCs the live heap is not known to change,
// so a reading without a new cycle is no new evidence; and one GC is a natural
// clock of a process, for it follows its work.
const blockReadings = 3

// Each level keeps levelBlocks blocks; four of one level make one of the next.
// At an interval of 10 s the lowest level reaches back 24 minutes and the
// highest 4 days.
const (
	levelBlocks = 48
	levels      = 5
	childBlocks = 4
)

// block is a stretch of readings: when it closed, in seconds since the process
// was first seen, its typical value, and the allocation rate beside it.
type block struct {
	t    float64
	v    float64
	load float32 // bytes allocated per second; negative when unknown
}

// pyramid keeps one series at many time scales in bounded memory. It starts
// empty; nothing in it allocates.
type pyramid struct {
	open  [blockReadings + 1]float64
	n     int
	level [levels]ring
}

// ring holds the newest blocks of one level.
type ring struct {
	b     [levelBlocks]block
	n     int // blocks held
	next  int
	total int // blocks ever
}

// add puts a value into the open block; of many, the newest count.
func (p *pyramid) add(v float64) {
	if p.n == len(p.open) {
		copy(p.open[:], p.open[1:])
		p.n--
	}
	p.open[p.n] = v
	p.n++
}

// closeBlock ends the open block at t. Its value is the median: one odd reading
// is not a level. It reports false when the block holds nothing.
func (p *pyramid) closeBlock(t float64, load float32) bool {
	if p.n == 0 {
		return false
	}
	p.push(0, block{t, lowMedian(p.open[:p.n]), load})
	p.n = 0
	return true
}

// discard empties the open block.
func (p *pyramid) discard() { p.n = 0 }

func (p *pyramid) push(l int, b block) {
	r := &p.level[l]
	r.b[r.next] = b
	r.next = (r.next + 1) % levelBlocks
	r.n = min(r.n+1, levelBlocks)
	r.total++
	if l+1 == levels || r.total%childBlocks != 0 {
		return
	}
	var v [childBlocks]float64
	var t float64
	var load float32
	for i := range childBlocks {
		kid := r.at(r.n - childBlocks + i)
		v[i] = kid.v
		t += kid.t / childBlocks
		load += kid.load / childBlocks
	}
	// The lower middle: what the heap falls back to matters, not its peaks.
	p.push(l+1, block{t, lowMedian(v[:]), load})
}

// at is the i-th block held, oldest first.
func (r *ring) at(i int) block { return r.b[(r.next-r.n+i+levelBlocks)%levelBlocks] }

// window copies the newest n blocks of a level, oldest first, into buf.
func (p *pyramid) window(l, n int, buf *[levelBlocks]block) []block {
	r := &p.level[l]
	n = min(n, r.n)
	for i := range n {
		buf[i] = r.at(r.n - n + i)
	}
	return buf[:n]
}

// highest is the highest level that was held, for two blocks at least, before
// time t; 0 when nothing is known of that time.
func (p *pyramid) highest(t float64) float64 {
	top := 0.0
	for l := range p.level {
		r := &p.level[l]
		for i := 0; i+1 < r.n && r.at(i+1).t < t; i++ {
			top = max(top, min(r.at(i).v, r.at(i+1).v))
		}
	}
	return top
}

// loadAt is the allocation rate around time t, by the finest level that
// reaches back to it; -1 when unknown.
func (p *pyramid) loadAt(t float64) float32 {
	for l := range p.level {
		r := &p.level[l]
		if r.n == 0 || r.at(0).t > t && l+1 < levels && p.level[l+1].n > 0 {
			continue
		}
		for i := range r.n {
			if b := r.at(i); b.t >= t {
				return b.load
			}
		}
		return r.at(r.n - 1).load
	}
	return -1
}

// lowMedian sorts v and returns its median, of two the lower.
func lowMedian(v []float64) float64 {
	slices.Sort(v)
	return v[(len(v)-1)/2]
}
