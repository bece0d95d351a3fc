package config

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"gopkg.in/yaml.v3"
)

var durationType = reflect.TypeFor[time.Duration]()

// field is one key that a struct type has in YAML.
type field struct {
	key string
	typ reflect.Type
	tag reflect.StructTag
	// size marks a number of bytes, which may be written as 50MiB.
	size bool
}

// fieldsOf lists the keys of a struct type, those of inlined structs included.
func fieldsOf(t reflect.Type) []field {
	var out []field
	for i := range t.NumField() {
		if strings.Contains(t.Field(i).Tag.Get("yaml"), ",inline") {
			out = append(out, fieldsOf(t.Field(i).Type)...)
		} else if f, ok := fieldOf(t.Field(i)); ok {
			out = append(out, f)
		}
	}
	return out
}

// fieldOf is the key of one field; ok is false when it has none.
func fieldOf(f reflect.StructField) (out field, ok bool) {
	key, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
	if !f.IsExported() || key == "-" || key == "" {
		return field{}, false
	}
	whole := f.Type.Kind() == reflect.Int64 || f.Type.Kind() == reflect.Int
	return field{key: key, typ: f.Type, tag: f.Tag, size: whole && strings.HasSuffix(f.Name, "Bytes")}, true
}

// shaper compares a YAML document with the Go type that it is for, and says
// everything that does not fit, with its line. Sizes and bare milliseconds are
// rewritten into what the decoder takes.
type shaper struct {
	source string // file name, or the variable or flag that a value comes from
	lines  map[string]int
	errs   []error
	within []*yaml.Node // mappings, each in the one before
	// bad are the nodes that do not fit, refused the keys that have none but them.
	bad     map[*yaml.Node]bool
	refused []string
}

// fail refuses a value; its key keeps what it was.
func (s *shaper) fail(n *yaml.Node, path, format string, args ...any) {
	s.refused = append(s.refused, path)
	s.failKey(n, path, format, args...)
}

// failKey refuses a key that has no place there.
func (s *shaper) failKey(n *yaml.Node, path, format string, args ...any) {
	if s.bad == nil {
		s.bad = map[*yaml.Node]bool{}
	}
	s.bad[n] = true
	s.errs = append(s.errs, &Error{Source: s.source, Line: n.Line, Key: path, Message: fmt.Sprintf(format, args...)})
}

func (s *shaper) fit(n *yaml.Node, f field, path string) {
	for n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if s.lines != nil && n.Line > 0 {
		s.lines[path] = n.Line
	}
	t := f.typ
	if n.Tag == "!!null" && t.Kind() != reflect.String && t.Kind() != reflect.Slice && t.Kind() != reflect.Map && path != "" {
		s.fail(n, path, "nothing is there: want %s, or leave the key out", wanted(f, t))
		return
	}
	switch {
	case n.Tag == "!!null":
	case t.Kind() == reflect.Struct:
		s.fitStruct(n, t, path)
	case t.Kind() == reflect.Slice:
		if n.Kind != yaml.SequenceNode {
			s.fail(n, path, "found %s: want %s", found(n), wanted(f, t))
			return
		}
		for i, item := range n.Content {
			s.fit(item, field{typ: t.Elem()}, path+"["+strconv.Itoa(i)+"]")
			if s.bad[target(item)] { // the list keeps its length: what follows keeps its number
				n.Content[i] = nothing(t.Elem())
			}
		}
	case t.Kind() == reflect.Map:
		if n.Kind != yaml.MappingNode {
			s.fail(n, path, "found %s: want %s", found(n), wanted(f, t))
			return
		}
		s.unique(n, path)
		for i := 0; i+1 < len(n.Content); i += 2 {
			s.fit(n.Content[i+1], field{typ: t.Elem()}, join(path, n.Content[i].Value))
		}
	default:
		s.fitScalar(n, f, t, path)
	}
}

