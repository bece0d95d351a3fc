package pprof

import (
	"bytes"
	"time"

	"github.com/klauspost/compress/gzip"

	"github.com/zupee/memwatch"
)

// The fast way through a profile: fields straight to Sites, no object for any
// sample, location or function. It gives what the reference gives; whatever is
// out of the ordinary is left to that. Parts that nobody here reads (mappings,
// labels) are passed over unchecked.

// work is the scratch of one decoding; it holds nothing of a target.
type work struct {
	in    bytes.Reader
	zip   *gzip.Reader
	plain []byte

	types     []uint64 // sample types, by string
	period    int64
	strings   [][]byte // into plain
	functions []function
	locations []location
	lines     []line
	samples   int

	frames []uint32 // of all locations, in order
	stack  []uint32
	values []int64
	seen   map[uint64]int32
}

// function and location are by id; those that were not there are not known.
type function struct {
	known      bool
	name, file uint64 // strings
}

type location struct {
	known    bool
	from, to int32 // in lines, then in frames
}

type line struct {
	function uint64
	line     int64
}

// Numbers of the fields of profile.proto.
const (
	profileSampleType = 1
	profileSample     = 2
	profileLocation   = 4
	profileFunction   = 5
	profileString     = 6
	profilePeriod     = 12
)

// maxValues bounds the sample types of a profile; Go has four.
const maxValues = 16

// stream reads a profile. ok is false where it is not of the ordinary kind.
func (d *Decoder) stream(w *work, kind memwatch.ProfileKind, at time.Time) (out *memwatch.Sites, ok bool) {
	if !w.scan() {
		return nil, false
	}
	types := make([]string, len(w.types))
	for i, s := range w.types {
		if s >= uint64(len(w.strings)) {
			return nil, false
		}
		types[i] = string(w.strings[s])
	}
	cols, err := columnsOf(types, kind)
	if err != nil {
		return nil, false
	}
	d.table.begin()
	if !w.resolve(&d.table) {
		return nil, false
	}
	out = &memwatch.Sites{Kind: kind, Time: at, Sites: make([]memwatch.Site, 0, w.samples)}
	if kind == memwatch.HeapProfile && w.period > 0 {
		out.PeriodBytes = w.period
	}
	clear(w.seen)
	for c := (cursor{b: w.plain}); c.more(); {
		number, _, body, _ := c.field() // scan has seen that they are all sound
		if number != profileSample {
			continue
		}
		if !w.sample(body) {
			return nil, false
		}
		if site := d.table.site(out, w.seen, w.stack); site != nil {
			cols.add(site, w.values)
		}
	}
	out.Frames = d.table.frames
	return out, true
}

// scan reads everything but the samples, whose names come last.
func (w *work) scan() bool {
	w.types, w.strings, w.lines = w.types[:0], w.strings[:0], w.lines[:0]
	w.functions, w.locations = w.functions[:0], w.locations[:0]
	w.period, w.samples = 0, 0
	for c := (cursor{b: w.plain}); c.more(); {
		number, value, body, ok := c.field()
		if !ok {
			return false
		}
		switch number {
		case profileSampleType:
			ok = len(w.types) < maxValues && w.sampleType(body)
		case profileSample:
			ok = body != nil
			w.samples++
		case profileLocation:
			ok = w.location(body)
		case profileFunction:
			ok = w.function(body)
		case profileString:
			ok = body != nil
			w.strings = append(w.strings, body)
		case profilePeriod:
			w.period = int64(value)
		}
		if !ok {
			return false
		}
	}
	return len(w.strings) > 0 && len(w.strings[0]) == 0 && len(w.types) > 0
}

func (w *work) sampleType(b []byte) bool {
	var name uint64
	for c := (cursor{b: b}); c.more(); {
		number, value, _, ok := c.field()
		if !ok {
			return false
		}
		if number == 1 {
			name = value
		}
	}
	w.types = append(w.types, name)
	return true
}

