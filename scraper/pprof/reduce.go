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

// add counts a sample's values; a negative number is no measurement.
func (c columns) add(site *memwatch.Site, values []int64) {
	value := func(column int) int64 {
		if column < 0 || column >= len(values) {
			return 0
		}
		return max(values[column], 0)
	}
	site.LiveBytes += value(c.liveBytes)
	site.LiveObjects += value(c.liveObjects)
	site.AllocBytes += value(c.allocBytes)
	site.AllocObjects += value(c.allocObjects)
}

// maxDepth bounds a stack; Go's own profiles end at 128 frames.
const maxDepth = 512

// reduce is the reference: slow, and right for whatever google/pprof reads.
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
	seen := make(map[uint64]int32, len(p.Sample))
	var frames []uint32
	for _, s := range p.Sample {
		frames = d.frames(frames[:0], s)
		if site := d.table.site(out, seen, frames); site != nil {
			cols.add(site, s.Value)
		}
	}
	out.Frames = d.table.frames
	return out, nil
}

// frames spells out a sample's stack leaf first, inlined calls included.
func (d *Decoder) frames(frames []uint32, s *profile.Sample) []uint32 {
	for _, loc := range s.Location {
		for _, l := range loc.Line {
			if len(frames) == maxDepth {
				return frames
			}
			if l.Function != nil {
				function, file := d.table.name([]byte(l.Function.Name)), d.table.name([]byte(l.Function.Filename))
				frames = append(frames, d.table.frame(frameKey{function, file, l.Line}))
			}
		}
	}
	return frames
}

// site returns the place of a stack in out, each stack once; nil for one that
// does not count.
func (t *table) site(out *memwatch.Sites, seen map[uint64]int32, frames []uint32) *memwatch.Site {
	if len(frames) == 0 {
		return nil
	}
	key, stack, ok := t.stack(frames)
	if !ok {
		return nil
	}
	i, known := seen[key]
	if !known {
		i = int32(len(out.Sites))
		seen[key] = i
		out.Sites = append(out.Sites, memwatch.Site{Key: key, Stack: stack})
	}
	return &out.Sites[i]
}
