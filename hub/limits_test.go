package hub

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/zupee/memwatch"
	"github.com/zupee/memwatch/hub/api"
	"github.com/zupee/memwatch/wire"
)

// counted asks /metrics until it has a line.
func (r *running) counted(line string) {
	r.t.Helper()
	eventually(r.t, line, func() error {
		var b []byte
		r.get("/metrics", &b)
		if !strings.Contains(string(b), line) {
			return errNotYet
		}
		return nil
	})
}

func TestNewServicesBeyondTheBoundAreRefusedAndTheOthersGoOn(t *testing.T) {
	cfg := quick(t.TempDir())
	cfg.Ingest.MaxServices, cfg.Ingest.MaxInstances = 2, 3
	r := start(t, cfg)
	s := r.agent()
	at := func(service, instance string) *wire.Metrics {
		return wire.NewMetrics("", memwatch.Target{Service: service, Instance: instance}, sampleAt(time.Now(), 1), nil)
	}
	s.ack(batch("1", at("a", "1"), at("b", "1")), "1")
	s.send(batch("2", at("c", "1"), at("a", "1")))
	if err := wantCode(s.answer(), "too_many", "this hub knows 2 services, and takes no more (ingest.maxServices)"); err != nil {
		t.Error(err)
	}
	s.ack(batch("3", at("a", "2")), "3")
	s.send(batch("4", at("a", "3")))
	if err := wantCode(s.answer(), "too_many", "this hub knows 3 instances, and takes no more (ingest.maxInstances)"); err != nil {
		t.Error(err)
	}
	var list []api.Service
	r.get("/api/services", &list)
	if len(list) != 2 {
		t.Errorf("%d services", len(list))
	}
	r.counted(`memwatch_hub_refused_total{reason="too_many"} 2`)
}

func TestAnAgentThatSendsTooFastIsToldToWait(t *testing.T) {
	cfg := quick(t.TempDir())
	cfg.Ingest.MaxReadingsPerSecond = 1
	r := start(t, cfg)
	s := r.agent()
	var messages []*wire.Metrics
	for i := range 1000 {
		messages = append(messages, wire.NewMetrics("", shop, sampleAt(time.Now().Add(time.Duration(i-1000)*time.Second), 1), nil))
	}
	for i := range 10 { // as many as may come at once
		s.ack(batch(fmt.Sprint(i), messages[:1000]...), fmt.Sprint(i))
	}
	s.send(batch("more", messages[:1000]...))
	a := s.answer()
	if err := wantCode(a, "rate", "more than 1 readings a second (ingest.maxReadingsPerSecond): send them later"); err != nil || a.RetryAfterMs < 1000 {
		t.Errorf("%v; retry after %d ms", err, a.RetryAfterMs)
	}
	r.counted(`memwatch_hub_refused_total{reason="rate"} 1`)
}

func TestTooManyLabelsAreRefused(t *testing.T) {
	cfg := quick(t.TempDir())
	cfg.Ingest.MaxLabels = 2
	r := start(t, cfg)
	s := r.agent()
	s.send(wire.Registration{
		Type: wire.TypeRegistration, V: wire.Version, ID: "r", Service: "shop", Instance: "1", Labels: map[string]string{"a": "1", "b": "2", "c": "3"},
	})
	if err := wantCode(s.answer(), "invalid", "labels: 3 of them: want at most 2 (ingest.maxLabels)"); err != nil {
		t.Error(err)
	}
}

func TestAFullDiskForProfilesKeepsAlertsWorkingAndSaysSo(t *testing.T) {
	cfg := quick(t.TempDir())
	cfg.Retention.MaxProfileBytes = 1 << 20
	r := start(t, cfg)
	s := r.agent()
	large := make([]byte, 2<<20)
	s.send(snapshotOf("p", captureOf("c1", memwatch.RoleLeaking, large, "")))
	if a := s.answer(); a.Type != wire.TypeWant {
		t.Fatalf("%+v", a)
	}
	const part = 512 << 10
	for at := range 3 {
		s.sendChunk("p", int64(at*part), large[:part])
	}
	a := s.answer()
	if err := wantCode(a, "full", "no room for more profiles"); err != nil || a.RetryAfterMs == 0 {
		t.Errorf("%v, %+v", err, a)
	}
	s.ack(batch("b", wire.NewMetrics("", shop, sampleAt(time.Now(), 1), leaking())), "b")
	var alerts api.Alerts
	r.get("/api/alerts?type=leak", &alerts)
	if len(alerts.Alerts) != 1 {
		t.Errorf("%d alerts while there is no room for profiles", len(alerts.Alerts))
	}
	var st api.Stats
	r.get("/api/stats", &st)
	if len(st.Problems) != 1 || !strings.Contains(st.Problems[0], "no room for profiles") {
		t.Errorf("problems %q", st.Problems)
	}
	if resp, body := r.post("/api/profiles", heapProfile(t, 1)); resp.StatusCode == http.StatusInternalServerError {
		t.Errorf("%s: %s", resp.Status, body)
	}
	r.counted(`memwatch_hub_refused_total{reason="full"} 1`)
}