func (w *work) location(b []byte) bool {
	var id uint64
	loc := location{known: true, from: int32(len(w.lines))}
	for c := (cursor{b: b}); c.more(); {
		number, value, body, ok := c.field()
		if !ok {
			return false
		}
		switch number {
		case 1:
			id = value
		case 4:
			if !w.line(body) {
				return false
			}
		}
	}
	loc.to = int32(len(w.lines))
	var ok bool
	w.locations, ok = put(w.locations, id, len(w.plain))
	if !ok || w.locations[id].known {
		return false
	}
	w.locations[id] = loc
	return true
}

func (w *work) line(b []byte) bool {
	var l line
	for c := (cursor{b: b}); c.more(); {
		number, value, _, ok := c.field()
		if !ok {
			return false
		}
		switch number {
		case 1:
			l.function = value
		case 2:
			l.line = int64(value)
		}
	}
	w.lines = append(w.lines, l)
	return true
}

func (w *work) function(b []byte) bool {
	var id uint64
	f := function{known: true}
	for c := (cursor{b: b}); c.more(); {
		number, value, _, ok := c.field()
		if !ok {
			return false
		}
		switch number {
		case 1:
			id = value
		case 2:
			f.name = value
		case 4:
			f.file = value
		}
	}
	var ok bool
	w.functions, ok = put(w.functions, id, len(w.plain))
	if !ok || w.functions[id].known {
		return false
	}
	w.functions[id] = f
	return true
}

// put makes room for an id. Ids are dense in every profile that is written in
// earnest: one beyond the number of bytes cannot be.
func put[T any](s []T, id uint64, limit int) ([]T, bool) {
	if id == 0 || id > uint64(limit) {
		return s, false
	}
	for n := int(id) + 1; len(s) < n; {
		if n <= cap(s) {
			old := len(s)
			s = s[:n]
			clear(s[old:])
			break
		}
		var zero T
		s = append(s, zero)
	}
	return s, true
}

// resolve gives the frames of each location their numbers in the table.
func (w *work) resolve(t *table) bool {
	for _, s := range w.functions {
		if s.known && (s.name >= uint64(len(w.strings)) || s.file >= uint64(len(w.strings))) {
			return false
		}
	}
	for i := range w.functions {
		if f := &w.functions[i]; f.known {
			f.name, f.file = uint64(t.name(w.strings[f.name])), uint64(t.name(w.strings[f.file]))
		}
	}
	w.frames = w.frames[:0]
	for i := range w.locations {
		loc := &w.locations[i]
		from := int32(len(w.frames))
		for _, l := range w.lines[loc.from:loc.to] {
			if l.function >= uint64(len(w.functions)) || !w.functions[l.function].known {
				continue
			}
			f := &w.functions[l.function]
			w.frames = append(w.frames, t.frame(frameKey{uint32(f.name), uint32(f.file), l.line}))
		}
		loc.from, loc.to = from, int32(len(w.frames))
	}
	return true
}

// sample reads a sample's stack, leaf first, and its values.
func (w *work) sample(b []byte) bool {
	w.stack, w.values = w.stack[:0], w.values[:0]
	for c := (cursor{b: b}); c.more(); {
		number, value, body, ok := c.field()
		if !ok {
			return false
		}
		switch number {
		case 1:
			ok = numbers(value, body, w.push)
		case 2:
			ok = numbers(value, body, w.value)
		}
		if !ok {
			return false
		}
	}
	return len(w.values) == len(w.types)
}

func (w *work) push(id uint64) bool {
	if id >= uint64(len(w.locations)) || !w.locations[id].known {
		return false
	}
	loc := w.locations[id]
	frames := w.frames[loc.from:loc.to]
	w.stack = append(w.stack, frames[:min(len(frames), maxDepth-len(w.stack))]...)
	return true
}

func (w *work) value(v uint64) bool {
	w.values = append(w.values, int64(v))
	return len(w.values) <= maxValues
}
