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

// name gives a location's lines their hashes and owners. A program that was
// built without symbols has addresses alone: then the place within its file
// stands for the function, which stays the same wherever the file is loaded.
func (s *scratch) name(loc *location) {
	loc.named = true
	m := s.mappingOf(loc)
	library := isAllocator(s.base(m))
	someone := false
	for i := loc.from; i < loc.to; i++ {
		l := &s.lines[i]
		name := s.nameOf(l.function)
		switch l.whose = ownerOf(name); {
		case len(name) == 0:
			l.whose = nobodys
		case library:
			l.whose = allocators
		}
		l.hash = hashOf(name, l.number)
		someone = someone || l.whose != nobodys
	}
	if !someone && loc.address != 0 {
		s.nameByAddress(loc, m)
	}
}

// mappingOf is the file that a location lies in; empty when it is not told.
func (s *scratch) mappingOf(loc *location) mapping {
	if place, ok := s.mappingIDs.get(loc.mapping); ok && loc.mapping != 0 {
		return s.mappings[place]
	}
	return mapping{}
}

// base is the name of a mapping's file, without its folders.
func (s *scratch) base(m mapping) []byte {
	path := s.text(m.file)
	return path[bytes.LastIndexByte(path, '/')+1:]
}

func (s *scratch) nameOf(id uint64) []byte {
	if place, ok := s.functionIDs.get(id); ok {
		return s.text(s.functions[place].name)
	}
	return nil
}

// nameByAddress gives a location one line that is called file+0xoffset.
func (s *scratch) nameByAddress(loc *location, m mapping) {
	base := s.base(m)
	whose := programs
	if isAllocator(base) {
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
	s.lines = append(s.lines, line{hash: hashOf(s.strings[start:], 0), whose: whose, name: uint64(len(s.ends) - 1), file: m.file})
}

// hashOf is FNV-1a of a name, with a line.
func hashOf(name []byte, line int64) uint64 {
	h := uint64(14695981039346656037)
	for _, c := range name {
		h = (h ^ uint64(c)) * 1099511628211
	}
	return (h ^ uint64(line)) * 0x9e3779b97f4a7c15
}

// allocatorFiles are libraries that hand out memory; libstdc++ has operator new.
var allocatorFiles = []string{"libjemalloc", "libtcmalloc", "libmimalloc", "libstdc++", "libc++abi"}

func isAllocator(file []byte) bool {
	return slices.ContainsFunc(allocatorFiles, func(name string) bool { return bytes.HasPrefix(file, []byte(name)) })
}

// allocatorNames are functions that do, whole or as a beginning.
var allocatorNames = struct {
	whole map[string]bool
	begin []string
}{
	map[string]bool{
		"malloc": true, "calloc": true, "realloc": true, "memalign": true, "aligned_alloc": true, "posix_memalign": true,
		"__libc_malloc": true, "__libc_calloc": true, "__libc_realloc": true, "prof_backtrace_impl": true,
	},
	[]string{
		"je_", "_rjem_", "tc_", "tcmalloc::", "operator new", "__rust_alloc", "__rust_realloc", "__rg_", "__rdl_",
		"alloc::alloc::", "<alloc::alloc::", "alloc::raw_vec::", "<tikv_jemallocator::", "<jemallocator::",
	},
}

// ownerOf tells code that is not the program's by its name. Code that merely
// runs under profiler labels (pprof.Do) is the program's own.
func ownerOf(name []byte) owner {
	switch {
	case bytes.HasPrefix(name, []byte("net/http/pprof.")):
		return profilers
	case bytes.HasPrefix(name, []byte("runtime/pprof.")):
		rest := name[len("runtime/pprof."):]
		if !bytes.HasPrefix(rest, []byte("Do")) && !bytes.Contains(rest, []byte("Label")) {
			return profilers
		}
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
