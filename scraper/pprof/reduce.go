package pprof

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/pprof/profile"

	"github.com/zupee/memwatch"
)

// columns are the places of the values that a profile has; -1 where it has none.
type columns struct {
	liveBytes, liveObjects, allocBytes, allocObjects int
}

// columnsOf finds the values by name: runtimes order them differently
// (Go: alloc_objects, alloc_space, inuse_objects, inuse_space; Node: objects, space).
func columnsOf(types []string, kind memwatch.ProfileKind) (columns, error) {
	find := func(names ...string) int {
		for _, name := range names {
			if i := slices.Index(types, name); i >= 0 {
				return i
			}
		}
		return -1
	}
	if kind == memwatch.HeapProfile {
		c := columns{
			liveBytes: find("inuse_space", "space"), liveObjects: find("inuse_objects", "objects"),
			allocBytes: find("alloc_space"), allocObjects: find("alloc_objects"),
		}
		if c.liveBytes < 0 {
			return c, fmt.Errorf("no live heap in it: want a sample type inuse_space or space, found %s", strings.Join(types, ", "))
		}
		return c, nil
	}
	c := columns{liveBytes: -1, liveObjects: find("goroutine", "goroutineleak", "count", "goroutines"), allocBytes: -1, allocObjects: -1}
	if c.liveObjects < 0 {
		return c, fmt.Errorf("no goroutine count in it: want a sample type goroutine, found %s", strings.Join(types, ", "))
	}
	return c, nil
}

func (d *Decoder) reduce(p *profile.Profile, kind memwatch.ProfileKind, at time.Time) (*memwatch.Sites, error) {
	types := make([]string, len(p.SampleType))
	for i, t := range p.SampleType {
		types[i] = t.Type
	}
	cols, err := columnsOf(types, kind)
	if err != nil {
		return nil, err
	}
	d.table.begin()
	out := &memwatch.Sites{Kind: kind, Time: at}
	if kind == memwatch.HeapProfile && p.Period > 0 {
		out.PeriodBytes = p.Period
	}
	seen := make(map[uint64]int, len(p.Sample))
	var calls []call
	for _, s := range p.Sample {
		calls = appendCalls(calls[:0], s)
		if len(calls) == 0 || ownScrape(calls) {
			continue
		}
		key := keyOf(calls)
		i, ok := seen[key]
		if !ok {
			i = len(out.Sites)
			seen[key] = i
			out.Sites = append(out.Sites, memwatch.Site{Key: key, Stack: d.table.stack(key, calls)})
		}
		site := &out.Sites[i]
		site.LiveBytes += value(s, cols.liveBytes)
		site.LiveObjects += value(s, cols.liveObjects)
		site.AllocBytes += value(s, cols.allocBytes)
		site.AllocObjects += value(s, cols.allocObjects)
	}
	out.Frames = d.table.frames
	return out, nil
}

// value reads a column; a negative number is no measurement.
func value(s *profile.Sample, column int) int64 {
	if column < 0 || column >= len(s.Value) {
		return 0
	}
	return max(s.Value[column], 0)
}

// call is one function call of a stack.
type call struct {
	function, file string
	line           int64
}

// maxDepth bounds a stack; Go's own profiles end at 128 frames.
const maxDepth = 512

// appendCalls spells out a sample's stack leaf first, inlined calls included.
func appendCalls(calls []call, s *profile.Sample) []call {
	for _, loc := range s.Location {
		for _, l := range loc.Line {
			if len(calls) == maxDepth {
				return calls
			}
			if l.Function != nil {
				calls = append(calls, call{l.Function.Name, l.Function.Filename, l.Line})
			}
		}
	}
	return calls
}

// ownScrape reports whether a stack belongs to the profiler at work: reading a
// profile allocates, and must not show up as growth of the target. Code that
// merely runs under profiler labels (pprof.Do) is the program's own.
func ownScrape(calls []call) bool {
	for _, c := range calls {
		if strings.HasPrefix(c.function, "net/http/pprof.") {
			return true
		}
		if name, ok := strings.CutPrefix(c.function, "runtime/pprof."); ok &&
			!strings.HasPrefix(name, "Do") && !strings.Contains(name, "Label") {
			return true
		}
	}
	return false
}
