package agent

import (
	"context"
	"encoding/json"
	"expvar"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/pprof"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"github.com/zupee/memwatch"
	"github.com/zupee/memwatch/capture"
	"github.com/zupee/memwatch/detector"
	"github.com/zupee/memwatch/internal/ws"
	"github.com/zupee/memwatch/scraper"
	"github.com/zupee/memwatch/spool"
	"github.com/zupee/memwatch/uplink"
	"github.com/zupee/memwatch/wire"
)

// hub takes everything and remembers it.
type hub struct {
	url string

	mu       sync.Mutex
	readings []wire.Metrics
	changed  chan struct{}
}

func newHub(t *testing.T) *hub {
	h := &hub{changed: make(chan struct{})}
	s := httptest.NewServer(http.HandlerFunc(h.serve))
	t.Cleanup(s.Close)
	h.url = "ws" + strings.TrimPrefix(s.URL, "http")
	return h
}

func (h *hub) serve(w http.ResponseWriter, r *http.Request) {
	conn, err := ws.Accept(w, r, ws.AcceptOptions{Subprotocols: []string{wire.Subprotocol}, MaxFrameBytes: 1 << 20})
	if err != nil {
		return
	}
	defer conn.CloseNow()
	for {
		_, frame, err := conn.Read(r.Context())
		if err != nil {
			return
		}
		var b wire.Batch
		if json.Unmarshal(frame, &b) != nil {
			return
		}
		h.mu.Lock()
		h.readings = append(h.readings, b.Messages...)
		close(h.changed)
		h.changed = make(chan struct{})
		h.mu.Unlock()
		if b.ID != "" {
			ack, _ := json.Marshal(wire.Ack{Type: wire.TypeAck, ID: b.ID})
			_ = conn.Write(r.Context(), ws.Text, ack, time.Second)
		}
	}
}

// wait returns the readings once there are enough of a service.
func (h *hub) wait(t *testing.T, service string, n int) []wire.Metrics {
	t.Helper()
	for {
		h.mu.Lock()
		var got []wire.Metrics
		for _, m := range h.readings {
			if m.Service == service {
				got = append(got, m)
			}
		}
		changed := h.changed
		h.mu.Unlock()
		if len(got) >= n {
			return got
		}
		select {
		case <-changed:
		case <-time.After(30 * time.Second):
			t.Fatalf("%d messages of %s, want %d", len(got), service, n)
		}
	}
}

func config(t *testing.T, hubURL string, targets ...string) Config {
	dir := t.TempDir()
	cfg := Config{
		Interval: 50 * time.Millisecond, Detector: detector.DefaultConfig(), ProfileShare: 0.5, Evidence: true, History: 20,
		Capture: capture.DefaultConfig(), Spool: spool.DefaultConfig(), Uplink: uplink.DefaultConfig(), Grace: 5 * time.Second,
	}
	cfg.Capture.Dir, cfg.Spool.Dir = filepath.Join(dir, "snapshots"), filepath.Join(dir, "spool")
	cfg.Uplink.URLs = nil
	if hubURL != "" {
		cfg.Uplink.URLs = []string{hubURL}
	}
	for i := 0; i < len(targets); i += 2 {
		s := scraper.DefaultConfig()
		s.URL = targets[i+1]
		cfg.Targets = append(cfg.Targets, Target{Target: memwatch.Target{Service: targets[i], Instance: targets[i] + "-1"}, Scrape: s})
	}
	return cfg
}

// target serves this test's own process.
func target(t *testing.T) string {
	mux := http.NewServeMux()
	mux.Handle("/debug/vars", expvar.Handler())
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s.URL
}

// begin runs the agent; the function it returns ends it and gives its error.
func begin(t *testing.T, cfg Config, log io.Writer) (end func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- Run(ctx, cfg, nil, slog.New(slog.NewTextHandler(log, nil))) }()
	end = sync.OnceValue(func() error {
		cancel()
		return <-done
	})
	t.Cleanup(func() { _ = end() })
	return end
}

