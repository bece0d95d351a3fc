package memwatch

import "time"

// ProfileKind says what a profile counts.
type ProfileKind string

// The kinds of profile.
const (
	HeapProfile          ProfileKind = "heap"
	GoroutineProfile     ProfileKind = "goroutine"
	GoroutineLeakProfile ProfileKind = "goroutineleak"
	// OtherProfile is any other that a person brought to look at.
	OtherProfile ProfileKind = "other"
)

// Frame is one call of a stack.
type Frame struct {
	Function string `json:"function"`
	File     string `json:"file,omitempty"`
	Line     int    `json:"line,omitempty"`
}

// Site is one allocation stack (or goroutine stack) with what it holds.
type Site struct {
	// Key identifies the stack by its functions and lines, never by address:
	// the same across scrapes, restarts and builds of the same source.
	Key uint64
	// Stack indexes Sites.Frames, leaf first.
	Stack []uint32
	// LiveBytes and LiveObjects are inuse_space and inuse_objects as of the last
	// completed GC. For goroutine profiles LiveObjects is the number of
	// goroutines and LiveBytes is zero.
	LiveBytes, LiveObjects int64
	// AllocBytes and AllocObjects count since the process started (alloc_space,
	// alloc_objects); zero where the profile has none.
	AllocBytes, AllocObjects int64
}

// Sites is one profile reduced to its stacks, each at most once. Whoever made it
// says for how long it is good; what is to last longer has to be copied. Stacks
// and frames may be shared and must not be written to.
type Sites struct {
	Kind ProfileKind
	// Time is when the profile was read, by the agent's clock.
	Time time.Time
	// PeriodBytes is the mean number of bytes between heap samples
	// (runtime.MemProfileRate); 0 when unknown or not a heap profile.
	PeriodBytes int64
	Frames      []Frame
	Sites       []Site
}

// Frame returns the i-th frame of a site, leaf first.
func (s *Sites) Frame(site *Site, i int) *Frame { return &s.Frames[site.Stack[i]] }

// Stack spells out a site's stack, leaf first.
func (s *Sites) Stack(site *Site) []Frame {
	out := make([]Frame, len(site.Stack))
	for i := range out {
		out[i] = *s.Frame(site, i)
	}
	return out
}
