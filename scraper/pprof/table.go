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

// What a table may hold to be used again, and the names that it remembers: past
// that it starts afresh.
const (
	keptCalls     = 1 << 20
	keptFrames    = 1 << 16
	keptSites     = 1 << 15
	keptNameBytes = 2 << 20
)

// table holds the frames, stacks and sites of one profile, in memory that the
// next one uses again. Names live longer: each is held one time, however many
// frames and profiles have it.
type table struct {
	frames []memwatch.Frame
	calls  []uint32 // of all stacks, one after the other
	sites  []memwatch.Site
	byKey  map[uint64]uint32
	names  map[string]string // be it a function or a file
	bytes  int               // of names
}

// begin prepares for one more profile.
func (t *table) begin() {
	t.frames, t.calls, t.sites = t.frames[:0], t.calls[:0], t.sites[:0]
	if cap(t.calls) > keptCalls || cap(t.frames) > keptFrames || cap(t.sites) > keptSites || t.byKey == nil {
		t.frames, t.calls, t.sites, t.byKey = nil, nil, nil, map[uint64]uint32{}
	}
	clear(t.byKey)
	if t.bytes > keptNameBytes || t.names == nil {
		t.names, t.bytes = map[string]string{}, 0
	}
}

// site is where the present sample's stack is counted.
func (t *table) site(s *scratch, key uint64) (*memwatch.Site, error) {
	place, known := t.byKey[key]
	if !known {
		if err := full(len(t.sites), maxSites, "stacks"); err != nil {
			return nil, err
		}
		if err := full(len(t.calls), maxCalls-maxDepth, "calls in all stacks"); err != nil {
			return nil, err
		}
		place = uint32(len(t.sites))
		t.byKey[key] = place
		t.sites = append(t.sites, memwatch.Site{Key: key, Stack: t.intern(s)})
	}
	return &t.sites[place], nil
}

// intern turns the lines of the present sample's stack into calls, leaf first.
func (t *table) intern(s *scratch) []uint32 {
	from := len(t.calls)
	for _, place := range s.ids {
		p := &s.parts[place]
		if p.frame == 0 {
			t.spell(s, place)
		}
		first, end := p.frame-1, p.frame-1+p.calls
		if p.allocators && len(t.calls) == from {
			first += s.leading(place)
		}
		end = min(end, first+uint32(maxDepth-(len(t.calls)-from)))
		for ; first < end; first++ {
			t.calls = append(t.calls, first)
		}
	}
	return t.calls[from:len(t.calls):len(t.calls)]
}

// spell makes frames of a location's lines that count, one after the other.
func (t *table) spell(s *scratch, place uint64) {
	loc := &s.locations[place]
	s.parts[place].frame = uint32(len(t.frames)) + 1
	for i := loc.from; i < loc.to; i++ {
		if l := &s.lines[i]; l.whose != nobodys {
			name, file := t.source(s, l)
			t.frames = append(t.frames, memwatch.Frame{Function: name, File: file, Line: int(l.number)})
		}
	}
}

// leading is how many of a location's lines that count are the allocator's own,
// before any other.
func (s *scratch) leading(place uint64) (n uint32) {
	loc := &s.locations[place]
	for i := loc.from; i < loc.to; i++ {
		switch s.lines[i].whose {
		case allocators:
			n++
		case nobodys:
		default:
			return n
		}
	}
	return n
}

// once is a text that lives as long as anybody has it.
func (t *table) once(text []byte) string {
	known, ok := t.names[string(text)]
	if !ok {
		known = string(text)
		t.names[known] = known
		t.bytes += len(known)
	}
	return known
}

// source is a line's function and file.
func (t *table) source(s *scratch, l *line) (name, file string) {
	if l.name != 0 {
		return t.once(s.text(l.name)), t.once(s.text(l.file))
	}
	place, ok := s.functionIDs.get(l.function)
	if !ok {
		return "", ""
	}
	f := &s.functions[place]
	if !f.spelt {
		f.spelt, f.text, f.path = true, t.once(s.text(f.name)), t.once(s.text(f.file))
	}
	return f.text, f.path
}
