package wire

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/zupee/memwatch"
)

var update = flag.Bool("update", false, "write the golden files anew")

func ptr[T any](v T) *T { return &v }

var (
	at     = time.UnixMilli(1767225600000).UTC()
	target = memwatch.Target{Service: "checkout", Instance: "checkout-7d9f-x2x1z"}
)

func sample() *memwatch.Sample {
	s := &memwatch.Sample{Time: at, Start: at.Add(-time.Hour)}
	s.Set(memwatch.LiveHeapBytes, 96<<20)
	s.Set(memwatch.HeapAllocBytes, 128<<20)
	s.Set(memwatch.HeapInuseBytes, 140<<20)
	s.Set(memwatch.HeapSysBytes, 192<<20)
	s.Set(memwatch.RSSBytes, 256<<20)
	s.Set(memwatch.NumGC, 1234)
	s.Set(memwatch.Goroutines, 42)
	s.Set(memwatch.GCCPUFraction, 0.0125)
	s.Set(memwatch.LatencySeconds, 0.0015)
	return s
}

func verdict() *memwatch.Verdict {
	frames := []memwatch.Frame{
		{Function: "bytes.growSlice", File: "/usr/lib/go/src/bytes/buffer.go", Line: 249},
		{Function: "example.com/shop/cart.(*Cache).Put", File: "cart/cache.go", Line: 42},
	}
	return &memwatch.Verdict{
		State: memwatch.Leaking, Kind: memwatch.KindHeap, Severity: memwatch.SeverityWarning,
		Since:                memwatch.Milli(at.Add(-10 * time.Minute)),
		GrowthBytesPerSecond: memwatch.Interval{Estimate: 34952.5, Low: 30000, High: 40000},
		GrowthBytes:          20 << 20, LimitBytes: 512 << 20, LimitSource: "cgroup",
		TimeToLimitSeconds: ptr(12480.0), TimeToLimitLowSeconds: ptr(10905.0), TimeToLimitHighSeconds: ptr(14540.0),
		Confidence: 0.97,
		Culprits: []memwatch.Culprit{{
			Function: "example.com/shop/cart.(*Cache).Put", Leaf: "bytes.growSlice", OwnFrame: "example.com/shop/cart.(*Cache).Put",
			File: "cart/cache.go", Line: 42, Stack: frames, GrowthBytesPerSecond: 33000,
			LiveBytes: 19 << 20, LiveObjects: 19456, Share: 0.94, Certainty: memwatch.Certain,
		}},
		Gates: []memwatch.Gate{
			{Name: "trend", Value: ptr(7.4), Need: "> 3.5", Passed: true, Detail: "the trend stands 7.4 times above the noise"},
			{Name: "horizon", Need: "> 0", Passed: false},
		},
		Summary: "checkout leaks 2.0 MiB a minute in cart.(*Cache).Put; 3 h 28 min until the limit",
	}
}

func capture() *memwatch.Capture {
	return &memwatch.Capture{
		ID: "01jg-checkout-leaking", Service: target.Service, Instance: target.Instance,
		Kind: memwatch.HeapProfile, Role: memwatch.RoleLeaking, Time: memwatch.Milli(at),
		Filename: "checkout-heap-leaking.pb.gz", Size: 4096,
		SHA256: "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", BaseID: "01jf-checkout-baseline",
	}
}

func alert() memwatch.Alert {
	return memwatch.Alert{
		ID: "01jg-alert", Type: memwatch.AlertLeak, State: memwatch.AlertFiring, Fingerprint: "5f0c7c1e",
		Service: target.Service, Instances: []string{target.Instance}, Kind: memwatch.KindHeap,
		Severity: memwatch.SeverityWarning, Message: verdict().Summary,
		Time: memwatch.Milli(at), UpdatedAt: memwatch.Milli(at), Verdict: verdict(),
		HeapUsedMB: 128, MemoryGrowthMB: 20, Profiles: []string{"01jf-checkout-baseline", "01jg-checkout-leaking"},
	}
}

