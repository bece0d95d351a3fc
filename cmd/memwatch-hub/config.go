package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/zupee/memwatch/hub"
)

// load reads a configuration over the defaults; without a file it is they.
func load(file string) (hub.Config, error) {
	cfg := hub.DefaultConfig()
	if file == "" {
		return cfg, nil
	}
	b, err := os.ReadFile(file)
	if err != nil {
		return cfg, fmt.Errorf("read configuration: %w", err)
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(b, &doc); err != nil {
		return cfg, fmt.Errorf("%s: %w", file, err)
	}
	if len(doc.Content) > 0 {
		if err := checkKeys(doc.Content[0], reflect.TypeFor[hub.Config](), ""); err != nil {
			return cfg, fmt.Errorf("%s: %w", file, err)
		}
	}
	decoder := yaml.NewDecoder(bytes.NewReader(b))
	decoder.KnownFields(true)
	if err := decoder.Decode(&cfg); err != nil && !errors.Is(err, io.EOF) {
		return cfg, fmt.Errorf("%s: %w", file, err)
	}
	return cfg, nil
}

// checkKeys refuses keys that the type does not have, with line and nearest key.
func checkKeys(n *yaml.Node, t reflect.Type, path string) error {
	if n.Kind == yaml.SequenceNode && t.Kind() == reflect.Slice {
		for i, element := range n.Content {
			if err := checkKeys(element, t.Elem(), fmt.Sprintf("%s[%d].", strings.TrimSuffix(path, "."), i)); err != nil {
				return err
			}
		}
		return nil
	}
	if n.Kind != yaml.MappingNode || t.Kind() != reflect.Struct {
		return nil // the decoder says what is wrong with it
	}
	known := map[string]reflect.Type{}
	for f := range t.Fields() {
		if key := f.Tag.Get("yaml"); key != "-" && key != "" {
			known[key] = f.Type
		}
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		inner, ok := known[key.Value]
		if !ok {
			return fmt.Errorf("line %d: unknown key %s: did you mean %s?", key.Line, path+key.Value, path+nearest(key.Value, known))
		}
		if err := checkKeys(n.Content[i+1], inner, path+key.Value+"."); err != nil {
			return err
		}
	}
	return nil
}

// nearest is the known key that takes the fewest edits to get to.
func nearest(word string, known map[string]reflect.Type) string {
	best, least := "", -1
	for k := range known {
		d := edits(strings.ToLower(word), strings.ToLower(k))
		if least < 0 || d < least || d == least && k < best {
			best, least = k, d
		}
	}
	return best
}

// edits is the Levenshtein distance.
func edits(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(row[j+1]+1, row[j]+1, diagonal+cost)
		}
	}
	return row[len(b)]
}