func TestConnectionsBeyondTheBoundAreToldAndClosed(t *testing.T) {
	cfg := quick(t.TempDir())
	cfg.MaxConnections = 10
	r := start(t, cfg)
	var open []net.Conn
	defer func() {
		for _, c := range open {
			c.Close()
		}
	}()
	for range cfg.MaxConnections {
		c, err := net.Dial("tcp", r.addr)
		if err != nil {
			t.Fatal(err)
		}
		open = append(open, c)
	}
	c, err := net.Dial("tcp", r.addr)
	if err != nil {
		t.Fatal(err)
	}
	open = append(open, c)
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusServiceUnavailable || !strings.Contains(string(b), "too many connections") {
		t.Errorf("%s: %q, %v", resp.Status, b, err)
	}
	for _, c := range open {
		c.Close()
	}
	eventually(t, "room again", func() error {
		resp, err := r.http.Get("http://" + r.addr + "/healthz")
		if err != nil {
			return err
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return errNotYet
		}
		return nil
	})
	r.counted("memwatch_hub_refused_connections_total")
}

func TestWhoSendsAHeaderSlowlyIsCutOff(t *testing.T) {
	server := newServer(http.NotFoundHandler(), slog.New(slog.DiscardHandler))
	if d := server.ReadHeaderTimeout; d <= 0 || d > 10*time.Second || server.ReadTimeout <= 0 || server.IdleTimeout <= 0 {
		t.Errorf("timeouts %s, %s, %s", d, server.ReadTimeout, server.IdleTimeout)
	}
	server.ReadHeaderTimeout = 100 * time.Millisecond
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- server.Serve(l) }()
	defer func() {
		server.Shutdown(context.Background())
		<-done
	}()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprintf(c, "GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ")
	if _, err := io.Copy(io.Discard, c); err != nil { // until the hub closes
		t.Error(err)
	}
}

func TestHeadersWithoutEndAreRefused(t *testing.T) {
	r := start(t, quick(t.TempDir()))
	c, err := net.Dial("tcp", r.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	written := make(chan struct{})
	go func() {
		defer close(written)
		fmt.Fprintf(c, "GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Long: %s\r\n\r\n", strings.Repeat("x", 100<<10)) // the hub may hang up before all of it
	}()
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	c.Close()
	<-written
	if resp.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("%s", resp.Status)
	}
	if resp, _ := r.request("GET", "/healthz", nil); resp.StatusCode != http.StatusOK {
		t.Errorf("after it: %s", resp.Status)
	}
}

// Names that are code elsewhere are names here.
func TestNamesThatLookLikeCodeAreNames(t *testing.T) {
	r := start(t, quick(t.TempDir()))
	s := r.agent()
	for i, name := range []string{"'; DROP TABLE alerts; --", `" OR ""="`, "<img src=x onerror=alert(1)>", "../../etc/passwd", "%00", "a/b?c#d", "{{.}}", "${jndi:ldap://x}", "café ☕"} {
		id := fmt.Sprint(i)
		s.ack(batch(id, wire.NewMetrics("", memwatch.Target{Service: name, Instance: name}, sampleAt(time.Now(), 1), leaking())), id)
		var one api.Service
		r.get("/api/services/"+escape(name), &one)
		var m api.ServiceMetrics
		r.get("/api/services/"+escape(name)+"/metrics?instance="+escape(name), &m)
		var a api.Alerts
		r.get("/api/alerts?service="+escape(name), &a)
		if one.Name != name || len(m.Metrics) != 1 || len(a.Alerts) != 1 || a.Alerts[0].Service != name {
			t.Errorf("%q: %q, %d readings, %d alerts", name, one.Name, len(m.Metrics), len(a.Alerts))
		}
	}
}