func (s *shaper) fitStruct(n *yaml.Node, t reflect.Type, path string) {
	if n.Kind != yaml.MappingNode {
		s.fail(n, path, "found %s: want keys with values", found(n))
		return
	}
	if slices.Contains(s.within, n) {
		s.fail(n, path, "the anchor here holds itself: take the alias out of it")
		return
	}
	s.within = append(s.within, n)
	defer func() { s.within = s.within[:len(s.within)-1] }()
	s.unique(n, path)
	fields := fieldsOf(t)
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if key.Tag == "!!merge" {
			s.fit(value, field{typ: t}, path)
			continue
		}
		at := slices.IndexFunc(fields, func(f field) bool { return f.key == key.Value })
		if at < 0 {
			s.failKey(key, join(path, key.Value), "unknown key%s", Hint(key.Value, keys(fields)))
			continue
		}
		s.fit(value, fields[at], join(path, key.Value))
	}
}

func (s *shaper) unique(n *yaml.Node, path string) {
	seen := make(map[string]int, len(n.Content)/2)
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		if line, twice := seen[key.Value]; twice {
			s.failKey(key, join(path, key.Value), "the key is there twice, first in line %d: delete one", line)
		}
		seen[key.Value] = key.Line
	}
}

// target is what an alias stands for.
func target(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}

// nothing is a value that leaves a type at its default.
func nothing(t reflect.Type) *yaml.Node {
	if t.Kind() == reflect.Struct {
		return &yaml.Node{Kind: yaml.MappingNode}
	}
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str"}
}

// prune takes what does not fit out of a document, so that the rest of it can be
// judged, too.
func (s *shaper) prune(n *yaml.Node) {
	n = target(n)
	if n.Kind == yaml.SequenceNode {
		for _, item := range n.Content {
			s.prune(item)
		}
	}
	if n.Kind != yaml.MappingNode {
		return
	}
	var kept []*yaml.Node
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if !s.bad[key] && !s.bad[target(value)] {
			s.prune(value)
			kept = append(kept, key, value)
		}
	}
	n.Content = kept
}

// fitScalar checks a single value and rewrites it into what the decoder takes.
func (s *shaper) fitScalar(n *yaml.Node, f field, t reflect.Type, path string) {
	bad := func() { s.fail(n, path, "found %s: want %s", found(n), wanted(f, t)) }
	if n.Kind != yaml.ScalarNode {
		bad()
		return
	}
	switch {
	case t == durationType:
		d, err := time.ParseDuration(n.Value)
		if ms, e := strconv.ParseFloat(n.Value, 64); err != nil && e == nil && f.tag.Get("bare") == "ms" && ms < 1e12 {
			d, err = time.Duration(ms*float64(time.Millisecond)), nil
		}
		if err != nil {
			bad()
			return
		}
		n.Value, n.Tag = d.String(), "!!str"
	case f.size:
		v, err := ParseSize(n.Value)
		if err != nil {
			bad()
			return
		}
		n.Value, n.Tag, n.Style = strconv.FormatInt(v, 10), "!!int", 0
	case t.Kind() == reflect.String:
		n.Tag = "!!str" // 8080 and yes are words where words are wanted
	default:
		n.Style, n.Tag = 0, "" // resolve anew: a value from the environment is text
		if n.Decode(reflect.New(t).Interface()) != nil {
			bad()
		}
	}
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

func keys(fields []field) []string {
	out := make([]string, len(fields))
	for i, f := range fields {
		out[i] = f.key
	}
	return out
}

func found(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "keys with values"
	case yaml.SequenceNode:
		return "a list"
	}
	if len(n.Value) > 60 {
		return strconv.Quote(n.Value[:60] + "…")
	}
	return strconv.Quote(n.Value)
}

func wanted(f field, t reflect.Type) string {
	switch {
	case t == durationType && f.tag.Get("bare") == "ms":
		return "a duration such as 10s or 1m30s, or a number of milliseconds"
	case t == durationType:
		return "a duration such as 10s or 1m30s"
	case f.size:
		return "a size such as 50MiB or 1GB"
	}
	switch t.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.Int, reflect.Int64, reflect.Uint64:
		return "a whole number"
	case reflect.Float64:
		return "a number"
	case reflect.String:
		return "a word"
	case reflect.Slice:
		return "a list"
	default:
		return "keys with values"
	}
}
