package pprof

import (
	"encoding/binary"
	"hash/fnv"

	"github.com/zupee/memwatch"
)

// A target that never stops inventing stacks (generated code, plugins) must
// not grow the table without end: past these, it starts afresh. Keys do not
// depend on the table, so nothing downstream notices.
const (
	maxFrames = 1 << 17
	maxStacks = 1 << 16
)

// table interns frames and stacks across the profiles of one target.
type table struct {
	frames  []memwatch.Frame
	byFrame map[memwatch.Frame]uint32
	stacks  map[uint64][]uint32
}

// begin prepares for one more profile. Earlier Sites keep the tables they have.
func (t *table) begin() {
	if t.stacks == nil || len(t.frames) > maxFrames || len(t.stacks) > maxStacks {
		*t = table{byFrame: map[memwatch.Frame]uint32{}, stacks: map[uint64][]uint32{}}
	}
}

// stack returns the interned stack of a key.
func (t *table) stack(key uint64, calls []call) []uint32 {
	if s, ok := t.stacks[key]; ok {
		return s
	}
	s := make([]uint32, len(calls))
	for i, c := range calls {
		f := memwatch.Frame{Function: c.function, File: c.file, Line: int(c.line)}
		id, ok := t.byFrame[f]
		if !ok {
			id = uint32(len(t.frames))
			t.frames = append(t.frames, f)
			t.byFrame[f] = id
		}
		s[i] = id
	}
	t.stacks[key] = s
	return s
}

// keyOf hashes functions and lines, never addresses or files: the same stack
// has the same key across scrapes, restarts, address layouts and build folders.
func keyOf(calls []call) uint64 {
	h := fnv.New64a()
	var line [9]byte
	for _, c := range calls {
		_, _ = h.Write([]byte(c.function))
		binary.LittleEndian.PutUint64(line[1:], uint64(c.line))
		_, _ = h.Write(line[:])
	}
	return h.Sum64()
}
