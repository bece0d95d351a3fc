package detector

import (
	"slices"

	"github.com/zupee/memwatch"
)

// keptStacks are the stacks of sites by their place in the table, for profiles
// that leave out what holds nothing any more: those of goroutines, and of heaps
// that do not count allocations. What was given up is to be known by its stack
// then. Go's heap profiles list each stack for ever; of them nothing is kept.
type keptStacks struct {
	forgetful bool // profiles are such
	frames    []memwatch.Frame
	stacks    [][]uint32
	calls     int // in all stacks
	number    map[memwatch.Frame]uint32
}

// mostCalls bounds what is kept; a stack beyond it is known only while it holds
// something.
const mostCalls = 1 << 19

// follow looks what kind of profile there is.
func (k *keptStacks) follow(p *memwatch.Sites) {
	counts := p.Kind == memwatch.HeapProfile &&
		slices.ContainsFunc(p.Sites, func(s memwatch.Site) bool { return s.AllocObjects > 0 })
	switch {
	case counts:
		*k = keptStacks{}
	case len(p.Sites) > 0:
		k.forgetful = true
	}
	k.number = nil
}

// keep takes in a site's stack, once.
func (k *keptStacks) keep(site int, stack []uint32, frames []memwatch.Frame) {
	if !k.forgetful || site < len(k.stacks) && k.stacks[site] != nil || k.calls+len(stack) > mostCalls {
		return
	}
	if k.number == nil {
		k.number = make(map[memwatch.Frame]uint32, len(k.frames))
		for i, f := range k.frames {
			k.number[f] = uint32(i)
		}
	}
	for len(k.stacks) <= site {
		k.stacks = append(k.stacks, nil)
	}
	own := make([]uint32, len(stack))
	for i, id := range stack {
		n, known := k.number[frames[id]]
		if !known {
			n = uint32(len(k.frames))
			k.frames = append(k.frames, frames[id])
			k.number[frames[id]] = n
		}
		own[i] = n
	}
	k.stacks[site], k.calls = own, k.calls+len(own)
}

// move gives a site another place, and cut forgets those from a place on.
func (k *keptStacks) move(to, from int) {
	switch {
	case from < len(k.stacks):
		k.stacks[to] = k.stacks[from]
	case to < len(k.stacks):
		k.stacks[to] = nil
	}
}

func (k *keptStacks) cut(n int) {
	if n >= len(k.stacks) {
		return
	}
	k.stacks = k.stacks[:n]
	frames := k.frames
	k.frames, k.number, k.calls = nil, nil, 0
	for i, stack := range k.stacks {
		k.stacks[i] = nil
		if stack != nil {
			k.keep(i, stack, frames)
		}
	}
}
