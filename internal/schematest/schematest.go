// Package schematest makes the JSON Schemas of docs/schemas from the Go types whose
// JSON they describe, and checks that they are fresh and that what is written
// fits. Descriptions are the types' own comments, words their constants. Tests
// alone import it.
package schematest

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"testing"

	"github.com/google/jsonschema-go/jsonschema"
	"gopkg.in/yaml.v3"

	"github.com/zupee/memwatch"
)

// Of is the schema of a type's JSON.
func Of[T any](t *testing.T, title string) []byte {
	t.Helper()
	typ := reflect.TypeFor[T]()
	src := sources{}
	special := map[reflect.Type]*jsonschema.Schema{
		reflect.TypeFor[memwatch.UnixMilli](): {Types: []string{"null", "integer"}, Description: "Unix milliseconds; null when unknown"},
		reflect.TypeFor[memwatch.Sample]():    sample(),
	}
	for _, word := range src.words(t, typ, map[reflect.Type]bool{}) {
		special[word.typ] = &jsonschema.Schema{Type: "string", Enum: word.values}
	}
	s, err := jsonschema.ForType(typ, &jsonschema.ForOptions{TypeSchemas: special})
	if err != nil {
		t.Fatal(err)
	}
	src.describe(t, s, typ, special)
	s.Title = title
	return Write(t, s)
}

// Write is a schema as a file of docs/schemas has it.
func Write(t *testing.T, s *jsonschema.Schema) []byte {
	t.Helper()
	s.Schema = "https://json-schema.org/draft/2020-12/schema"
	b, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return append(b, '\n')
}

// sample is written by a method of its own.
func sample() *jsonschema.Schema {
	s := &jsonschema.Schema{
		Type: "object", Description: "One reading. A signal that the target lacks is absent, never zero.", Required: []string{"timestamp"},
		Properties: map[string]*jsonschema.Schema{
			"timestamp": {Types: []string{"null", "integer"}, Description: "Unix milliseconds"},
			"startTime": {Type: "integer", Description: "When the process started, in Unix milliseconds"},
		},
		PropertyOrder: []string{"timestamp", "startTime"},
	}
	for sig := range memwatch.SignalCount {
		s.Properties[sig.String()] = &jsonschema.Schema{Type: "number"}
		s.PropertyOrder = append(s.PropertyOrder, sig.String())
	}
	return s
}

// root is the repository.
func root() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Join(filepath.Dir(file), "..", "..")
}

func path(file string) string { return filepath.Join(root(), "docs", "schemas", file) }

// Fresh fails unless a file of docs/schemas is what the code says; with update it
// writes it.
func Fresh(t *testing.T, update bool, file string, want []byte) {
	t.Helper()
	if update {
		if err := os.WriteFile(path(file), want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path(file))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("docs/schemas/%s is not what the code says: run make generated", file)
	}
}

// FitsYAML is Fits for a document in YAML.
func FitsYAML(t *testing.T, file string, doc []byte) {
	t.Helper()
	var v any
	if err := yaml.Unmarshal(doc, &v); err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	Fits(t, file, b)
}

// Fits fails unless a document fits a file of docs/schemas.
func Fits(t *testing.T, file string, doc []byte) {
	t.Helper()
	b, err := os.ReadFile(path(file))
	if err != nil {
		t.Fatal(err)
	}
	var s jsonschema.Schema
	if err := json.Unmarshal(b, &s); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	resolved, err := s.Resolve(nil)
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	var v any
	if err := json.Unmarshal(doc, &v); err != nil {
		t.Fatalf("no JSON: %v: %.400s", err, doc)
	}
	if err := resolved.Validate(v); err != nil {
		t.Errorf("%s: %v: %.2000s", file, err, doc)
	}
}
