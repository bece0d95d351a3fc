package hub

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/zupee/memwatch"
	"github.com/zupee/memwatch/hub/api"
	"github.com/zupee/memwatch/hub/auth"
	"github.com/zupee/memwatch/wire"
)

func escape(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }

// The parts of an OpenAPI document that the fuzzer needs.
type (
	apiDocument struct {
		Paths map[string]map[string]apiOperation
	}
	apiOperation struct {
		OperationID string
		Parameters  []apiParameter
		RequestBody struct {
			Content map[string]struct{ Schema map[string]any }
		}
		Responses map[string]struct {
			Content map[string]struct{ Schema map[string]any }
		}
	}
	apiParameter struct {
		Name, In string
		Schema   map[string]any
	}
)

// fuzzer makes requests from the document, right ones and wrong ones.
type fuzzer struct {
	t       *testing.T
	rng     *rand.Rand
	g       *guardedHub
	doc     apiDocument
	schemas *jsonschema.Compiler
	raw     map[string]any
	made    map[string]*jsonschema.Schema
	// words are values that exist, so that requests reach what is behind the checks:
	// the names of services, and the ids under a path.
	words map[string][]string
	// careful makes a request right in all its parts.
	careful bool
	seen    map[string]map[int]int
}

var nasty = []string{
	"", "0", "-1", "1", "2", "100", "1000", "1001", "20001", "99999999999999999999", "1e9", "NaN", "true", "null", "[]", "{}",
	"' OR 1=1 --", `"; DROP TABLE alerts; --`, "../../../etc/passwd", "..", ".", "%2e%2e", "\x00", "\xff\xfe", "\r\nX-Evil: 1", "<script>alert(1)</script>",
	"{{.}}", "${x}", "☃", "\u202e", strings.Repeat("a", 300), strings.Repeat("é", 5000), "10s", "-5m", "2h", "2026-01-31T12:00:00Z", "1769860800000", "253402300800000", "0001-01-01T00:00:00Z",
	"inuse_space", "shop", "shop-1", "firing", "critical", "heap", "leaking", "upload", "*", "(((((", "a b", "a+b", "a/b", "a?b#c",
}

func (f *fuzzer) pick(list []string) string { return list[f.rng.IntN(len(list))] }

// value is one for a schema; of a request that is not careful it is anything in
// half of the cases.
func (f *fuzzer) value(schema map[string]any, words []string) string {
	if !f.careful && f.rng.IntN(2) == 0 {
		return f.pick(nasty)
	}
	if enum, ok := schema["enum"].([]any); ok {
		return fmt.Sprint(enum[f.rng.IntN(len(enum))])
	}
	if schema["type"] == "integer" {
		least, _ := schema["minimum"].(float64)
		most, ok := schema["maximum"].(float64)
		if !ok {
			most = 1000
		}
		return strconv.Itoa(int(least) + f.rng.IntN(int(most-least)+1))
	}
	if examples, ok := schema["examples"].([]any); ok {
		return fmt.Sprint(examples[f.rng.IntN(len(examples))])
	}
	return f.pick(words)
}

func (f *fuzzer) body(op apiOperation) (contentType string, body []byte) {
	if len(op.RequestBody.Content) == 0 {
		if f.rng.IntN(10) == 0 {
			return "application/json", []byte(f.pick(nasty))
		}
		return "", nil
	}
	types := slices.Sorted(maps.Keys(op.RequestBody.Content))
	contentType = types[0]
	if !f.careful && f.rng.IntN(10) == 0 {
		contentType = f.pick([]string{"text/plain", "application/xml", "multipart/form-data", "application/json", "", "x"})
	}
	if !f.careful && f.rng.IntN(5) == 0 {
		return contentType, []byte(f.pick(nasty))
	}
	if !strings.Contains(types[0], "json") {
		p := heapProfile(f.t, int64(f.rng.IntN(5)+1)*1000)
		if !f.careful { // damaged
			p[f.rng.IntN(len(p))] ^= byte(1 << f.rng.IntN(8))
			p = p[:len(p)-f.rng.IntN(2)*f.rng.IntN(len(p))]
		}
		return contentType, p
	}
	fields := map[string]any{}
	for name, schema := range f.resolve(op.RequestBody.Content[types[0]].Schema)["properties"].(map[string]any) {
		if f.careful {
			if schema.(map[string]any)["type"] == "string" {
				fields[name] = f.value(schema.(map[string]any), f.words["service"])
			}
			continue
		}
		switch f.rng.IntN(4) {
		case 0:
		case 1:
			fields[name] = []any{nil, -1, 1e300, true, []any{}, map[string]any{"a": 1}}[f.rng.IntN(6)]
		default:
			fields[name] = f.value(schema.(map[string]any), f.words["service"])
		}
	}
	b, err := json.Marshal(fields)
	if err != nil {
		f.t.Fatal(err)
	}
	return contentType, b
}

