package api

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// bare is a server of an empty hub.
func bare(t *testing.T) *Server {
	t.Helper()
	return New(Options{
		Fleet: noFleet{}, Metrics: prometheus.NewRegistry(), Version: "test", Logger: slog.New(slog.DiscardHandler),
		Ready:  func(context.Context) error { return nil },
		Stats:  func(context.Context) (Stats, error) { return Stats{}, nil },
		Agents: func() []Agent { return []Agent{} },
	})
}

type noFleet struct{}

func (noFleet) Services() []Service            { return nil }
func (noFleet) Service(string) (Service, bool) { return Service{}, false }

func (s *Server) do(method, path string, header ...string) *http.Response {
	r := httptest.NewRequest(method, path, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w.Result()
}

func body(t *testing.T, resp *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// The dashboard's types are checked against this file.
func TestTheCommittedOpenAPIDocumentIsFresh(t *testing.T) {
	raw, err := bare(t).OpenAPI()
	if err != nil {
		t.Fatal(err)
	}
	var got bytes.Buffer
	if err := json.Indent(&got, raw, "", "  "); err != nil {
		t.Fatal(err)
	}
	got.WriteByte('\n')
	file := filepath.Join("testdata", "openapi.json")
	if *update {
		if err := os.WriteFile(file, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Bytes(), want) {
		t.Errorf("%s is not what the code says: run go test ./hub/api -run OpenAPI -update", file)
	}
}

// constants are the words that the vocabulary has of each of its types, read from
// its source.
func constants(t *testing.T, dir string) map[string][]string {
	t.Helper()
	out := map[string][]string{}
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			spec, ok := n.(*ast.ValueSpec)
			if !ok || len(spec.Values) != 1 {
				return true
			}
			name, isName := spec.Type.(*ast.Ident)
			value, isText := spec.Values[0].(*ast.BasicLit)
			if isName && isText && value.Kind == token.STRING {
				word, _ := strconv.Unquote(value.Value)
				out[name.Name] = append(out[name.Name], word)
			}
			return true
		})
	}
	return out
}

func TestTheDocumentKnowsEveryWord(t *testing.T) {
	for dir, typed := range map[string]string{"../..": "memwatch.", "../../wire": "wire."} {
		known := constants(t, dir)
		for typ, listed := range words {
			if !strings.HasPrefix(typ.String(), typed) {
				continue
			}
			var missing []string
			for _, word := range known[typ.Name()] {
				if !slices.Contains(listed, any(word)) {
					missing = append(missing, word)
				}
			}
			if len(missing) > 0 || len(known[typ.Name()]) != len(listed) {
				t.Errorf("%s: the document has %v and lacks %v", typ, listed, missing)
			}
		}
	}
}

func TestTheDocsPageLoadsNothingFromElsewhere(t *testing.T) {
	s := bare(t)
	resp := s.do("GET", "/api/docs")
	page := body(t, resp)
	if resp.StatusCode != http.StatusOK || strings.Contains(page, "http://") || strings.Contains(page, "https://") {
		t.Errorf("%s: %s", resp.Status, page)
	}
	if csp := resp.Header.Get("Content-Security-Policy"); !strings.Contains(csp, "script-src 'self';") {
		t.Errorf("policy %q", csp)
	}
	for _, m := range regexp.MustCompile(`(?:src|href)="([^"]+)"`).FindAllStringSubmatch(page, -1) {
		if resp := s.do("GET", m[1]); resp.StatusCode != http.StatusOK {
			t.Errorf("%s: %s", m[1], resp.Status)
		}
	}
}

func TestWhatABrowserHasIsNotSentAgain(t *testing.T) {
	s := bare(t)
	first := s.do("GET", "/api/services")
	tag := first.Header.Get("ETag")
	if !strings.HasPrefix(tag, `W/"`) || body(t, first) != "[]\n" {
		t.Fatalf("ETag %q, %s", tag, first.Status)
	}
	again := s.do("GET", "/api/services", "If-None-Match", tag)
	if again.StatusCode != http.StatusNotModified || body(t, again) != "" {
		t.Errorf("again: %s", again.Status)
	}
	if other := s.do("GET", "/api/services", "If-None-Match", `W/"0"`); other.StatusCode != http.StatusOK {
		t.Errorf("with another tag: %s", other.Status)
	}
}

func TestABugCostsOneRequest(t *testing.T) {
	s := bare(t)
	s.mux.HandleFunc("GET /bug", func(http.ResponseWriter, *http.Request) { panic("secret detail") })
	resp := s.do("GET", "/bug")
	if b := body(t, resp); resp.StatusCode != http.StatusInternalServerError || strings.Contains(b, "secret") {
		t.Errorf("%s: %s", resp.Status, b)
	}
}