// The golden files are the contract with other versions and with the dashboard.
// The ones marked v0 are as the original Node agent writes them.
var goldens = []struct {
	file  string
	value any
}{
	{"v0-registration", &Registration{Type: TypeRegistration, Service: "legacy", Timestamp: memwatch.Milli(at)}},
	{"v0-metrics", &Metrics{
		Type: TypeMetrics, Service: "legacy", HeapUsedMB: 45.67, HeapTotalMB: 64.5, RSSMB: 101.25, ExternalMB: 1.5,
		EventLoopDelayMs: 0.75, LeakDetected: true, MemoryGrowthMB: 12.5, Timestamp: memwatch.Milli(at),
	}},
	{"v0-snapshot", &Snapshot{
		Type: TypeSnapshot, Service: "legacy", Filename: "heap-1767225600000.heapsnapshot",
		Filepath: "snapshots/heap-1767225600000.heapsnapshot", Timestamp: memwatch.Milli(at),
	}},
	{"registration", &Registration{
		Type: TypeRegistration, V: Version, ID: "r1", Service: target.Service, Instance: target.Instance,
		Labels: map[string]string{"namespace": "shop", "version": "v1.4.2"}, Agent: "v0.1.0", Timestamp: memwatch.Milli(at),
	}},
	{"metrics", NewMetrics("m1", target, sample(), verdict())},
	{"metrics-failed", &Metrics{
		Type: TypeMetrics, V: Version, ID: "m2", Service: target.Service, Instance: target.Instance, Timestamp: memwatch.Milli(at),
		ScrapeError: &ScrapeError{Endpoint: "http://127.0.0.1:6060/debug/vars", Reason: "refused", Message: "connection refused: is the service up?"},
	}},
	{"batch", &Batch{Type: TypeBatch, V: Version, ID: "b1", Messages: []Metrics{*NewMetrics("", target, sample(), nil)}}},
	{"snapshot", &Snapshot{
		Type: TypeSnapshot, V: Version, ID: "s1", Service: target.Service, Instance: target.Instance,
		Filename: capture().Filename, Timestamp: memwatch.Milli(at), Capture: capture(),
	}},
	{"ack", &Ack{Type: TypeAck, ID: "b1"}},
	{"error", &Error{Type: TypeError, ID: "b1", Code: "unavailable", Message: "the hub cannot store this now: send it again later", RetryAfterMs: 2000}},
	{"want", &Want{Type: TypeWant, ID: "s1", Offset: 262144}},
	{"hello", &Hello{Type: TypeHello, Seq: 1767225600000000, Version: "v0.1.0", Epoch: "7hq2kd", Resumed: true}},
	{"metricsUpdate", &MetricsUpdate{Metrics: updated(), Seq: 1767225600000001}},
	{"leakAlert", &AlertEvent{Type: TypeLeakAlert, Seq: 1767225600000002, Alert: alert()}},
	{"alertUpdate", &AlertEvent{Type: TypeAlertUpdate, Seq: 1767225600000003, Alert: resolved()}},
	{"serviceUpdate", &ServiceUpdate{
		Type: TypeServiceUpdate, Seq: 1767225600000004, Service: target.Service, Instance: target.Instance,
		Status: Unreachable, Reason: "connection refused: is the service up?",
	}},
	{"profileSaved", &ProfileSaved{Type: TypeProfileSaved, Seq: 1767225600000005, Profile: *capture()}},
	{"watch", &Watch{Type: TypeWatch, Services: []string{"checkout", "legacy"}}},
	{"frame", &[]any{
		ServiceUpdate{Type: TypeServiceUpdate, Seq: 1767225600000006, Service: target.Service, Status: Connected},
		ProfileSaved{Type: TypeProfileSaved, Seq: 1767225600000007, Profile: *capture()},
	}},
}

func updated() Metrics {
	m := *NewMetrics("", target, sample(), verdict())
	m.Type = TypeMetricsUpdate
	return m
}

func resolved() memwatch.Alert {
	a := alert()
	a.State, a.ResolvedAt, a.UpdatedAt = memwatch.AlertResolved, memwatch.Milli(at.Add(time.Hour)), memwatch.Milli(at.Add(time.Hour))
	return a
}

func TestGoldenMessages(t *testing.T) {
	for _, g := range goldens {
		t.Run(g.file, func(t *testing.T) {
			file := filepath.Join("testdata", g.file+".json")
			got, err := json.MarshalIndent(g.value, "", "  ")
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, '\n')
			if *update {
				if err := os.WriteFile(file, got, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, want) {
				t.Errorf("%s: the message is written otherwise now:\n%s", file, got)
			}
			if g.file == "frame" {
				return // of several types
			}
			back := reflect.New(reflect.TypeOf(g.value).Elem()).Interface()
			if err := json.Unmarshal(want, back); err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(back, g.value) {
				t.Errorf("%s: read back as\n%+v\nwant\n%+v", file, back, g.value)
			}
		})
	}
}

func TestReadingOfVersion0LeavesOutWhatIsZero(t *testing.T) {
	var m Metrics
	in := `{"type":"metrics","service":"legacy","heapUsedMB":45.5,"heapTotalMB":64,"rssMB":0,"externalMB":1.5,"eventLoopDelayMs":2,"timestamp":1767225600000.25,"extra":[1]}`
	if err := json.Unmarshal([]byte(in), &m); err != nil {
		t.Fatal(err)
	}
	s := m.Reading()
	if got := s.Or(memwatch.HeapAllocBytes, 0); got != 45.5*MB {
		t.Errorf("heapAllocBytes = %v, want %v", got, 45.5*MB)
	}
	if got := s.Or(memwatch.LatencySeconds, 0); got != 0.002 {
		t.Errorf("latencySeconds = %v, want 0.002", got)
	}
	if _, ok := s.Get(memwatch.RSSBytes); ok {
		t.Error("a zero rssMB became a signal")
	}
	if !s.Time.Equal(at) {
		t.Errorf("time = %v, want %v", s.Time, at)
	}
}

func TestChunkSurvivesTheWire(t *testing.T) {
	data := []byte("bytes\nwith newlines\n")
	frame, err := AppendChunk(nil, Chunk{ID: "s1", Offset: 7}, data)
	if err != nil {
		t.Fatal(err)
	}
	head, got, err := ParseChunk(frame)
	if err != nil || head != (Chunk{ID: "s1", Offset: 7}) || !bytes.Equal(got, data) {
		t.Errorf("ParseChunk = %+v, %q, %v", head, got, err)
	}
	for _, bad := range []string{"", "no newline", "{}\nx", `{"id":"a","offset":-1}` + "\n", "nonsense\n", string(make([]byte, 2000)) + "\n"} {
		if _, _, err := ParseChunk([]byte(bad)); err == nil {
			t.Errorf("ParseChunk(%.20q) took it", bad)
		}
	}
}

func FuzzParseChunk(f *testing.F) {
	f.Add([]byte("{\"id\":\"a\",\"offset\":1}\nxyz"))
	f.Fuzz(func(t *testing.T, b []byte) {
		head, data, err := ParseChunk(b)
		if err == nil && (head.ID == "" || head.Offset < 0 || len(data) > len(b)) {
			t.Errorf("ParseChunk(%q) = %+v, %d bytes", b, head, len(data))
		}
	})
}
