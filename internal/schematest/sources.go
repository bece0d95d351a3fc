package schematest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/google/jsonschema-go/jsonschema"
)

const module = "github.com/zupee/memwatch"

// sources are packages that were read, by their path.
type sources map[string]*source

// source is what the code says besides its types.
type source struct {
	comments map[string]string // by Type, and by Type.Field
	words    map[string][]any  // by Type: its constants
}

// of reads the package of a type; nil when it is not this module's.
func (s sources) of(t *testing.T, typ reflect.Type) *source {
	t.Helper()
	rest, ok := strings.CutPrefix(typ.PkgPath(), module)
	if !ok {
		return nil
	}
	if known := s[typ.PkgPath()]; known != nil {
		return known
	}
	out := &source{map[string]string{}, map[string][]any{}}
	s[typ.PkgPath()] = out
	files, err := filepath.Glob(filepath.Join(root(), filepath.FromSlash(rest), "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Decls {
			if g, ok := d.(*ast.GenDecl); ok {
				out.take(g)
			}
		}
	}
	return out
}

func (s *source) take(g *ast.GenDecl) {
	for _, spec := range g.Specs {
		switch d := spec.(type) {
		case *ast.ValueSpec:
			if typ, ok := d.Type.(*ast.Ident); ok && g.Tok == token.CONST {
				for _, v := range d.Values {
					if lit, ok := v.(*ast.BasicLit); ok && lit.Kind == token.STRING {
						if word, err := strconv.Unquote(lit.Value); err == nil {
							s.words[typ.Name] = append(s.words[typ.Name], word)
						}
					}
				}
			}
		case *ast.TypeSpec:
			doc := d.Doc
			if doc == nil {
				doc = g.Doc
			}
			s.comments[d.Name.Name] = plain(doc, d.Comment)
			if fields, ok := d.Type.(*ast.StructType); ok {
				for _, f := range fields.Fields.List {
					for _, name := range f.Names {
						s.comments[d.Name.Name+"."+name.Name] = plain(f.Doc, f.Comment)
					}
				}
			}
		}
	}
}

// plain is a comment in one line.
func plain(groups ...*ast.CommentGroup) string {
	var parts []string
	for _, g := range groups {
		if text := strings.Join(strings.Fields(g.Text()), " "); text != "" {
			parts = append(parts, text)
		}
	}
	return strings.Join(parts, " ")
}

// word is a type of a few words.
type word struct {
	typ    reflect.Type
	values []any
}

// words finds the types of words in a type.
func (s sources) words(t *testing.T, typ reflect.Type, seen map[reflect.Type]bool) (out []word) {
	if seen[typ] {
		return nil
	}
	seen[typ] = true
	switch typ.Kind() {
	case reflect.String:
		if src := s.of(t, typ); src != nil && len(src.words[typ.Name()]) > 0 {
			return []word{{typ, src.words[typ.Name()]}}
		}
	case reflect.Pointer, reflect.Slice, reflect.Map:
		return s.words(t, typ.Elem(), seen)
	case reflect.Struct:
		for f := range typ.Fields() {
			out = append(out, s.words(t, f.Type, seen)...)
		}
	}
	return out
}

// describe gives each property the comment of its field.
func (s sources) describe(t *testing.T, schema *jsonschema.Schema, typ reflect.Type, special map[reflect.Type]*jsonschema.Schema) {
	for typ.Kind() == reflect.Pointer {
		typ = typ.Elem()
	}
	if schema == nil || special[typ] != nil {
		return
	}
	switch typ.Kind() {
	case reflect.Slice: // ours are empty, never null
		schema.Type, schema.Types = "array", nil
		s.describe(t, schema.Items, typ.Elem(), special)
	case reflect.Map:
		s.describe(t, schema.AdditionalProperties, typ.Elem(), special)
	case reflect.Struct:
		if src := s.of(t, typ); src != nil && schema.Description == "" {
			schema.Description = src.comments[typ.Name()]
		}
		for _, f := range reflect.VisibleFields(typ) {
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			property := schema.Properties[name]
			if f.Anonymous || property == nil {
				continue
			}
			owner := typ
			for _, i := range f.Index[:len(f.Index)-1] {
				if owner = owner.Field(i).Type; owner.Kind() == reflect.Pointer {
					owner = owner.Elem()
				}
			}
			if src := s.of(t, owner); src != nil {
				if said := src.comments[owner.Name()+"."+f.Name]; said != "" {
					property.Description = said
				}
			}
			s.describe(t, property, f.Type, special)
		}
	}
}
