package detector

import "slices"

const (
	blockReadings = 3  // readings that a block of the lowest level spans, at least
	levelBlocks   = 48 // blocks that a level keeps
	levels        = 5
	childBlocks   = 4 // blocks of one level that make one of the next
)

// block is the summary of a stretch of readings: when it closed, in seconds of
// the process's life, and its typical value.
type block struct{ t, v float64 }

// pyramid keeps a series at many time scales in bounded memory.
type pyramid struct {
	open  [8]float64
	n     int // values in open
	ticks int // readings since the last close
	level [levels]ring
}

type ring struct {
	b     [levelBlocks]block
	n     int // blocks held
	next  int
	total int
}

func (p *pyramid) add(_ float64, v float64) {
	if p.n == len(p.open) {
		copy(p.open[:], p.open[1:])
		p.n--
	}
	p.open[p.n] = v
	p.n++
}

// tick counts a reading and reports whether a block closed.
func (p *pyramid) tick(t float64) bool {
	p.ticks++
	if p.ticks < blockReadings || p.n == 0 {
		return false
	}
	s := p.open[:p.n]
	slices.Sort(s)
	p.push(0, block{t, s[(len(s)-1)/2]})
	p.n, p.ticks = 0, 0
	return true
}

func (p *pyramid) push(l int, b block) {
	r := &p.level[l]
	r.b[r.next] = b
	r.next = (r.next + 1) % levelBlocks
	r.n = min(r.n+1, levelBlocks)
	r.total++
	if l+1 < levels && r.total%childBlocks == 0 {
		var kids [childBlocks]float64
		for i := range kids {
			kids[i] = r.at(r.n - childBlocks + i).v
		}
		slices.Sort(kids[:])
		p.push(l+1, block{b.t, kids[1]})
	}
}

// at is the i-th block, oldest first.
func (r *ring) at(i int) block { return r.b[(r.next-r.n+i+levelBlocks)%levelBlocks] }
