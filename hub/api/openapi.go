package api

import (
	"errors"
	"net/http"
	"reflect"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/zupee/memwatch"
	"github.com/zupee/memwatch/wire"
)

func asProblem(err error) (*Problem, bool) {
	var p *Problem
	return p, errors.As(err, &p)
}

func newConfig(version string) huma.Config {
	c := huma.Config{
		OpenAPI: &huma.OpenAPI{
			OpenAPI: "3.1.0",
			Info: &huma.Info{
				Title: "memwatch hub", Version: version,
				Description: "What leaks, where, how fast and how long until the limit. Times are Unix milliseconds, sizes are bytes unless a name says MB. " +
					"A list goes on where `next` is given: repeat the request with it as `cursor`.",
				License: &huma.License{Name: "MIT"},
			},
			Components: &huma.Components{
				Schemas: huma.NewMapRegistry("#/components/schemas/", huma.DefaultSchemaNamer),
				SecuritySchemes: map[string]*huma.SecurityScheme{
					"bearer":  {Type: "http", Scheme: "bearer", Description: "A token of `memwatch-hub token create`."},
					"basic":   {Type: "http", Scheme: "basic", Description: "The same token as password, any user name: for `go tool pprof`."},
					"session": {Type: "apiKey", In: "cookie", Name: SessionCookie, Description: "What signing in sets."},
				},
			},
		},
		Formats: huma.DefaultFormats, DefaultFormat: "application/json",
	}
	return c
}

// SessionCookie is the cookie's name on plain HTTP; over TLS it has the prefix __Host-.
const SessionCookie = "memwatch_session"

// words are the values that the vocabulary's types may have.
var words = map[reflect.Type][]any{
	reflect.TypeFor[memwatch.State]():      {"learning", "healthy", "suspect", "leaking"},
	reflect.TypeFor[memwatch.Kind]():       {"none", "heap", "goroutine", "offheap", "fragmentation"},
	reflect.TypeFor[memwatch.Severity]():   {"none", "info", "warning", "critical"},
	reflect.TypeFor[memwatch.Certainty]():  {"certain", "likely"},
	reflect.TypeFor[memwatch.AlertType]():  {"leak", "snapshot", "disconnect"},
	reflect.TypeFor[memwatch.AlertState](): {"firing", "resolved"},
	reflect.TypeFor[memwatch.Action](): {
		"acknowledge", "silence", "expect", "resolve", "lift", "fire", "join", "rename", "worsen", "ease", "blame", "hold", "release", "expire", "resume", "notify",
	},
	reflect.TypeFor[memwatch.DeliveryState](): {"waiting", "retrying", "delivered", "failed"},
	reflect.TypeFor[memwatch.ProfileKind]():   {"heap", "goroutine", "goroutineleak", "other"},
	reflect.TypeFor[memwatch.Role]():          {"baseline", "suspect", "leaking", "lastgasp", "upload"},
	reflect.TypeFor[wire.Status]():            {"connected", "unreachable", "disconnected"},
}

// describe finishes the schemas where Go's types say more than reflection sees:
// words, unknown times, pointers that may be null, and the Sample, which writes
// itself.
func describe(doc *huma.OpenAPI) {
	registry := doc.Components.Schemas
	for name, schema := range registry.Map() {
		if t := registry.TypeFromRef("#/components/schemas/" + name); t == reflect.TypeFor[memwatch.Sample]() {
			describeSample(schema)
		} else {
			describeFields(schema, t)
		}
	}
}

func describeFields(schema *huma.Schema, t reflect.Type) {
	for f := range t.Fields() {
		if f.Anonymous {
			describeFields(schema, f.Type)
			continue
		}
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		property := schema.Properties[name]
		if property == nil {
			continue
		}
		switch {
		case f.Type == reflect.TypeFor[memwatch.UnixMilli]():
			property.Nullable, property.Description = true, "Unix milliseconds; null when unknown"
		case words[f.Type] != nil:
			property.Enum = words[f.Type]
		case f.Type.Kind() == reflect.Pointer && property.Ref != "" && !strings.Contains(options, "omitempty"):
			schema.Properties[name] = &huma.Schema{AnyOf: []*huma.Schema{{Ref: property.Ref}, {Type: "null"}}}
		}
	}
}

func describeSample(schema *huma.Schema) {
	number := &huma.Schema{Type: huma.TypeNumber}
	schema.Properties = map[string]*huma.Schema{"timestamp": {Type: huma.TypeInteger}, "startTime": {Type: huma.TypeInteger}}
	for sig := range memwatch.SignalCount {
		schema.Properties[sig.String()] = number
	}
	schema.Required = []string{"timestamp"}
	schema.Description = "One reading. A signal that the target lacks is absent, never zero."
}

// OpenAPI is the document of all operations, as served at /api/openapi.json.
func (s *Server) OpenAPI() ([]byte, error) { return s.api.OpenAPI().MarshalJSON() }

// bytesOf describes an answer that is not JSON.
func bytesOf(mediaTypes ...string) func(*huma.Operation) {
	return func(op *huma.Operation) {
		content := map[string]*huma.MediaType{}
		for _, t := range mediaTypes {
			content[t] = &huma.MediaType{Schema: &huma.Schema{Type: huma.TypeString, Format: "binary"}}
		}
		op.Responses = map[string]*huma.Response{"200": {Description: http.StatusText(http.StatusOK), Content: content}}
	}
}
