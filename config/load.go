package config

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"reflect"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// maxFileBytes bounds a configuration file.
const maxFileBytes = 4 << 20

// Load reads the file at path ("" for none), puts the environment over it and
// the flags over that, and checks it all. The error joins one *Error for each
// thing that is wrong.
func Load(path string, env func(string) (string, bool), flags map[string]string) (Config, error) {
	var doc []byte
	if path != "" {
		f, err := os.Open(path)
		if err != nil {
			return Config{}, fmt.Errorf("read configuration: %w", err)
		}
		defer func() { _ = f.Close() }()
		if doc, err = io.ReadAll(io.LimitReader(f, maxFileBytes+1)); err != nil {
			return Config{}, fmt.Errorf("read configuration: %w", err)
		}
		if len(doc) > maxFileBytes {
			return Config{}, fmt.Errorf("%s: larger than 4 MiB: this is no configuration", path)
		}
	}
	l := loader{cfg: Default(), shaper: shaper{source: path, lines: map[string]int{}}}
	l.file(doc)
	l.environment(env)
	l.flags(flags)
	if !l.unreadable {
		l.source = path
		found := len(l.errs)
		l.validate()
		l.errs = append(l.errs[:found], slices.DeleteFunc(l.errs[found:], l.follows)...)
	}
	slices.SortStableFunc(l.errs, func(a, b error) int { return cmp.Compare(l.place(a), l.place(b)) })
	return l.cfg, errors.Join(l.errs...)
}

// follows tells an error about a key that holds its default, because what the
// file says of it was refused already, or about one that this is a part of.
func (l *loader) follows(err error) bool {
	var e *Error
	return errors.As(err, &e) && slices.ContainsFunc(l.refused, func(key string) bool { return within(e.Key, key) || within(key, e.Key) })
}

// within reports whether key is path, or a part of it.
func within(key, path string) bool {
	rest, ok := strings.CutPrefix(key, path)
	return ok && (rest == "" || rest[0] == '.' || rest[0] == '[')
}

// place puts what the file says in the order of its lines, before all else.
func (l *loader) place(err error) int {
	var e *Error
	if errors.As(err, &e) && e.Line > 0 {
		return e.Line
	}
	return math.MaxInt
}

type loader struct {
	shaper
	cfg Config
	// unreadable says that nothing is known of what the file wants.
	unreadable bool
	// said are the keys whose value came from a variable or a flag, with its name.
	said map[string]string
}

func (l *loader) file(doc []byte) {
	dec := yaml.NewDecoder(strings.NewReader(string(doc)))
	var n yaml.Node
	switch err := dec.Decode(&n); {
	case errors.Is(err, io.EOF):
		return
	case err != nil:
		l.unreadable = true
		l.errs = append(l.errs, &Error{Source: l.source, Message: strings.TrimPrefix(err.Error(), "yaml: ")})
		return
	}
	var more yaml.Node
	if dec.Decode(&more) == nil {
		l.unreadable = true
		l.errs = append(l.errs, &Error{Source: l.source, Line: more.Line, Message: "a second document begins here: one file holds one configuration"})
		return
	}
	l.decode(n.Content[0])
}

// decode puts what is right of a document over what is there.
func (l *loader) decode(n *yaml.Node) {
	before := len(l.errs)
	l.fit(n, field{typ: reflect.TypeFor[Config]()}, "")
	if l.bad[n] {
		l.unreadable = true
		return
	}
	if len(l.errs) > before {
		l.prune(n)
	}
	if err := n.Decode(&l.cfg); err != nil { // the shape is right: this is yaml's own limits
		l.unreadable = true
		l.errs = append(l.errs, &Error{Source: l.source, Message: strings.TrimPrefix(err.Error(), "yaml: ")})
	}
}

func (l *loader) environment(env func(string) (string, bool)) {
	for _, o := range Options() {
		if v, ok := env(o.Env); ok {
			l.set(o, v, "environment "+o.Env)
		}
	}
}

func (l *loader) flags(flags map[string]string) {
	for _, o := range Options() {
		if v, ok := flags[o.Flag]; ok {
			l.set(o, v, "flag --"+o.Flag)
		}
	}
}

func (l *loader) set(o Option, value, source string) {
	n := &yaml.Node{Kind: yaml.ScalarNode, Value: value}
	path := strings.Split(o.Key, ".")
	for i := len(path) - 1; i >= 0; i-- {
		n = &yaml.Node{Kind: yaml.MappingNode, Content: []*yaml.Node{{Kind: yaml.ScalarNode, Tag: "!!str", Value: path[i]}, n}}
	}
	if l.said == nil {
		l.said = map[string]string{}
	}
	l.said[o.Key] = source
	l.source = source
	l.decode(n)
}

// Option is a key that can also be set by the environment and by a flag.
type Option struct {
	Key, Env, Flag, Help string
	// Default is the value as people write it.
	Default string
	// Bool marks one that a bare flag sets to true.
	Bool bool
}

// Options lists them in the file's order.
func Options() []Option { return options(reflect.ValueOf(Default()), "") }

func options(v reflect.Value, path string) []Option {
	var out []Option
	for i := range v.NumField() {
		f := v.Type().Field(i)
		key, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		switch {
		case f.Tag.Get("flag") != "":
			out = append(out, Option{
				Key: join(path, key), Env: f.Tag.Get("env"), Flag: f.Tag.Get("flag"), Help: f.Tag.Get("help"),
				Default: fmt.Sprint(v.Field(i).Interface()), Bool: f.Type.Kind() == reflect.Bool,
			})
		case f.Type.Kind() == reflect.Struct:
			out = append(out, options(v.Field(i), join(path, key))...)
		}
	}
	return out
}