func (f *fuzzer) resolve(schema map[string]any) map[string]any {
	if ref, ok := schema["$ref"].(string); ok {
		var at any = f.raw
		for part := range strings.SplitSeq(strings.TrimPrefix(ref, "#/"), "/") {
			at = at.(map[string]any)[part]
		}
		return at.(map[string]any)
	}
	if choices, ok := schema["anyOf"].([]any); ok {
		return f.resolve(choices[0].(map[string]any))
	}
	return schema
}

// request makes one; it is nil when the values make another path of it.
func (f *fuzzer) request(method, path string, op apiOperation) *http.Request {
	query := url.Values{}
	f.careful = f.rng.IntN(3) == 0
	for _, p := range op.Parameters {
		switch p.In {
		case "path":
			words := f.words[p.Name]
			for at, ids := range f.words {
				if strings.HasPrefix(path, at) {
					words = ids
				}
			}
			v := f.value(p.Schema, words)
			if v == "" || v == "." || v == ".." {
				v = "x"
			}
			path = strings.Replace(path, "{"+p.Name+"}", url.PathEscape(v), 1)
		case "query":
			if f.rng.IntN(3) == 0 {
				query.Add(p.Name, f.value(p.Schema, f.words["service"]))
			}
			if !f.careful && f.rng.IntN(40) == 0 {
				query.Add(p.Name, f.pick(nasty))
			}
		}
	}
	raw := query.Encode()
	if !f.careful && f.rng.IntN(50) == 0 {
		raw += "&" + f.pick([]string{"%zz", ";", "=", "a=%ff", "limit"})
	}
	contentType, body := f.body(op)
	r := httptest.NewRequest(method, path, bytes.NewReader(body))
	r.Host, r.URL.RawQuery = "127.0.0.1", raw
	r.Header.Set("Content-Type", contentType)
	who := f.pick(slices.Sorted(maps.Keys(f.g.ways)))
	if f.rng.IntN(3) > 0 {
		who = "operator"
	}
	maps.Copy(r.Header, f.g.ways[who])
	for _, h := range []string{"Accept", "If-None-Match", "Range", "If-Modified-Since"} {
		if f.rng.IntN(20) == 0 {
			r.Header.Set(h, f.pick([]string{"*", `"x"`, "bytes=0-9", "bytes=9-0,1-", "text/html", "application/xml;q=", "Mon", "a/b, */*"}))
		}
	}
	return r
}

// check holds an answer against the document.
func (f *fuzzer) check(r *http.Request, op apiOperation, w *httptest.ResponseRecorder) error {
	if w.Code >= 500 && w.Code != http.StatusInsufficientStorage {
		return fmt.Errorf("answered %d: %s", w.Code, w.Body)
	}
	switch w.Code {
	case http.StatusNotModified, http.StatusPartialContent, http.StatusRequestedRangeNotSatisfiable, http.StatusPreconditionFailed:
		return nil // HTTP's own
	}
	response, ok := op.Responses[strconv.Itoa(w.Code)]
	if !ok {
		return fmt.Errorf("answered %d, which the document does not have: %s", w.Code, w.Body)
	}
	media, _, _ := strings.Cut(w.Header().Get("Content-Type"), ";")
	if len(response.Content) == 0 {
		if w.Body.Len() > 0 {
			return fmt.Errorf("%d has a body: %.200s", w.Code, w.Body)
		}
		return nil
	}
	content, ok := response.Content[media]
	if !ok {
		return fmt.Errorf("%d is %q, which the document does not have", w.Code, media)
	}
	if !strings.Contains(media, "json") {
		return nil
	}
	body, err := jsonschema.UnmarshalJSON(w.Body)
	if err != nil {
		return fmt.Errorf("%d: %w", w.Code, err)
	}
	schema, err := f.schema(content.Schema)
	if err != nil {
		return err
	}
	if err := schema.Validate(body); err != nil {
		return fmt.Errorf("%d: %w", w.Code, err)
	}
	return nil
}

func (f *fuzzer) schema(s map[string]any) (*jsonschema.Schema, error) {
	b, _ := json.Marshal(s)
	key := string(b)
	if f.made[key] != nil {
		return f.made[key], nil
	}
	name := fmt.Sprintf("https://memwatch.test/%d.json", len(f.made))
	whole := maps.Clone(s)
	whole["components"] = f.raw["components"]
	if err := f.schemas.AddResource(name, whole); err != nil {
		return nil, err
	}
	made, err := f.schemas.Compile(name)
	f.made[key] = made
	return made, err
}

