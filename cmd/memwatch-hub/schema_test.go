package main

import (
	"flag"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/jsonschema-go/jsonschema"
	"gopkg.in/yaml.v3"

	"github.com/zupee/memwatch/hub"
	"github.com/zupee/memwatch/internal/schematest"
	"github.com/zupee/memwatch/internal/version"
)

var update = flag.Bool("update", false, "write docs/schemas and docs/man anew")

func TestTheSchemasAreFresh(t *testing.T) {
	for file, want := range map[string][]byte{
		"hub-users.schema.json":  schematest.Of[[]userOutput](t, "memwatch-hub user list --output json"),
		"hub-tokens.schema.json": schematest.Of[[]tokenOutput](t, "memwatch-hub token list --output json"),
		"hub-token.schema.json":  schematest.Of[createdToken](t, "memwatch-hub token create --output json"),
		"hub-notify.schema.json": schematest.Of[[]hub.ChannelTest](t, "memwatch-hub notify test --output json"),
		"hub-check.schema.json":  schematest.Of[checkOutput](t, "memwatch-hub config check --output json"),
		"version.schema.json":    schematest.Of[version.Info](t, "memwatchd version --output json, memwatch-hub version --output json"),
		"hub-config.schema.json": configSchema(t),
	} {
		schematest.Fresh(t, *update, file, want)
	}
}

func TestWhatIsWrittenFitsItsSchema(t *testing.T) {
	dir := t.TempDir()
	if status := run(t.Context(), []string{"user", "add", "ann", "--data", dir, "--password-file", passwordFile(t)}, &strings.Builder{}, &strings.Builder{}); status != exitOK {
		t.Fatalf("user add: status %d", status)
	}
	for _, c := range []struct {
		file string
		args []string
	}{
		{"version.schema.json", []string{"version"}},
		{"hub-users.schema.json", []string{"user", "list", "--data", dir}},
		{"hub-token.schema.json", []string{"token", "create", "edge", "--expires", "24h", "--data", dir}},
		{"hub-tokens.schema.json", []string{"token", "list", "--data", dir}},
	} {
		var out, errOut strings.Builder
		if status := run(t.Context(), append(c.args, "--output", "json"), &out, &errOut); status != exitOK {
			t.Fatalf("%v: status %d: %s", c.args, status, errOut.String())
		}
		schematest.Fits(t, c.file, []byte(out.String()))
	}
	for file, want := range map[string]int{"../../hub.example.yaml": exitOK, "testdata/bad-value.yaml": exitUsage} {
		var out, errOut strings.Builder
		if status := run(t.Context(), []string{"config", "check", file, "--output", "json"}, &out, &errOut); status != want {
			t.Errorf("%s: status %d, want %d: %s", file, status, want, errOut.String())
		}
		schematest.Fits(t, "hub-check.schema.json", []byte(out.String()))
	}
	var out, errOut strings.Builder
	if status := run(t.Context(), []string{"version", "--output", "xml"}, &out, &errOut); status != exitUsage || !strings.Contains(errOut.String(), "want text or json") {
		t.Errorf("an unknown output: status %d: %s", status, errOut.String())
	}
}

func TestTheExampleFitsTheSchemaOfTheConfiguration(t *testing.T) {
	b, err := os.ReadFile("../../hub.example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	schematest.FitsYAML(t, "hub-config.schema.json", b)
}

func passwordFile(t *testing.T) string {
	t.Helper()
	file := t.TempDir() + "/password"
	if err := os.WriteFile(file, []byte("correct horse battery\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// configSchema describes the hub's configuration for editors: its types say what
// there is, hub.example.yaml what it means and what the default is.
func configSchema(t *testing.T) []byte {
	t.Helper()
	b, err := os.ReadFile("../../hub.example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(b, &doc); err != nil {
		t.Fatal(err)
	}
	s := keysOf(reflect.TypeFor[hub.Config](), doc.Content[0])
	s.Title = "memwatch-hub configuration"
	return schematest.Write(t, s)
}

// keysOf describes a type by its YAML keys; example may be nil.
func keysOf(t reflect.Type, example *yaml.Node) *jsonschema.Schema {
	s := &jsonschema.Schema{}
	switch {
	case t == reflect.TypeFor[time.Duration]():
		s.Type, s.Pattern = "string", `^-?([0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h))+$|^0$`
	case t.Kind() == reflect.Struct:
		s.Type, s.AdditionalProperties = "object", &jsonschema.Schema{Not: &jsonschema.Schema{}}
		s.Properties = map[string]*jsonschema.Schema{}
		for f := range t.Fields() {
			key, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
			if key == "" || key == "-" {
				continue
			}
			name, value := pair(example, key)
			p := keysOf(f.Type, value)
			if name != nil {
				p.Description = comment(name, value)
			}
			s.Properties[key] = p
			s.PropertyOrder = append(s.PropertyOrder, key)
		}
	case t.Kind() == reflect.Slice:
		s.Type = "array"
		var first *yaml.Node
		if example != nil && len(example.Content) > 0 {
			first = example.Content[0]
		}
		s.Items = keysOf(t.Elem(), first)
	case t.Kind() == reflect.Map:
		s.Type, s.AdditionalProperties = "object", keysOf(t.Elem(), nil)
	case t.Kind() == reflect.Bool:
		s.Type = "boolean"
	case t.Kind() == reflect.String:
		s.Type = "string"
	case t.Kind() == reflect.Float64:
		s.Type = "number"
	default:
		s.Type = "integer"
	}
	return s
}

// pair is a key of a mapping with its value; nil where there is none.
func pair(n *yaml.Node, key string) (name, value *yaml.Node) {
	if n == nil || n.Kind != yaml.MappingNode {
		return nil, nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i], n.Content[i+1]
		}
	}
	return nil, nil
}

func comment(name, value *yaml.Node) string {
	text := name.LineComment
	if value.LineComment != "" {
		text = value.LineComment
	}
	return strings.TrimSpace(strings.TrimPrefix(text, "#"))
}
