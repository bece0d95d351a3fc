package detector

import (
	"slices"
	"strings"

	"github.com/zupee/memwatch"
)

// A stack says where memory was allocated; who is to blame is one of its
// frames. The leaf is often a helper that everybody calls (a buffer, a codec),
// and the root is main. The *owner* is found from the leaf upwards: when what
// the caller at hand gets from a function is kept quite differently from what
// its other callers get, the function is a helper, and the blame moves on to
// the caller. It rests where all callers fare alike.

// flow is what went through a function, or through a call, over all stacks.
type flow struct {
	growth float64 // bytes more than before, may be negative
	born   float64 // bytes allocated; negative when the profile does not say
	live   float64 // bytes held now
}

func (f flow) plus(growth, born, live float64) flow {
	if born < 0 || f.born < 0 {
		return flow{f.growth + growth, -1, f.live + live}
	}
	return flow{f.growth + growth, f.born + born, f.live + live}
}

func (f flow) less(g flow) flow {
	born := -1.0
	if f.born >= 0 && g.born >= 0 {
		born = max(0, f.born-g.born)
	}
	return flow{f.growth - g.growth, born, f.live - g.live}
}

// kept is the share of what was allocated that stayed; of what is held, where
// the profile does not count allocations.
func (f flow) kept() float64 {
	if f.born >= 0 {
		return survival(f.growth, f.born)
	}
	if f.live <= 0 {
		return 0
	}
	return max(0, min(1, f.growth/f.live))
}

// A caller's share of a function's memory below which it does not count, and
// the ratio of what two callers keep at which they are not alike.
const (
	otherWeight = 0.02
	otherKept   = 0.5
	// replaced is the part of the growth that, given up by the other callers,
	// makes it a replacement.
	replaced = 0.3
)

// blame knows what went through the functions on some stacks. Functions go by
// number: those of the stacks that are looked at, and no others, have one.
type blame struct {
	frames  []memwatch.Frame
	numbers map[string]int32
	of      []int32 // by frame; -1 for none
	funcs   []flow
	calls   [][]call // by callee
	seen    []int32  // by function: by which stack last, to count recursion once
	owners  []int32  // room for places
}

// call is what went from a function to a caller.
type call struct {
	caller int32
	flow
}

// fill sums up all moves for the functions that are on the stacks of movers.
func (b *blame) fill(frames []memwatch.Frame, all, movers []mover) {
	b.frames = frames
	b.number(movers)
	for i := range all {
		m := &all[i]
		for j, id := range m.stack {
			f := b.of[id]
			if f < 0 || b.seen[f] == int32(i+1) {
				continue
			}
			b.seen[f] = int32(i + 1)
			b.funcs[f] = b.funcs[f].plus(m.late, m.bornLate, float64(m.live))
			if j+1 < len(m.stack) {
				if c := b.between(b.of[m.stack[j+1]], f); c != nil {
					c.flow = c.plus(m.late, m.bornLate, float64(m.live))
				}
			}
		}
	}
}

// number gives the functions and calls of movers their places.
func (b *blame) number(movers []mover) {
	clear(b.numbers)
	for i := range movers {
		for _, id := range movers[i].stack {
			if name := b.frames[id].Function; !b.known(name) {
				b.numbers[name] = int32(len(b.numbers))
			}
		}
	}
	n := len(b.numbers)
	b.funcs, b.seen, b.calls = zeroed(b.funcs, n), zeroed(b.seen, n), slices.Grow(b.calls[:0], n)[:n]
	for i := range b.calls {
		b.calls[i] = b.calls[i][:0]
	}
	b.of = b.of[:0]
	for i := range b.frames {
		f, ok := b.numbers[b.frames[i].Function]
		if !ok {
			f = -1
		}
		b.of = append(b.of, f)
	}
	for i := range movers {
		stack := movers[i].stack
		for j := 1; j < len(stack); j++ {
			if caller, f := b.of[stack[j]], b.of[stack[j-1]]; b.between(caller, f) == nil {
				b.calls[f] = append(b.calls[f], call{caller: caller})
			}
		}
	}
}

func (b *blame) known(name string) bool {
	_, ok := b.numbers[name]
	return ok
}

