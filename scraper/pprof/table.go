package pprof

import (
	"strings"

	"github.com/zupee/memwatch"
)

// A target that never stops inventing stacks (generated code, plugins) must
// not grow the table without end: past these, it starts afresh. Keys do not
// depend on the table, so nothing downstream notices.
const (
	maxFrames = 1 << 17
	maxStacks = 1 << 16
)

// table interns names, frames and stacks across the profiles of one target.
type table struct {
	byName map[string]uint32
	names  []name

	byFrame map[frameKey]uint32
	frames  []memwatch.Frame
	hashes  []uint64 // of frames: function and line
	own     []bool   // frames of the profiler at work

	stacks map[uint64][]uint32
}

// name is a function's name or a file's.
type name struct {
	text string
	hash uint64
	own  bool
}

// frameKey is a frame by the numbers of its names.
type frameKey struct {
	function, file uint32
	line           int64
}

// begin prepares for one more profile. Earlier Sites keep the tables they have.
func (t *table) begin() {
	if t.stacks == nil || len(t.frames) > maxFrames || len(t.stacks) > maxStacks {
		*t = table{byName: map[string]uint32{}, byFrame: map[frameKey]uint32{}, stacks: map[uint64][]uint32{}}
	}
}

// name numbers a name; only a new one costs memory.
func (t *table) name(text []byte) uint32 {
	if i, ok := t.byName[string(text)]; ok {
		return i
	}
	n := name{text: string(text), hash: hashName(text)}
	n.own = isProfiler(n.text)
	i := uint32(len(t.names))
	t.names, t.byName[n.text] = append(t.names, n), i
	return i
}

// frame numbers a frame.
func (t *table) frame(k frameKey) uint32 {
	if i, ok := t.byFrame[k]; ok {
		return i
	}
	f := &t.names[k.function]
	i := uint32(len(t.frames))
	t.frames = append(t.frames, memwatch.Frame{Function: f.text, File: t.names[k.file].text, Line: int(k.line)})
	t.hashes = append(t.hashes, mix(f.hash, uint64(k.line)))
	t.own = append(t.own, f.own)
	t.byFrame[k] = i
	return i
}

// stack returns the interned stack of some frames with its key; ok is false for
// a stack of the profiler at work, which must not show up as the target's growth.
func (t *table) stack(frames []uint32) (key uint64, stack []uint32, ok bool) {
	for _, id := range frames {
		if t.own[id] {
			return 0, nil, false
		}
		key = mix(key, t.hashes[id])
	}
	stack, known := t.stacks[key]
	if !known {
		stack = append([]uint32(nil), frames...)
		t.stacks[key] = stack
	}
	return key, stack, true
}

// isProfiler reports whether a function is the profiler at work: reading a
// profile allocates. Code that merely runs under profiler labels (pprof.Do) is
// the program's own.
func isProfiler(function string) bool {
	if strings.HasPrefix(function, "net/http/pprof.") {
		return true
	}
	rest, ok := strings.CutPrefix(function, "runtime/pprof.")
	return ok && !strings.HasPrefix(rest, "Do") && !strings.Contains(rest, "Label")
}

// Keys hash functions and lines, never addresses or files: the same stack has
// the same key across scrapes, restarts, address layouts and build folders.

// hashName is FNV-1a.
func hashName(b []byte) uint64 {
	h := uint64(14695981039346656037)
	for _, c := range b {
		h = (h ^ uint64(c)) * 1099511628211
	}
	return h
}

// mix takes a number into a hash, in order (the finalizer of MurmurHash3).
func mix(h, v uint64) uint64 {
	h = h*0x9e3779b97f4a7c15 + v + 1
	h = (h ^ h>>33) * 0xff51afd7ed558ccd
	h = (h ^ h>>33) * 0xc4ceb9fe1a85ec53
	return h ^ h>>33
}
