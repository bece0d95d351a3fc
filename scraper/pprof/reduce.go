package pprof

import (
	"errors"
	"fmt"
	"math"
	"strings"

	"github.com/zupee/memwatch"
)

// columns are the places of the values that a profile has; -1 where it has none.
type columns struct {
	liveBytes, liveObjects, allocBytes, allocObjects int
}

// columnsOf finds the values by name: runtimes order them differently (Go:
// alloc_objects, alloc_space, inuse_objects, inuse_space; Node.js: objects,
// space; jemalloc: inuse_space alone).
func (s *scratch) columnsOf(kind memwatch.ProfileKind) (columns, error) {
	find := func(names ...string) int {
		for _, name := range names {
			for i, t := range s.types {
				if string(s.text(t)) == name {
					return i
				}
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
			return c, fmt.Errorf("no live heap in it: want a sample type inuse_space or space, found %s", s.typeNames())
		}
		return c, nil
	}
	c := columns{liveBytes: -1, liveObjects: find("goroutine", "goroutineleak", "count", "goroutines"), allocBytes: -1, allocObjects: -1}
	if c.liveObjects < 0 {
		return c, fmt.Errorf("no goroutine count in it: want a sample type goroutine, found %s", s.typeNames())
	}
	return c, nil
}

func (s *scratch) typeNames() string {
	names := make([]string, len(s.types))
	for i, t := range s.types {
		names[i] = fmt.Sprintf("%.40q", s.text(t))
	}
	return strings.Join(names, ", ")
}

// reduce makes Sites of what was gathered.
func (d *Decoder) reduce(s *scratch, kind memwatch.ProfileKind) (*memwatch.Sites, error) {
	if len(s.types) == 0 {
		return nil, fmt.Errorf("%w: it names no sample type", ErrNotProfile)
	}
	cols, err := s.columnsOf(kind)
	if err != nil {
		return nil, err
	}
	d.table.begin()
	out := &memwatch.Sites{}
	if kind == memwatch.HeapProfile && s.period > 0 {
		out.PeriodBytes = s.period
	}
	for place := range s.parts { // in their order in memory: stacks visit them in none
		s.name(place)
	}
	for rest := s.samples; len(rest) > 0; {
		var size uint64
		size, rest = uvarint(rest)
		if err := s.sample(rest[:size]); err != nil {
			return nil, fmt.Errorf("%w: a sample: %w", ErrNotProfile, err)
		}
		rest = rest[size:]
		if err := d.add(s, &cols); err != nil {
			return nil, err
		}
	}
	out.Frames, out.Sites = d.table.frames, d.table.sites
	return out, nil
}

// sample makes out one message: places of locations, leaf first, and values.
func (s *scratch) sample(b []byte) (err error) {
	s.ids, s.values = s.ids[:0], s.values[:0]
	var f field
	for len(b) > 0 {
		if b, err = take(b, &f); err != nil {
			return err
		}
		switch f.number {
		case 1:
			s.ids, err = f.numbers(s.ids)
		case 2:
			s.values, err = f.numbers(s.values)
		}
		if err != nil {
			return err
		}
	}
	if len(s.values) != len(s.types) {
		return fmt.Errorf("%d values of %d types", len(s.values), len(s.types))
	}
	for i, id := range s.ids {
		place, ok := s.locationIDs.get(id)
		if !ok {
			return errors.New("a location that is not there")
		}
		s.ids[i] = uint64(place)
	}
	return nil
}

// add counts the scratch's present sample.
func (d *Decoder) add(s *scratch, cols *columns) error {
	key := s.key()
	if key == 0 {
		return nil
	}
	site, err := d.table.site(s, key)
	if err != nil {
		return err
	}
	s.sum(&site.LiveBytes, cols.liveBytes)
	s.sum(&site.LiveObjects, cols.liveObjects)
	s.sum(&site.AllocBytes, cols.allocBytes)
	s.sum(&site.AllocObjects, cols.allocObjects)
	return nil
}

// key identifies the present sample's stack, 0 for one that does not count. It
// comes of functions and lines, never of addresses or files: the same stack has
// the same key across scrapes, restarts, address layouts and folders that it was
// built in. Calls that were inlined count like others, the allocator's own at
// the leaf do not.
//
// It is a polynomial over the lines' hashes, so that a location's lines can be
// taken together: nearly all stacks of a profile are known already, and to tell
// so is most of the work.
func (s *scratch) key() (key uint64) {
	n := 0
	for _, place := range s.ids {
		p := &s.parts[place]
		switch {
		case p.profilers:
			return 0
		case p.allocators && n == 0, n+int(p.calls) > maxDepth:
			return s.spell()
		}
		key, n = key*p.factor+p.hash, n+int(p.calls)
	}
	if n == 0 {
		return 0
	}
	return max(key, 1)
}

// spell is the key line by line, for stacks of which not every line counts.
func (s *scratch) spell() (key uint64) {
	n := 0
	for _, place := range s.ids {
		loc, p := &s.locations[place], &s.parts[place]
		if p.profilers {
			return 0
		}
		for i := loc.from; i < loc.to && n < maxDepth; i++ {
			l := &s.lines[i]
			if l.whose == nobodys || l.whose == allocators && n == 0 {
				continue
			}
			n++
			key = key*keyFactor + l.hash
		}
	}
	if n == 0 {
		return 0
	}
	return max(key, 1)
}

// keyFactor is odd, and as good as random.
const keyFactor = 0x9e3779b97f4a7c15

// maxValue is far beyond any memory; what is more is no measurement.
const maxValue = math.MaxInt64 / 4

// sum adds a value of the present sample, if the profile has it. Negative
// numbers are no measurement either.
func (s *scratch) sum(to *int64, column int) {
	if column >= 0 {
		*to = min(*to+min(max(int64(s.values[column]), 0), maxValue), maxValue)
	}
}
