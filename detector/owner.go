package detector

import (
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
// their number in the table of names; calls by the pair.
type blame struct {
	frames []memwatch.Frame
	names  *names
	funcs  []flow
	wanted []bool
	calls  map[[2]int32]flow // caller, callee
}

// names numbers the functions of a growing list of frames.
type names struct {
	of    []int32 // by frame
	count int
}

// follow numbers the frames that are new. A list that is not the old one grown
// longer is numbered afresh.
func (n *names) follow(frames []memwatch.Frame, same bool) {
	if !same || len(frames) < len(n.of) {
		*n = names{of: n.of[:0]}
	}
	if len(frames) == len(n.of) {
		return
	}
	number := make(map[string]int32, len(frames)) // not kept: new frames become rare
	for i, id := range n.of {
		number[frames[i].Function] = id
	}
	for _, f := range frames[len(n.of):] {
		i, ok := number[f.Function]
		if !ok {
			i = int32(len(number))
			number[f.Function] = i
		}
		n.of = append(n.of, i)
	}
	n.count = len(number)
}

// newBlame sums up all moves for the functions that are on the stacks of movers.
func newBlame(frames []memwatch.Frame, n *names, all, movers []mover, last int) *blame {
	b := &blame{
		frames: frames, names: n, funcs: make([]flow, n.count), wanted: make([]bool, n.count),
		calls: make(map[[2]int32]flow, 64),
	}
	for i := range movers {
		for _, id := range movers[i].stack {
			b.wanted[n.of[id]] = true
		}
	}
	seen := make([]int32, n.count) // by which move last, to count recursion once
	for i := range all {
		m := &all[i]
		live := float64(m.live[last])
		for j, id := range m.stack {
			if int(id) >= len(frames) {
				break
			}
			f := n.of[id]
			if !b.wanted[f] || seen[f] == int32(i+1) {
				continue
			}
			seen[f] = int32(i + 1)
			b.funcs[f] = b.funcs[f].plus(m.late, m.bornLate, live)
			if j+1 < len(m.stack) && int(m.stack[j+1]) < len(frames) {
				c := [2]int32{n.of[m.stack[j+1]], f}
				b.calls[c] = b.calls[c].plus(m.late, m.bornLate, live)
			}
		}
	}
	return b
}

// helper reports whether, at place i of a stack, the other callers of the
// function keep so much less, or more, that the growth is the callers' doing.
func (b *blame) helper(stack []uint32, i int) bool {
	if i+1 >= len(stack) {
		return false
	}
	if b.names == nil {
		return false
	}
	f := b.names.of[stack[i]]
	all, here := b.funcs[f], b.calls[[2]int32{b.names.of[stack[i+1]], f}]
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