func TestReadingsAndTroublesReachTheHub(t *testing.T) {
	h := newHub(t)
	log := &lines{}
	end := begin(t, config(t, h.url, "shop", target(t), "ghost", "http://127.0.0.1:1"), log)

	shop := h.wait(t, "shop", 5)
	if shop[0].Verdict == nil || shop[0].Verdict.State != memwatch.Learning {
		t.Errorf("the first reading has the verdict %+v, want learning", shop[0].Verdict)
	}
	for i, m := range shop {
		if m.Sample == nil || m.Sample.Or(memwatch.HeapAllocBytes, 0) == 0 || m.Timestamp == 0 {
			t.Fatalf("reading %d: %+v", i, m)
		}
		if i > 0 && m.Verdict != nil && m.Verdict.State == memwatch.Learning {
			t.Errorf("reading %d repeats a verdict that did not change", i)
		}
	}
	if ghost := h.wait(t, "ghost", 1); ghost[0].ScrapeError == nil || ghost[0].ScrapeError.Reason != "refused" {
		t.Errorf("the dead target is told as %+v", ghost[0])
	}
	if err := end(); err != nil {
		t.Fatal(err)
	}
	if n := log.count(`msg="cannot read target" service=ghost`); n != 1 {
		t.Errorf("the dead target is in the log %d times, want once:\n%s", n, log.text())
	}
	if !strings.Contains(log.text(), "the hub has everything") {
		t.Errorf("the end did not wait for the hub:\n%s", log.text())
	}
	if n := len(h.wait(t, "ghost", 1)); n != 1 {
		t.Errorf("the hub was told of the dead target %d times within a minute, want once", n)
	}
}

func TestWhatTheHubDidNotGetStaysInTheSpool(t *testing.T) {
	cfg := config(t, "ws://127.0.0.1:1", "shop", target(t))
	cfg.Listen = freeAddress(t)
	end := begin(t, cfg, io.Discard)
	waitFor(t, cfg.Listen, `memwatch_spool_records{class="reading"} `, func(v string) bool { return v != "0" && v != "1" })
	if err := end(); err != nil {
		t.Fatal(err)
	}
	s, err := spool.Open(cfg.Spool, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if n := s.Queue(spool.Reading).Len(); n < 2 {
		t.Errorf("%d readings in the spool, want those that were taken", n)
	}
}

func TestOwnEndpointsTellHowItGoes(t *testing.T) {
	cfg := config(t, "", "shop", target(t), "ghost", "http://127.0.0.1:1")
	cfg.Listen = freeAddress(t)
	end := begin(t, cfg, io.Discard)
	body := waitFor(t, cfg.Listen, `memwatch_target_up{service="shop",instance="shop-1"} `, func(v string) bool { return v == "1" })
	for _, want := range []string{
		`memwatch_target_up{service="ghost",instance="ghost-1"} 0`,
		`memwatch_scrape_errors_total{service="ghost",instance="ghost-1",reason="refused"} `,
		`memwatch_state{service="shop",instance="shop-1",state="learning"} 1`,
		`memwatch_capture_bundles `, `process_resident_memory_bytes `, "# TYPE memwatch_scrapes_total counter",
	} {
		if !strings.Contains(body, want) {
			t.Errorf("/metrics lacks %s:\n%s", want, body)
		}
	}
	for path, want := range map[string]string{"/healthz": "ok", "/readyz": "ready"} {
		if got := get(t, cfg.Listen, path); strings.TrimSpace(got) != want {
			t.Errorf("%s says %q", path, got)
		}
	}
	if err := end(); err != nil {
		t.Fatal(err)
	}
}

func TestOwnProfilesAreServedOnlyWhenAskedFor(t *testing.T) {
	for _, on := range []bool{false, true} {
		e := endpoints{pprof: on, fill: func(*metrics.Set) {}}
		h := e.handler()
		for _, path := range []string{"/debug/pprof/", "/debug/pprof/heap", "/debug/pprof/goroutine?debug=1"} {
			w := httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
			if want := map[bool]int{false: http.StatusNotFound, true: http.StatusOK}[on]; w.Code != want {
				t.Errorf("pprof %v: %s answers %d, want %d", on, path, w.Code, want)
			}
		}
	}
}

func TestAListenerInUseIsSaid(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	cfg := config(t, "", "shop", target(t))
	cfg.Listen = ln.Addr().String()
	if err := Run(t.Context(), cfg, nil, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), "choose another listen") {
		t.Errorf("got %v", err)
	}
}

func freeAddress(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

func get(t *testing.T, address, path string) string {
	t.Helper()
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get("http://" + address + path)
	if err != nil {
		return ""
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// waitFor polls /metrics until the series has a value that will do.
func waitFor(t *testing.T, address, series string, will func(value string) bool) string {
	t.Helper()
	deadline := time.After(30 * time.Second)
	poll := time.NewTicker(20 * time.Millisecond)
	defer poll.Stop()
	for {
		body := get(t, address, "/metrics")
		if _, rest, ok := strings.Cut(body, series); ok {
			if value, _, _ := strings.Cut(rest, "\n"); will(value) {
				return body
			}
		}
		select {
		case <-poll.C:
		case <-deadline:
			t.Fatalf("no good value of %s in\n%s", series, body)
		}
	}
}

// lines collects a log.
type lines struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func (l *lines) count(s string) int { return strings.Count(l.text(), s) }
