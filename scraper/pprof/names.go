package pprof

import (
	"bytes"
	"slices"
	"strconv"
)

// owner says whose code a line is.
type owner uint8

const (
	programs owner = iota
	// allocators call one another before the program is reached: the stack
	// begins with whoever asked for the memory.
	allocators
	// profilers are the profiler at work: reading a profile allocates, and must
	// not show up as growth of the target.
	profilers
	// nobodys have no name.
	nobodys
)

// name gives a location's lines their hashes and owners, and the location its
// part of a key. A program that was built without symbols has addresses alone:
// then the place within its file stands for the function, which stays the same
// wherever the file is loaded.
func (s *scratch) name(place int) {
	loc, p := &s.locations[place], &s.parts[place]
	m := s.mappingOf(loc)
	library := m.allocator
	p.factor = 1
	for i := loc.from; i < loc.to; i++ {
		l := &s.lines[i]
		fn := s.functionOf(l.function)
		l.whose, l.hash = fn.whose, lineHash(fn.hash, l.number)
		if library && l.whose != nobodys {
			l.whose = allocators
		}
		p.count(l)
	}
	if p.calls == 0 && loc.address != 0 {
		s.nameByAddress(loc, m)
		p.count(&s.lines[loc.from])
	}
}

// count makes a line count.
func (p *part) count(l *line) {
	if l.whose == nobodys {
		return
	}
	p.hash, p.factor, p.calls = p.hash*keyFactor+l.hash, p.factor*keyFactor, p.calls+1
	p.profilers = p.profilers || l.whose == profilers
	p.allocators = p.allocators || l.whose == allocators
}

// functionOf is a function with what its name says; nobody's when it is not there.
func (s *scratch) functionOf(id uint64) *function {
	place, ok := s.functionIDs.get(id)
	if !ok {
		return &nobody
	}
	fn := &s.functions[place]
	if !fn.named {
		name := s.text(fn.name)
		fn.named, fn.hash, fn.whose = true, hashOf(name), ownerOf(name)
	}
	return fn
}

var nobody = function{named: true, hash: hashOf(nil), whose: nobodys}

// mappingOf is the file that a location lies in; empty when it is not told.
func (s *scratch) mappingOf(loc *location) *mapping {
	place, ok := s.mappingIDs.get(loc.mapping)
	if !ok || loc.mapping == 0 {
		return &noMapping
	}
	m := &s.mappings[place]
	if !m.named {
		m.named, m.allocator = true, isAllocator(s.base(m))
	}
	return m
}

var noMapping = mapping{named: true}

// base is the name of a mapping's file, without its folders.
func (s *scratch) base(m *mapping) []byte {
	path := s.text(m.file)
	return path[bytes.LastIndexByte(path, '/')+1:]
}

// nameByAddress gives a location one line that is called file+0xoffset.
func (s *scratch) nameByAddress(loc *location, m *mapping) {
	base := s.base(m)
	whose := programs
	if m.allocator {
		whose = allocators
	}
	at, start := loc.address, len(s.strings)
	if len(base) > 0 {
		at += m.offset - m.start
		s.strings = append(append(s.strings, base[:min(len(base), 100)]...), '+')
	}
	s.strings = strconv.AppendUint(append(s.strings, "0x"...), at, 16)
	s.ends = append(s.ends, uint32(len(s.strings)))

	loc.from = uint32(len(s.lines))
	loc.to = loc.from + 1
	s.lines = append(s.lines, line{hash: lineHash(hashOf(s.strings[start:]), 0), whose: whose, name: uint64(len(s.ends) - 1), file: m.file})
}

// hashOf is FNV-1a of a name.
func hashOf(name []byte) uint64 {
	h := uint64(14695981039346656037)
	for _, c := range name {
		h = (h ^ uint64(c)) * 1099511628211
	}
	return h
}

// lineHash is that of a line of a function.
func lineHash(function uint64, line int64) uint64 {
	h := (function ^ uint64(line)) * 0xd6e8feb86659fd93
	return h ^ h>>32
}

// allocatorFiles are libraries that hand out memory; libstdc++ has operator new.
var allocatorFiles = []string{"libjemalloc", "libtcmalloc", "libmimalloc", "libstdc++", "libc++abi"}

func isAllocator(file []byte) bool {
	return slices.ContainsFunc(allocatorFiles, func(name string) bool { return bytes.HasPrefix(file, []byte(name)) })
}

// allocatorNames are functions that do, whole or as a beginning; first are the
// bytes that they begin with, for most names are none of them.
var allocatorNames = struct {
	first [256]bool
	whole map[string]bool
	begin []string
}{
	whole: map[string]bool{
		"malloc": true, "calloc": true, "realloc": true, "memalign": true, "aligned_alloc": true, "posix_memalign": true,
		"__libc_malloc": true, "__libc_calloc": true, "__libc_realloc": true, "prof_backtrace_impl": true,
	},
	begin: []string{
		"je_", "_rjem_", "tc_", "tcmalloc::", "operator new", "__rust_alloc", "__rust_realloc", "__rg_", "__rdl_",
		"alloc::alloc::", "<alloc::alloc::", "alloc::raw_vec::", "<tikv_jemallocator::", "<jemallocator::",
	},
}

func init() {
	for name := range allocatorNames.whole {
		allocatorNames.first[name[0]] = true
	}
	for _, name := range allocatorNames.begin {
		allocatorNames.first[name[0]] = true
	}
}

// ownerOf tells code that is not the program's by its name. Code that merely
// runs under profiler labels (pprof.Do) is the program's own.
func ownerOf(name []byte) owner {
	switch {
	case len(name) == 0:
		return nobodys
	case bytes.HasPrefix(name, []byte("net/http/pprof.")):
		return profilers
	case bytes.HasPrefix(name, []byte("runtime/pprof.")):
		rest := name[len("runtime/pprof."):]
		if !bytes.HasPrefix(rest, []byte("Do")) && !bytes.Contains(rest, []byte("Label")) {
			return profilers
		}
		return programs
	case !allocatorNames.first[name[0]]:
		return programs
	case allocatorNames.whole[string(name)]:
		return allocators
	}
	for _, p := range allocatorNames.begin {
		if bytes.HasPrefix(name, []byte(p)) {
			return allocators
		}
	}
	return programs
}