// between is the call from a caller to a function; nil when nobody asks for it.
func (b *blame) between(caller, f int32) *call {
	for i := range b.calls[f] {
		if c := &b.calls[f][i]; c.caller == caller {
			return c
		}
	}
	return nil
}

// zeroed is s with n elements, all zero.
func zeroed[T any](s []T, n int) []T {
	s = slices.Grow(s[:0], n)[:n]
	clear(s)
	return s
}

// places tells for each frame which of some functions it is of: its place, from
// 1 on, 0 for none. It is good until the next call.
func (b *blame) places(of map[string]int) []int32 {
	b.owners = zeroed(b.owners, len(b.frames))
	for i := range b.frames {
		if b.of[i] >= 0 { // owners are on the stacks of movers
			if place, ok := of[b.frames[i].Function]; ok {
				b.owners[i] = int32(place) + 1
			}
		}
	}
	return b.owners
}

// helper reports whether, at place i of a stack, the other callers of the
// function keep so much less, or more, that the growth is the callers' doing.
func (b *blame) helper(stack []uint32, i int) bool {
	if i+1 >= len(stack) {
		return false
	}
	if b.of == nil {
		return false
	}
	f := b.of[stack[i]]
	all, here := b.funcs[f], flow{}
	if c := b.between(b.of[stack[i+1]], f); c != nil {
		here = c.flow
	}
	others := all.less(here)
	weight := others.live / max(all.live, 1)
	if all.born > 0 {
		weight = max(weight, others.born/all.born)
	}
	if others.growth < -replaced*here.growth && others.born >= 0 && others.born < -others.growth {
		return false // what grows here only shrinks there: one table, loaded anew
	}
	theirs, kept := others.kept(), here.kept()
	return weight >= otherWeight && min(theirs, kept) < otherKept*max(theirs, kept)
}

// owner returns the place in the stack, leaf first, of the frame to blame.
func (b *blame) owner(stack []uint32) int {
	// A program's own code and its dependencies come before the standard
	// library: fall back only where a stack has no such frame at all.
	for _, eligible := range []func(string) bool{
		func(f string) bool { return !isStandard(f) },
		func(f string) bool { return !strings.HasPrefix(f, "runtime.") && !isHelper(f) },
		func(f string) bool { return !strings.HasPrefix(f, "runtime.") },
	} {
		found := -1
		for i, id := range stack {
			if !eligible(b.frames[id].Function) {
				continue
			}
			if found = i; !b.helper(stack, i) {
				break
			}
		}
		if found >= 0 {
			return found
		}
	}
	return 0
}

// standard are the first path elements of Go's standard library. A module path
// without a dot looks just like one of them, so the list is spelt out.
var standard = func() map[string]bool {
	m := make(map[string]bool)
	for _, p := range strings.Fields(`archive bufio bytes cmp compress container context crypto database debug embed
		encoding errors expvar flag fmt go hash html image index internal io iter log maps math mime net os path plugin
		reflect regexp runtime slices sort strconv strings structs sync syscall testing text time unicode unique unsafe
		vendor weak`) {
		m[p] = true
	}
	return m
}()

// isStandard reports whether a function belongs to Go's runtime or standard library.
func isStandard(function string) bool { return standard[firstElement(function)] }

// isHelper reports whether a standard function merely holds bytes for its
// caller: buffers, codecs, containers.
func isHelper(function string) bool {
	switch firstElement(function) {
	case "bufio", "bytes", "strings", "slices", "maps", "sync", "io", "internal", "encoding", "compress", "reflect", "strconv", "container", "fmt":
		return true
	}
	return false
}

// firstElement is the first element of a function's import path: "net" of
// net/http.(*Server).Serve, "main" of main.main, "go.uber.org" of
// go.uber.org/zap.New.
func firstElement(function string) string {
	function, _, _ = strings.Cut(function, "[") // type arguments have paths of their own
	if first, _, ok := strings.Cut(function, "/"); ok {
		return first
	}
	first, _, _ := strings.Cut(function, ".")
	return first
}

// isOwn reports whether a frame belongs to the program's main module: not the
// standard library, and not a file of a dependency, whose path carries a
// version or a vendor folder.
func isOwn(f memwatch.Frame) bool {
	return !isStandard(f.Function) && !strings.Contains(f.File, "@") && !strings.Contains(f.File, "/vendor/") &&
		strings.Contains(f.Function, ".")
}
