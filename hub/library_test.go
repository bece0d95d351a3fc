package hub

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path"
	"strings"
	"testing"
	"time"

	"github.com/google/pprof/profile"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/zupee/memwatch"
	"github.com/zupee/memwatch/hub/api"
	"github.com/zupee/memwatch/wire"
)

func (r *running) post(path string, body []byte) (*http.Response, string) {
	r.t.Helper()
	resp, err := r.http.Post("http://"+r.addr+path, "application/octet-stream", bytes.NewReader(body))
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

func (r *running) bring(query string, body []byte) memwatch.Capture {
	r.t.Helper()
	resp, text := r.post("/api/profiles?"+query, body)
	var c memwatch.Capture
	if err := json.Unmarshal([]byte(text), &c); err != nil || resp.StatusCode > 201 {
		r.t.Fatalf("%s: %s", resp.Status, text)
	}
	return c
}

func unzipped(t *testing.T, b []byte) []byte {
	t.Helper()
	z, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	out, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestAnyProfileCanBeBrought(t *testing.T) {
	r := start(t, quick(t.TempDir()))
	packed := heapProfile(t, 5000)
	c := r.bring("filename=..%2F..%2Fetc%2Fheap.pb.gz&service=shop", packed)
	if c.Role != memwatch.RoleUpload || c.Kind != memwatch.HeapProfile || c.Filename != "heap.pb.gz" || c.Service != "shop" {
		t.Errorf("capture %+v", c)
	}
	if resp, body := r.request("GET", "/api/profiles/"+c.ID, nil); body != string(packed) {
		t.Errorf("%s: other bytes than were brought", resp.Status)
	}
	if resp, _ := r.post("/api/profiles", packed); resp.StatusCode != http.StatusOK {
		t.Errorf("the same again: %s, want 200", resp.Status)
	}
	if again := r.bring("", unzipped(t, packed)); again.ID != c.ID || again.Service != "shop" { // without compression
		t.Errorf("the same without compression: %+v", again)
	}
	text := "heap profile: 1: 1024 [1: 1024] @ heap/1048576\n1: 1024 [1: 1024] @ 0x1 0x2\n"
	old := r.bring("", []byte(text))
	var f api.Flamegraph
	r.get("/api/profiles/"+old.ID+"/flamegraph", &f)
	if f.Total == 0 {
		t.Error("a heap profile in text has no flame graph")
	}
	var list api.Profiles
	r.get("/api/profiles?role=upload&limit=1", &list)
	if list.Total != 2 || len(list.Profiles) != 1 || list.Next == "" {
		t.Fatalf("%+v", list)
	}
	after := list.Next
	list = api.Profiles{}
	r.get("/api/profiles?role=upload&limit=10&cursor="+after, &list)
	if len(list.Profiles) != 1 || list.Next != "" {
		t.Errorf("second page: %+v", list)
	}
	if resp, body := r.request("DELETE", "/api/profiles/"+c.ID, nil); resp.StatusCode != http.StatusNoContent {
		t.Errorf("delete: %s: %s", resp.Status, body)
	}
	if resp, _ := r.request("GET", "/api/profiles/"+c.ID, nil); resp.StatusCode != http.StatusNotFound {
		t.Errorf("after delete: %s", resp.Status)
	}
}

// samplesBomb is a small file of very many samples.
func samplesBomb(t *testing.T) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	sample := protowire.AppendBytes(protowire.AppendTag(nil, 2, protowire.BytesType), nil)
	if _, err := z.Write(bytes.Repeat(sample, 8<<20)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestWhatIsNoProfileIsRefused(t *testing.T) {
	cfg := quick(t.TempDir())
	cfg.Ingest.MaxProfileBytes = 1 << 20
	r := start(t, cfg)
	var zeros bytes.Buffer
	z := gzip.NewWriter(&zeros)
	if _, err := z.Write(make([]byte, 130<<20)); err != nil {
		t.Fatal(err)
	}
	z.Close()
	for name, c := range map[string]struct {
		query  string
		body   []byte
		status int
		says   string
	}{
		"nothing":             {"", nil, 400, ""},
		"text":                {"", []byte("hello, hello"), 422, "the body is no profile"},
		"cut off":             {"", heapProfile(t, 1)[:60], 422, "the body is no profile"},
		"gzip bomb":           {"", zeros.Bytes(), 422, "after decompression"},
		"samples bomb":        {"", samplesBomb(t), 422, "MiB to read"},
		"zip":                 {"", []byte("PK\x03\x04aaaaaaaaaaaaaaaaaaaaaaaaaa"), 422, "the body is no profile"},
		"too large":           {"", make([]byte, 2<<20), 413, ""},
		"control characters":  {"service=a%00b", heapProfile(t, 1), 400, "service"},
		"a name without end":  {"service=" + strings.Repeat("x", 201), heapProfile(t, 1), 400, "at most 200 characters"},
		"not UTF-8":           {"instance=%ff%fe", heapProfile(t, 1), 400, "instance"},
		"a file with newline": {"filename=a%0d%0ab", heapProfile(t, 1), 400, "filename"},
	} {
		resp, body := r.post("/api/profiles?"+c.query, c.body)
		if resp.StatusCode != c.status || !strings.Contains(body, c.says) || resp.Header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s: %s: %.300s; want %d with %q", name, resp.Status, body, c.status, c.says)
		}
	}
}

func TestPprofsOwnPagesShowAProfileAndADifference(t *testing.T) {
	r := start(t, quick(t.TempDir()))
	a, b := r.bring("", heapProfile(t, 5_000)), r.bring("", heapProfile(t, 5_000_000))
	resp, _ := r.request("GET", "/pprof/"+b.ID+"/?base="+a.ID, nil)
	at := resp.Header.Get("Location")
	if resp.StatusCode != http.StatusSeeOther || at != "/pprof/"+b.ID+"/base/"+a.ID+"/flamegraph" {
		t.Fatalf("%s to %q", resp.Status, at)
	}
	for _, p := range []string{at, path.Dir(at) + "/top", path.Dir(at) + "/peek?f=Cart", "/pprof/" + b.ID + "/top", "/pprof/" + b.ID + "/flamegraph?si=inuse_objects"} {
		resp, body := r.request("GET", p, nil)
		if resp.StatusCode != http.StatusOK || !strings.Contains(body, "Cart") {
			t.Errorf("%s: %s, %d bytes", p, resp.Status, len(body))
		}
		if csp := resp.Header.Get("Content-Security-Policy"); !strings.HasPrefix(csp, "sandbox allow-scripts") || strings.Contains(csp, "allow-same-origin") {
			t.Errorf("%s: policy %q", p, csp)
		}
	}
	resp, body := r.request("GET", path.Dir(at)+"/download", nil)
	if p, err := profile.ParseData([]byte(body)); err != nil || len(p.Sample) == 0 {
		t.Errorf("download: %s, %v", resp.Status, err)
	}
}

func TestPprofsPagesThatReadFilesOrWriteSettingsAreNotThere(t *testing.T) {
	t.Setenv("HOME", t.TempDir())
	r := start(t, quick(t.TempDir()))
	c := r.bring("", heapProfile(t, 5_000))
	for _, view := range []string{"source?f=Cart", "disasm?f=Cart", "saveconfig?config=x", "deleteconfig?config=x", "weblist", "..%2fsource", "flamegraph2"} {
		if resp, body := r.request("GET", "/pprof/"+c.ID+"/"+view, nil); resp.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %s: %.100s", view, resp.Status, body)
		}
	}
	for _, p := range []string{"/pprof/nope/flamegraph", "/pprof/..%2f..%2fetc%2fpasswd/top", "/pprof/" + c.ID + "/base/nope/top"} {
		if resp, _ := r.request("GET", p, nil); resp.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %s", p, resp.Status)
		}
	}
}

