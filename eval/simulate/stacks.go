package simulate

import (
	"fmt"
	"hash/fnv"

	"github.com/zupee/memwatch"
)

// module is the simulated program's own.
const module = "github.com/acme/shop/"

// program is the code of a simulated process: frames, and stacks made of them.
// It is the same for every life of an instance.
type program struct {
	frames []memwatch.Frame
	known  map[string]uint32
}

func (p *program) frame(function, file string, line int) uint32 {
	if i, ok := p.known[function]; ok {
		return i
	}
	if p.known == nil {
		p.known = map[string]uint32{}
	}
	i := uint32(len(p.frames))
	p.frames = append(p.frames, memwatch.Frame{Function: function, File: file, Line: line})
	p.known[function] = i
	return i
}

// Leaves through which much of a program allocates: the standard library's, and
// one helper of its own that many share.
var (
	libraryLeaves = []string{"bytes.growSlice", "encoding/json.(*decodeState).literalStore", "strings.(*Builder).grow", "net/textproto.readMIMEHeader", "bufio.NewReaderSize"}
	sharedHelper  = module + "codec.Decode"
	packages      = []string{"cart", "catalog", "search", "billing", "auth", "feed", "geo", "audit", "mail", "export", "pricing", "stock", "review", "image", "coupon", "order"}
	doings        = []string{"Store).load", "Index).add", "Service).handle", "Table).row", "Worker).next"}
)

// stack makes a call stack, leaf first, that ends in the named owner's callers.
// style chooses the leaf: the owner itself, a library's, or the shared helper.
func (p *program) stack(owner string, style int) []uint32 {
	line := 20 + len(p.frames)
	var s []uint32
	switch style % 4 {
	case 1:
		leaf := libraryLeaves[line%len(libraryLeaves)]
		s = append(s, p.frame(leaf, "/usr/local/go/src/lib.go", 100))
	case 2:
		s = append(s, p.frame("encoding/json.Unmarshal", "/usr/local/go/src/encoding/json/decode.go", 108),
			p.frame(sharedHelper, "codec/codec.go", 31))
	}
	s = append(s, p.frame(owner, "internal/"+fmt.Sprint(line)+".go", line),
		p.frame(fmt.Sprintf("%sweb.(*API).route%d", module, line%7), "web/api.go", 40+line%7))
	return append(s,
		p.frame(module+"web.(*Server).ServeHTTP", "web/server.go", 88),
		p.frame("net/http.serverHandler.ServeHTTP", "/usr/local/go/src/net/http/server.go", 3301),
		p.frame("net/http.(*conn).serve", "/usr/local/go/src/net/http/server.go", 2102))
}

// function names the i-th function of the program.
func function(i int) string {
	name := fmt.Sprintf("%s%s.(*%s", module, packages[i%len(packages)], doings[i/len(packages)%len(doings)])
	if again := i / (len(packages) * len(doings)); again > 0 {
		name += fmt.Sprint(again)
	}
	return name
}

func keyOf(p *program, stack []uint32) uint64 {
	h := fnv.New64a()
	for _, f := range stack {
		_, _ = h.Write([]byte(p.frames[f].Function + "\x00")) // a hash takes everything
	}
	return h.Sum64()
}
