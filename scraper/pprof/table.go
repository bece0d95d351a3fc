package pprof

import (
	"github.com/zupee/memwatch"
)

// What one profile may come to. The detector follows fewer sites than that.
const (
	maxSites = 1 << 16
	// maxCalls bounds all stacks together.
	maxCalls = 1 << 21
)

// A target that never stops inventing stacks (generated code, plugins) must
// not grow the table without end: past these, it starts afresh. Keys do not
// depend on the table, so nothing downstream notices.
const (
	keptFrames = 1 << 17
	keptStacks = 1 << 16
	keptCalls  = 1 << 21
)

// table interns frames and stacks across the profiles of one target.
type table struct {
	frames  []memwatch.Frame
	byFrame map[uint64]uint32 // by a line's hash
	names   map[string]string // each once, be it a function or a file
	stacks  []stack
	byKey   map[uint64]uint32
	calls   int    // of all stacks
	round   uint32 // which profile this is
}

type stack struct {
	frames []uint32
	// round is the profile that has the stack, site its place in there.
	round, site uint32
}

// begin prepares for one more profile. Earlier Sites keep the tables they have.
func (t *table) begin() {
	if t.byKey == nil || len(t.frames) > keptFrames || len(t.stacks) > keptStacks || t.calls > keptCalls {
		*t = table{byFrame: map[uint64]uint32{}, names: map[string]string{}, byKey: map[uint64]uint32{}, round: t.round}
	}
	t.round++
}

// site is the place in out where the present sample's stack is counted.
func (t *table) site(s *scratch, key uint64, out *memwatch.Sites) (*memwatch.Site, error) {
	place, known := t.byKey[key]
	if !known {
		s.spell()
		t.calls += len(s.stack)
		if err := full(t.calls, keptCalls+maxCalls, "calls in all stacks"); err != nil {
			return nil, err
		}
		place = uint32(len(t.stacks))
		t.byKey[key] = place
		t.stacks = append(t.stacks, stack{frames: t.intern(s)})
	}
	st := &t.stacks[place]
	if st.round != t.round {
		if err := full(len(out.Sites), maxSites, "stacks"); err != nil {
			return nil, err
		}
		st.round, st.site = t.round, uint32(len(out.Sites))
		if out.Sites == nil {
			out.Sites = make([]memwatch.Site, 0, min(len(t.stacks)+64, maxSites))
		}
		out.Sites = append(out.Sites, memwatch.Site{Key: key, Stack: st.frames})
	}
	return &out.Sites[st.site], nil
}

// intern turns the spelt stack's lines into frames.
func (t *table) intern(s *scratch) []uint32 {
	frames := make([]uint32, len(s.stack))
	for i, at := range s.stack {
		l := &s.lines[at]
		id, ok := t.byFrame[l.hash]
		if !ok {
			name, file := s.source(l)
			id = uint32(len(t.frames))
			t.frames = append(t.frames, memwatch.Frame{Function: t.once(name), File: t.once(file), Line: int(l.number)})
			t.byFrame[l.hash] = id
		}
		frames[i] = id
	}
	return frames
}

// once is a text that lives as long as the table, held one time however many
// frames have it.
func (t *table) once(text []byte) string {
	known, ok := t.names[string(text)]
	if !ok {
		known = string(text)
		t.names[known] = known
	}
	return known
}

// source is a line's function and file.
func (s *scratch) source(l *line) (name, file []byte) {
	if l.name != 0 {
		return s.text(l.name), s.text(l.file)
	}
	if place, ok := s.functionIDs.get(l.function); ok {
		name, file = s.text(s.functions[place].name), s.text(s.functions[place].file)
	}
	return name, file
}