const evil = `<script>alert(1)</script>"'`

// leak makes an alert with a baseline and a leaking profile, all names evil.
func (r *running) leak() memwatch.Alert {
	r.t.Helper()
	s := r.agent()
	target := memwatch.Target{Service: "shop" + evil, Instance: "shop-1" + evil}
	v := leaking()
	v.Culprits[0].Function, v.Summary = "main."+evil, "it leaks in "+evil
	for i, p := range []struct {
		id, base string
		role     memwatch.Role
	}{{"c1", "", memwatch.RoleBaseline}, {"c2", "c1", memwatch.RoleLeaking}} {
		if i == 1 {
			var messages []*wire.Metrics
			for n := range 20 {
				messages = append(messages, wire.NewMetrics("", target, sampleAt(time.Now().Add(time.Duration(n-20)*time.Second), float64(1000*n)), v))
			}
			s.ack(batch("b", messages...), "b")
		}
		data := heapProfile(r.t, int64(5000*(i*100+1)))
		m := snapshotOf(p.id, captureOf(p.id, p.role, data, p.base))
		m.Service, m.Instance = target.Service, target.Instance
		s.send(m)
		s.answer()
		s.sendChunk(p.id, 0, data)
		if a := s.answer(); a.Type != wire.TypeAck {
			r.t.Fatalf("%+v", a)
		}
	}
	var list api.Alerts
	eventually(r.t, "an alert with its profiles", func() error {
		r.get("/api/alerts?type=leak", &list)
		if len(list.Alerts) != 1 || len(list.Alerts[0].Profiles) != 2 {
			return errNotYet
		}
		return nil
	})
	return list.Alerts[0]
}

