package config

import (
	"fmt"
	"reflect"
	"strings"
	"time"

	"gopkg.in/yaml.v3"
)

// Show writes the configuration as a file that would bring it about, complete,
// with secrets masked.
func (c Config) Show() ([]byte, error) {
	n, err := node(reflect.ValueOf(c))
	if err != nil {
		return nil, fmt.Errorf("show configuration: %w", err)
	}
	b, err := yaml.Marshal(n)
	if err != nil {
		return nil, fmt.Errorf("show configuration: %w", err)
	}
	return b, nil
}

// mask stands for a secret. Headers are taken for secrets, whatever their name.
const mask = "********"

func node(v reflect.Value) (*yaml.Node, error) {
	n := &yaml.Node{Kind: yaml.MappingNode}
	for _, f := range valuesOf(v) {
		value, err := f.node()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.key, err)
		}
		n.Content = append(n.Content, &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: f.key}, value)
	}
	return n, nil
}

// value is a field with what it holds.
type value struct {
	field
	v reflect.Value
}

func valuesOf(v reflect.Value) []value {
	var out []value
	t := v.Type()
	for i := range t.NumField() {
		if strings.Contains(t.Field(i).Tag.Get("yaml"), ",inline") {
			out = append(out, valuesOf(v.Field(i))...)
			continue
		}
		if f, ok := fieldOf(t.Field(i)); ok {
			out = append(out, value{f, v.Field(i)})
		}
	}
	return out
}

func (f value) node() (*yaml.Node, error) {
	switch v := f.v; {
	case f.typ == durationType:
		return scalar(shortDuration(time.Duration(v.Int()))), nil
	case f.size:
		return scalar(FormatSize(v.Int())), nil
	case f.typ.Kind() == reflect.Struct:
		return node(v)
	case f.typ.Kind() == reflect.Slice && f.typ.Elem().Kind() == reflect.Struct:
		n := &yaml.Node{Kind: yaml.SequenceNode}
		for i := range v.Len() {
			item, err := node(v.Index(i))
			if err != nil {
				return nil, err
			}
			n.Content = append(n.Content, item)
		}
		return n, nil
	case f.key == "headers":
		masked := map[string]string{}
		for _, k := range v.MapKeys() {
			masked[k.String()] = mask
		}
		n := &yaml.Node{}
		return n, n.Encode(masked)
	default:
		n := &yaml.Node{}
		return n, n.Encode(v.Interface())
	}
}

func scalar(s string) *yaml.Node { return &yaml.Node{Kind: yaml.ScalarNode, Value: s} }

// shortDuration leaves out the zeros that time.Duration writes: 1h, not 1h0m0s.
func shortDuration(d time.Duration) string {
	s := d.String()
	for _, zero := range []struct{ end, short string }{{"m0s", "m"}, {"h0m", "h"}} {
		if strings.HasSuffix(s, zero.end) {
			s = strings.TrimSuffix(s, zero.end) + zero.short
		}
	}
	return s
}
