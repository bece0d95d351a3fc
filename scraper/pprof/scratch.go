package pprof

import (
	"bufio"
	"bytes"
	"fmt"
	"io"

	"github.com/klauspost/compress/gzip"
)

// What a profile may measure. A service of 50,000 stacks, which is very large,
// stays below a half of each; all of them together are some 25 MiB.
const (
	// maxPlainBytes and maxFields bound the time: they are read through, never held.
	maxPlainBytes  = 64 << 20
	maxFields      = 1 << 21
	maxFieldBytes  = 64 << 10
	maxSampleBytes = 8 << 20
	maxStringBytes = 6 << 20
	maxStrings     = 1 << 18
	maxLocations   = 1 << 17
	maxFunctions   = 1 << 17
	maxLines       = 1 << 18
	maxMappings    = 1 << 13
	maxTypes       = 16
	// maxDepth bounds a stack; Go's own profiles end at 128 frames.
	maxDepth = 512
)

// scratch is what one profile is gathered in, and the next one again.
type scratch struct {
	raw     bytes.Reader
	gunzip  *gzip.Reader
	limited io.LimitedReader
	in      *bufio.Reader
	fields  int

	// samples are the messages of the samples one after the other, each with
	// its length before it; they are made out when all the rest is known.
	samples []byte
	strings []byte   // one after the other
	ends    []uint32 // of the strings
	types   []uint64 // names of the values of a sample, as strings
	period  int64

	locations   []location
	parts       []part // of the locations
	locationIDs index
	lines       []line
	functions   []function
	functionIDs index
	mappings    []mapping
	mappingIDs  index

	// of one sample
	ids, values []uint64
}

type (
	location struct {
		mapping, address uint64
		from, to         uint32 // in lines
	}
	// part is what a location makes of a key: apart from the rest of it, for this
	// is all that is looked at again and again.
	part struct {
		hash, factor          uint64
		calls                 uint32 // lines that count
		frame                 uint32 // of the first of them in the table, from 1 on; 0 for none yet
		profilers, allocators bool   // are among them
	}
	line struct {
		function uint64
		number   int64
		hash     uint64 // of function and number
		// name and file, as strings, are those of a line that has no function.
		name, file uint64
		whose      owner
	}
	function struct {
		name, file uint64
		// Once it is spelt: both as the table has them.
		text, path string
		spelt      bool
		// Once it is named: the hash of its name, and whose it is.
		hash  uint64
		whose owner
		named bool
	}
	mapping struct {
		start, offset, file uint64
		named, allocator    bool // named says that allocator is known
	}
)

func newScratch() *scratch {
	return &scratch{gunzip: new(gzip.Reader), in: bufio.NewReaderSize(nil, maxFieldBytes)}
}

// keptBytes is what a scratch may hold to be kept for the next profile.
const keptBytes = 8 << 20

// reset empties the scratch, and reports whether it is worth keeping.
func (s *scratch) reset() bool {
	s.raw.Reset(nil)
	s.limited.R, s.fields = nil, 0
	s.samples, s.strings, s.ends, s.types, s.period = s.samples[:0], s.strings[:0], s.ends[:0], s.types[:0], 0
	s.locations, s.parts, s.lines, s.functions, s.mappings = s.locations[:0], s.parts[:0], s.lines[:0], s.functions[:0], s.mappings[:0]
	s.locationIDs.reset()
	s.functionIDs.reset()
	s.mappingIDs.reset()
	return cap(s.samples)+cap(s.strings)+28*(cap(s.locations)+cap(s.parts))+48*cap(s.lines)+72*cap(s.functions) <= keptBytes
}

// text is a string of the profile; an index beyond the table has none.
func (s *scratch) text(i uint64) []byte {
	if i >= uint64(len(s.ends)) {
		return nil
	}
	from := uint32(0)
	if i > 0 {
		from = s.ends[i-1]
	}
	return s.strings[from:s.ends[i]]
}

// index finds the place of a message by its id. Ids count from one in most
// profiles; those that do not (addresses, hashes) go into a map.
type index struct {
	dense  []uint32 // place + 1
	sparse map[uint64]uint32
}

const maxDense = 1 << 18

func (x *index) put(id uint64, place int) {
	if id >= maxDense {
		if x.sparse == nil {
			x.sparse = map[uint64]uint32{}
		}
		x.sparse[id] = uint32(place)
		return
	}
	for uint64(len(x.dense)) <= id {
		x.dense = append(x.dense, 0)
	}
	x.dense[id] = uint32(place) + 1
}

func (x *index) get(id uint64) (place uint32, ok bool) {
	if id >= maxDense {
		place, ok = x.sparse[id]
		return place, ok
	}
	if id >= uint64(len(x.dense)) || x.dense[id] == 0 {
		return 0, false
	}
	return x.dense[id] - 1, true
}

func (x *index) reset() { x.dense, x.sparse = x.dense[:0], nil }

// full reports whether a table is, in words.
func full(n, most int, what string) error {
	if n < most {
		return nil
	}
	return fmt.Errorf("%w: more than %d %s", ErrTooLarge, most, what)
}