func TestEvidenceIsOneArchive(t *testing.T) {
	r := start(t, quick(t.TempDir()))
	a := r.leak()
	resp, body := r.request("GET", "/api/alerts/"+a.ID+"/evidence.tar.gz", nil)
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s", resp.Status, body)
	}
	archive := tar.NewReader(bytes.NewReader(unzipped(t, []byte(body))))
	files := map[string]int{}
	for {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(archive)
		if err != nil {
			t.Fatal(err)
		}
		folder, name, _ := strings.Cut(h.Name, "/")
		if strings.ContainsAny(folder, `<>"'/. `) || strings.Contains(name, "..") {
			t.Errorf("name %q", h.Name)
		}
		files[name] = len(b)
		if strings.HasPrefix(name, "profiles/") {
			if _, err := profile.ParseData(b); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	for _, want := range []string{"README.md", "alert.json", "readings.jsonl", "profiles/baseline-heap-c1.pb.gz", "profiles/leaking-heap-c2.pb.gz"} {
		if files[want] == 0 {
			t.Errorf("%s is missing in %v", want, files)
		}
	}
}

func TestTheReportIsOnePageWithoutScriptWhateverTheNames(t *testing.T) {
	r := start(t, quick(t.TempDir()))
	a := r.leak()
	resp, body := r.request("GET", "/api/alerts/"+a.ID+"/report.html", nil)
	if resp.StatusCode != http.StatusOK || !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/html") {
		t.Fatalf("%s: %s", resp.Status, body)
	}
	for _, want := range []string{"main.(*Cart).Add", "polyline", "what grew", "&lt;script&gt;", a.ID} {
		if !strings.Contains(body, want) {
			t.Errorf("no %q in the report", want)
		}
	}
	if strings.Contains(body, "<script") || strings.Contains(body, "http") && strings.Contains(body, "src=") {
		t.Error("the report has a script, or needs something else")
	}
	if csp := resp.Header.Get("Content-Security-Policy"); !strings.HasPrefix(csp, "sandbox; default-src 'none'") {
		t.Errorf("policy %q", csp)
	}
}

func TestPeopleDecideOverREST(t *testing.T) {
	r := start(t, quick(t.TempDir()))
	a := r.leak()
	decide := func(action, body string) (*http.Response, string) {
		resp, err := r.http.Post("http://"+r.addr+"/api/alerts/"+a.ID+"/"+action, "application/json", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b, _ := io.ReadAll(resp.Body)
		return resp, string(b)
	}
	for _, c := range []struct {
		action, body string
		status       int
		says         string
	}{
		{"acknowledge", `{"who":"ann","why":"looking"}`, 200, `"acknowledged":{"who":"ann","why":"looking"`},
		{"silence", `{"who":"ann"}`, 400, `"field":"until"`},
		{"silence", `{"who":"ann","for":"soon"}`, 400, `"field":"for"`},
		{"silence", `{"who":"ann","for":"2h"}`, 200, `"silenced":{"who":"ann"`},
		{"expect", `{"who":"ben","for":"2h","colour":"red"}`, 400, `"field":"colour"`},
		{"expect", `{"who":"ben","for":"2h"}`, 200, `"expected":{"who":"ben"`},
		{"expect", `not JSON`, 400, ``},
		{"resolve", `{"who":"ben","why":"fixed"}`, 200, `"state":"resolved"`},
		{"acknowledge", `{"who":"ann"}`, 409, `resolved already`},
	} {
		if resp, body := decide(c.action, c.body); resp.StatusCode != c.status || !strings.Contains(body, c.says) {
			t.Errorf("%s %s: %s: %s; want %d with %s", c.action, c.body, resp.Status, body, c.status, c.says)
		}
	}
	var log api.AlertLog
	r.get("/api/alerts/"+a.ID+"/log", &log)
	said := fmt.Sprint(log.Log)
	for _, want := range []string{"fire", "acknowledge", "silence", "expect", "resolve"} {
		if !strings.Contains(said, want) {
			t.Errorf("no %s in the log %s", want, said)
		}
	}
}