// requests is how many the fuzzer makes; MEMWATCH_FUZZ_REQUESTS sets another number.
const requests = 2000

// Every operation of the document is asked again and again, rightly and wrongly:
// nothing may fail inside, and every answer must be one that the document has.
func TestRequestsMadeFromTheDocumentAreAnsweredAsItSays(t *testing.T) {
	n := requests
	if s := os.Getenv("MEMWATCH_FUZZ_REQUESTS"); s != "" {
		var err error
		if n, err = strconv.Atoi(s); err != nil {
			t.Fatal(err)
		}
	}
	g := guardedBy(t)
	f := &fuzzer{t: t, rng: rand.New(rand.NewPCG(1, 2)), g: g, schemas: jsonschema.NewCompiler(), made: map[string]*jsonschema.Schema{}, seen: map[string]map[int]int{}}
	document, err := g.rest.OpenAPI()
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(document, &f.doc); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(document, &f.raw); err != nil {
		t.Fatal(err)
	}
	f.fill()
	type target struct {
		method, path string
		op           apiOperation
	}
	var targets []target
	for _, path := range slices.Sorted(maps.Keys(f.doc.Paths)) {
		for _, method := range slices.Sorted(maps.Keys(f.doc.Paths[path])) {
			targets = append(targets, target{strings.ToUpper(method), path, f.doc.Paths[path][method]})
		}
	}
	for i := range n {
		c := targets[i%len(targets)]
		r := f.request(c.method, c.path, c.op)
		w := httptest.NewRecorder()
		g.handler.ServeHTTP(w, r)
		if w.Code == http.StatusTemporaryRedirect || w.Code == http.StatusMovedPermanently {
			continue // a path that is not in its shortest form
		}
		if f.seen[c.op.OperationID] == nil {
			f.seen[c.op.OperationID] = map[int]int{}
		}
		f.seen[c.op.OperationID][w.Code]++
		if err := f.check(r, c.op, w); err != nil {
			t.Errorf("request %d, %s %s: %v", i, r.Method, r.URL, err)
		}
	}
	for _, c := range targets {
		ok := 0
		for status, times := range f.seen[c.op.OperationID] {
			if status < 300 {
				ok += times
			}
		}
		if ok == 0 && c.op.OperationID != "sign-in" { // no password is guessed
			t.Errorf("%s %s never succeeded: %v", c.method, c.path, f.seen[c.op.OperationID])
		}
	}
	t.Logf("%d requests to %d operations: %v", n, len(targets), f.seen)
}

// fill gives the hub something of everything, over its own port.
func (f *fuzzer) fill() {
	f.t.Helper()
	server := httptest.NewServer(f.g.handler)
	defer server.Close()
	_, secret, err := f.g.access.CreateToken(f.t.Context(), "filler", auth.RoleAgent, 0)
	if err != nil {
		f.t.Fatal(err)
	}
	_, operator, err := f.g.access.CreateToken(f.t.Context(), "reader", auth.RoleOperator, 0)
	if err != nil {
		f.t.Fatal(err)
	}
	r := &running{t: f.t, addr: strings.TrimPrefix(server.URL, "http://"), http: &http.Client{Transport: &withToken{agent: secret, people: operator}}}
	defer r.http.CloseIdleConnections()
	a := r.leak()
	c := r.bring("", heapProfile(f.t, 4711))
	s := r.agent()
	for i := range 30 {
		service := fmt.Sprintf("leaky-%d", i)
		s.ack(batch(service, wire.NewMetrics("", memwatch.Target{Service: service, Instance: "1"}, sampleAt(time.Now(), 1), leaking())), service)
	}
	s.close()
	var list api.Alerts
	r.get("/api/alerts?type=leak", &list)
	f.words = map[string][]string{"service": {a.Service, "leaky-0", "leaky-1"}, "/api/profiles/": append([]string{c.ID}, a.Profiles...)}
	for _, a := range list.Alerts {
		f.words["/api/alerts/"] = append(f.words["/api/alerts/"], a.ID)
	}
}

// withToken sends an agent's token to where agents go, and a person's elsewhere.
type withToken struct {
	http.Transport
	agent, people string
}

func (w *withToken) RoundTrip(r *http.Request) (*http.Response, error) {
	token := w.people
	if strings.HasPrefix(r.URL.Path, "/ws/agent") {
		token = w.agent
	}
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+token)
	return w.Transport.RoundTrip(r)
}
