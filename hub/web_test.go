package hub

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/zupee/memwatch"
	"github.com/zupee/memwatch/hub/api"
	"github.com/zupee/memwatch/wire"
)

func (r *running) request(method, path string, header http.Header) (*http.Response, string) {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.t.Context(), method, "http://"+r.addr+path, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	for k, v := range header {
		req.Header[k] = v
	}
	if h := header.Get("Host"); h != "" {
		req.Host = h
	}
	resp, err := r.http.Transport.RoundTrip(req) // follows nothing
	if err != nil {
		r.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return resp, string(b)
}

func TestErrorsNameFieldValueAndWhatIsAllowed(t *testing.T) {
	r := start(t, quick(t.TempDir()))
	r.agent().ack(batch("b", wire.NewMetrics("", shop, sampleAt(time.Now(), 1), nil)), "b")
	for _, c := range []struct {
		method, path string
		want         api.Problem
	}{
		{"GET", "/api/services/nope", api.Problem{Status: 404, Title: "Not found", Detail: `there is no service "nope"`}},
		{"GET", "/api/services/nope/metrics", api.Problem{Status: 404, Title: "Not found", Detail: `there is no service "nope"`}},
		{"GET", "/api/services/shop/metrics?instance=x", api.Problem{Status: 404, Title: "Not found", Detail: `there is no instance "x"`}},
		{"GET", "/api/services/shop/metrics?limit=many", api.Problem{Status: 400, Field: "limit", Value: "many", Allowed: "a number from 1 to 20000"}},
		{"GET", "/api/services/shop/metrics?limit=0", api.Problem{Status: 400, Field: "limit", Value: "0", Allowed: "a number from 1 to 20000"}},
		{"GET", "/api/services/shop/metrics?from=yesterday", api.Problem{Status: 400, Field: "from", Value: "yesterday", Allowed: "milliseconds since 1970, or RFC 3339 such as 2026-01-31T12:00:00Z"}},
		{"GET", "/api/services/shop/metrics?from=2000&to=1000", api.Problem{Status: 400, Field: "to", Value: "1000", Allowed: "a time after from"}},
		{"GET", "/api/services/shop/metrics?from=2000&step=fast", api.Problem{Status: 400, Field: "step", Value: "fast", Allowed: "milliseconds, or a duration such as 10s"}},
		{"GET", "/api/services/shop/metrics?step=10s", api.Problem{Status: 400, Field: "from", Allowed: "a time, as step needs a range"}},
		{"GET", "/api/alerts?severity=bad", api.Problem{Status: 400, Field: "severity", Value: "bad", Allowed: "one of info, warning, critical"}},
		{"GET", "/api/alerts?state=open", api.Problem{Status: 400, Field: "state", Value: "open", Allowed: "one of firing, resolved"}},
		{"GET", "/api/alerts?kind=x", api.Problem{Status: 400, Field: "kind", Value: "x", Allowed: "one of heap, goroutine, offheap, fragmentation"}},
		{"GET", "/api/alerts/nope", api.Problem{Status: 404, Title: "Not found", Detail: `there is no alert "nope"`}},
		{"GET", "/api/profiles?limit=1001", api.Problem{Status: 400, Field: "limit", Value: "1001", Allowed: "a number from 1 to 1000"}},
		{"GET", "/api/profiles?alert=nope", api.Problem{Status: 404, Title: "Not found", Detail: `there is no alert "nope"`}},
		{"GET", "/api/profiles/nope", api.Problem{Status: 404, Title: "Not found", Detail: `there is no profile "nope"`}},
		{"GET", "/api/profiles/..%2f..%2fetc%2fpasswd", api.Problem{Status: 404, Title: "Not found"}},
		{"GET", "/api/profiles/nope/flamegraph", api.Problem{Status: 404, Title: "Not found", Detail: `there is no profile "nope"`}},
		{"GET", "/api/nothing", api.Problem{Status: 404, Title: "Not found", Detail: `there is no page "/api/nothing"`}},
		{"GET", "/api/alerts?limit=%zz", api.Problem{Status: 400, Field: "query", Value: "limit=%zz"}},
		{"GET", "/api/alerts?service=%27%20OR%201=1--", api.Problem{Status: 200}},
		{"POST", "/api/services", api.Problem{Status: 405, Field: "method", Value: "POST", Allowed: "GET, HEAD"}},
		{"DELETE", "/api/alerts/x", api.Problem{Status: 405, Field: "method", Value: "DELETE", Allowed: "GET, HEAD"}},
	} {
		resp, body := r.request(c.method, c.path, nil)
		if resp.StatusCode != c.want.Status {
			t.Errorf("%s %s: %s: %s", c.method, c.path, resp.Status, body)
			continue
		}
		if c.want.Status == http.StatusOK {
			continue
		}
		if ct := resp.Header.Get("Content-Type"); ct != "application/problem+json" {
			t.Errorf("%s %s: Content-Type %s", c.method, c.path, ct)
		}
		var got api.Problem
		if err := json.Unmarshal([]byte(body), &got); err != nil {
			t.Errorf("%s %s: %v: %s", c.method, c.path, err, body)
			continue
		}
		for what, pair := range map[string][2]string{
			"title": {got.Title, c.want.Title}, "detail": {got.Detail, c.want.Detail}, "field": {got.Field, c.want.Field},
			"value": {got.Value, c.want.Value}, "allowed": {got.Allowed, c.want.Allowed},
		} {
			if pair[1] != "" && pair[0] != pair[1] {
				t.Errorf("%s %s: %s = %q, want %q", c.method, c.path, what, pair[0], pair[1])
			}
		}
	}
}

func TestRangesAreThinnedAndNewestAreNot(t *testing.T) {
	r := start(t, quick(t.TempDir()))
	s := r.agent()
	now := time.Now().Add(-time.Hour).Truncate(time.Second)
	var messages []*wire.Metrics
	for i := range 600 {
		live := 1000.0
		if i == 299 {
			live = 9e9
		}
		messages = append(messages, wire.NewMetrics("", shop, sampleAt(now.Add(time.Duration(i)*time.Second), live), nil))
	}
	s.ack(batch("b", messages...), "b")
	var m api.ServiceMetrics
	r.get("/api/services/shop/metrics", &m)
	if len(m.Metrics) != 100 || m.Metrics[99].Timestamp != messages[599].Timestamp || m.Metrics[0].Timestamp != messages[500].Timestamp {
		t.Errorf("%d readings by default, want the newest 100", len(m.Metrics))
	}
	r.get("/api/services/shop/metrics?limit=50&from="+now.UTC().Format(time.RFC3339), &m)
	peak := 0.0
	for _, p := range m.Metrics {
		peak = max(peak, p.Sample.Or(memwatch.LiveHeapBytes, 0))
	}
	if len(m.Metrics) > 50 || m.Total != 600 || peak != 9e9 {
		t.Errorf("%d of %d readings with the peak %g, want at most 50 of 600 with the peak", len(m.Metrics), m.Total, peak)
	}
	r.get("/api/services/shop/metrics?step=60s&from="+now.UTC().Format(time.RFC3339)+"&to="+now.Add(10*time.Minute).UTC().Format(time.RFC3339), &m)
	if n := len(m.Metrics); n < 10 || n > 24 {
		t.Errorf("%d readings at a step of a minute in ten, want about two a step", n)
	}
}

func TestPageIsServedSafely(t *testing.T) {
	r := start(t, quick(t.TempDir()))
	for _, c := range []struct{ path, contains, cache string }{
		{"/", "<title>memwatch", "no-cache"},
		{"/index.html", "<title>memwatch", "no-cache"},
		{"/services/a%2Fb", "<title>memwatch", "no-cache"},
		{"/alerts/1", "<title>memwatch", "no-cache"},
		{"/theme.js", "// theme", "no-cache"},
		{"/assets/app-1.js", "console.log", "public, max-age=31536000, immutable"},
		{"/../../etc/passwd", "<title>memwatch", "no-cache"},
	} {
		resp, body := r.request("GET", c.path, nil)
		if resp.StatusCode != http.StatusOK || !strings.Contains(body, c.contains) || resp.Header.Get("Cache-Control") != c.cache {
			if resp.StatusCode == http.StatusMovedPermanently || resp.StatusCode == http.StatusTemporaryRedirect {
				continue // the mux cleans the path first
			}
			t.Errorf("%s: %s, %q, %s", c.path, resp.Status, resp.Header.Get("Cache-Control"), body)
		}
		for name, want := range map[string]string{
			"Content-Security-Policy": "script-src 'self'", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer",
		} {
			if got := resp.Header.Get(name); !strings.Contains(got, want) {
				t.Errorf("%s: %s = %q, want %q in it", c.path, name, got, want)
			}
		}
		if csp := resp.Header.Get("Content-Security-Policy"); strings.Contains(csp, "unsafe") {
			t.Errorf("policy %q allows what is unsafe", csp)
		}
	}
	if resp, _ := r.request("GET", "/assets/old-2.js", nil); resp.StatusCode != http.StatusNotFound {
		t.Errorf("a missing asset: %s, want 404 and not the page", resp.Status)
	}
	if resp, _ := r.request("GET", "/api/services", http.Header{"Host": {"evil.example"}}); resp.StatusCode != http.StatusMisdirectedRequest {
		t.Errorf("under another name: %s, want 421", resp.Status)
	}
}

func TestJSONIsCompressedForWhoAsks(t *testing.T) {
	r := start(t, quick(t.TempDir()))
	s := r.agent()
	var messages []*wire.Metrics
	for i := range 50 {
		messages = append(messages, wire.NewMetrics("", shop, sampleAt(time.Now().Add(time.Duration(i)*time.Millisecond), 1), nil))
	}
	s.ack(batch("b", messages...), "b")
	resp, body := r.request("GET", "/api/services/shop/metrics", http.Header{"Accept-Encoding": {"gzip"}})
	if resp.Header.Get("Content-Encoding") != "gzip" {
		t.Fatalf("Content-Encoding = %q", resp.Header.Get("Content-Encoding"))
	}
	var m api.ServiceMetrics
	z, err := gzip.NewReader(strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.NewDecoder(z).Decode(&m); err != nil || len(m.Metrics) != 50 {
		t.Errorf("%d readings, %v", len(m.Metrics), err)
	}
	if resp, _ := r.request("GET", "/api/services/shop/metrics", http.Header{"Accept-Encoding": {"identity"}}); resp.Header.Get("Content-Encoding") != "" {
		t.Error("compressed for one that cannot read it")
	}
}

func TestHealthEndpoints(t *testing.T) {
	r := start(t, quick(t.TempDir()))
	for path, want := range map[string]string{"/health": `"status":"healthy"`, "/healthz": "ok", "/readyz": "ready", "/metrics": "memwatch_hub_services 0", "/api/stats": `"uptime":`} {
		if resp, body := r.request("GET", path, nil); resp.StatusCode != http.StatusOK || !strings.Contains(body, want) {
			t.Errorf("%s: %s: %s", path, resp.Status, body)
		}
	}
}

func TestGoToolPprofOpensAProfileAndADiff(t *testing.T) {
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("needs the go command")
	}
	r := start(t, quick(t.TempDir()))
	s := r.agent()
	for i, p := range []struct {
		id, base string
		cart     int64
	}{{"c1", "", 5_000}, {"c2", "c1", 5_000_000}} {
		data := heapProfile(t, p.cart)
		id := string(rune('a' + i))
		s.send(snapshotOf(id, captureOf(p.id, memwatch.RoleLeaking, data, p.base)))
		s.answer()
		s.sendChunk(id, 0, data)
		s.answer()
	}
	cmd := exec.CommandContext(t.Context(), "go", "tool", "pprof", "-sample_index=inuse_space", "-top",
		"-diff_base=http://"+r.addr+"/api/profiles/c1", "http://"+r.addr+"/api/profiles/c2")
	cmd.Env = append(os.Environ(), "PPROF_TMPDIR="+t.TempDir())
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if !strings.Contains(string(out), "main.(*Cart).Add") {
		t.Errorf("pprof says:\n%s", out)
	}
	resp, body := r.request("GET", "/api/profiles/c2", http.Header{"Range": {"bytes=0-9"}})
	if resp.StatusCode != http.StatusPartialContent || len(body) != 10 || resp.Header.Get("Content-Disposition") != `attachment; filename="c2.pb.gz"` {
		t.Errorf("range: %s, %d bytes, %v", resp.Status, len(body), resp.Header)
	}
}

func TestUnsafeAddressesAreRefused(t *testing.T) {
	for listen, ok := range map[string]bool{
		"127.0.0.1:4000": true, "localhost:0": true, "[::1]:4000": true, "127.9.9.9:1": true,
		":4000": false, "0.0.0.0:4000": false, "[::]:4000": false, "10.0.0.1:4000": false, "hub.example:80": false, "4000": false,
	} {
		cfg := DefaultConfig()
		cfg.Listen = listen
		if err := cfg.Validate(); (err == nil) != ok {
			t.Errorf("listen %s: %v", listen, err)
		}
		cfg.Insecure = true
		if err := cfg.Validate(); err != nil && listen != "4000" {
			t.Errorf("listen %s, insecure: %v", listen, err)
		}
	}
}

func TestStartFailsInWords(t *testing.T) {
	dir := t.TempDir()
	first := start(t, quick(dir))
	logger := slog.New(slog.DiscardHandler)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := Run(ctx, quick(dir), logger); err == nil || !strings.Contains(err.Error(), "in use by another process") {
		t.Errorf("a second hub on the same data: %v", err)
	}
	busy := quick(t.TempDir())
	busy.Listen = first.addr
	if err := Run(ctx, busy, logger); err == nil || !strings.Contains(err.Error(), "--listen") {
		t.Errorf("a second hub on the same port: %v", err)
	}
	broken := quick(t.TempDir())
	if err := os.WriteFile(filepath.Join(broken.Data, "memwatch.db"), []byte(strings.Repeat("no database", 500)), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Run(ctx, broken, logger); err == nil || !strings.Contains(err.Error(), "damaged") {
		t.Errorf("a broken database: %v", err)
	}
}
