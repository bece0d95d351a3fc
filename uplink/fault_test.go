package uplink_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/zupee/memwatch"
	"github.com/zupee/memwatch/internal/ws"
	"github.com/zupee/memwatch/spool"
	"github.com/zupee/memwatch/uplink"
	"github.com/zupee/memwatch/wire"
)

// proxyTo is a link to a hub that can be made bad.
func proxyTo(t *testing.T, h *hub) (*toxiproxy.Proxy, string) {
	t.Helper()
	log := zerolog.Nop()
	server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(prometheus.NewRegistry()), log)
	p := toxiproxy.NewProxy(server, "hub", "127.0.0.1:0", strings.TrimPrefix(h.URL, "http://"))
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Stop)
	return p, "ws://" + p.Listen
}

func spoilLink(t *testing.T, p *toxiproxy.Proxy, json string) {
	t.Helper()
	if _, err := p.Toxics.AddToxicJson(strings.NewReader(json)); err != nil {
		t.Fatal(err)
	}
}

func TestReadingsDoNotQueueBehindAProfileOnASlowLink(t *testing.T) {
	h, sp := newHub(t), newSpool(t)
	p, url := proxyTo(t, h)
	spoilLink(t, p, `{"name":"slow","type":"bandwidth","stream":"upstream","attributes":{"rate":300}}`) // kB/s
	data := profile(2 << 20)
	file := filepath.Join(t.TempDir(), "p.pb.gz")
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
	putSnapshot(t, sp, "c1", file, data)
	e := run(t, config(url), sp)
	h.await(t, "the first chunk", func() bool { return len(h.chunks) > 0 })
	putReadings(t, sp, 0, 100)
	e.awaitStats(t, "readings", func(s uplink.Stats) bool { return s.Acked >= 100 })
	if sp.Queue(spool.Evidence).Len() == 0 {
		t.Error("the readings came after the whole profile")
	}
	e.awaitStats(t, "the profile", func(s uplink.Stats) bool { return s.Acked == 101 })
	h.mu.Lock()
	defer h.mu.Unlock()
	if !bytes.Equal(h.bytes["c1"], data) {
		t.Errorf("%d of %d bytes", len(h.bytes["c1"]), len(data))
	}
}

func TestLeavesAHalfOpenConnection(t *testing.T) {
	h, sp := newHub(t), newSpool(t)
	p, url := proxyTo(t, h)
	cfg := config(url)
	cfg.PingInterval = time.Second
	e := run(t, cfg, sp)
	h.await(t, "registration", func() bool { return h.registered["shop"] > 0 })
	spoilLink(t, p, `{"name":"hole","type":"timeout","stream":"upstream","attributes":{"timeout":0}}`)
	putReadings(t, sp, 0, 10)
	e.awaitStats(t, "the end of the connection", func(s uplink.Stats) bool { return s.Failures > 0 })
	if err := p.Toxics.RemoveToxic(t.Context(), "hole"); err != nil {
		t.Fatal(err)
	}
	e.awaitStats(t, "delivery", func(s uplink.Stats) bool { return s.Acked == 10 })
}

func TestLeavesAHubThatConfirmsNothing(t *testing.T) {
	h, sp := newHub(t), newSpool(t)
	var n atomic.Int64
	h.answer = func(ty wire.Type, _ string, _ []byte) any {
		if ty == wire.TypeBatch && n.Add(1) == 1 {
			return wire.Ack{Type: wire.TypeAck, ID: "of somebody else"}
		}
		return nil
	}
	putReadings(t, sp, 0, 10)
	e := run(t, config(h.url()), sp)
	e.awaitStats(t, "delivery", func(s uplink.Stats) bool { return s.Acked == 10 && s.Resent == 10 && s.Failures == 1 })
	if !strings.Contains(e.log.String(), "did not confirm") {
		t.Errorf("log:\n%s", e.log)
	}
}

func TestEveryReadingArrivesOverALinkThatBreaksAgainAndAgain(t *testing.T) {
	h, sp := newHub(t), newSpool(t)
	p, url := proxyTo(t, h)
	spoilLink(t, p, `{"name":"cut","type":"limit_data","stream":"upstream","attributes":{"bytes":150000}}`)
	cfg := config(url)
	cfg.BatchReadings = 50
	putReadings(t, sp, 0, 2000)
	e := run(t, cfg, sp)
	e.awaitStats(t, "everything", func(s uplink.Stats) bool { return s.Acked == 2000 })
	h.mu.Lock()
	defer h.mu.Unlock()
	if s := e.up.Stats(); len(h.readings) != 2000 || s.Connects < 3 {
		t.Errorf("%d readings over %d connections", len(h.readings), s.Connects)
	}
}

func TestAHubThatGoesAndComesBack(t *testing.T) {
	h, sp := newHub(t), newSpool(t)
	p, url := proxyTo(t, h)
	e := run(t, config(url), sp)
	putReadings(t, sp, 0, 10)
	e.awaitStats(t, "the first", func(s uplink.Stats) bool { return s.Acked == 10 })
	p.Stop()
	putReadings(t, sp, 10, 20)
	e.awaitStats(t, "failures", func(s uplink.Stats) bool { return s.Failures >= 2 && !s.Connected })
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	e.awaitStats(t, "the rest", func(s uplink.Stats) bool { return s.Acked == 20 })
	if n := strings.Count(e.log.String(), "nothing listens there"); n != 1 {
		t.Errorf("told %d times that the hub is down, want once:\n%s", n, e.log)
	}
}

func TestShowsItsClientCertificate(t *testing.T) {
	h, sp := newHub(t), newSpool(t)
	secure := httptest.NewUnstartedServer(h)
	secure.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert}
	var subject atomic.Value
	secure.TLS.VerifyPeerCertificate = func(raw [][]byte, _ [][]*x509.Certificate) error {
		c, err := x509.ParseCertificate(raw[0])
		if err == nil {
			subject.Store(c.Subject.CommonName)
		}
		return err
	}
	secure.StartTLS()
	t.Cleanup(func() { h.cut(); secure.Close() })
	cfg := config("wss" + strings.TrimPrefix(secure.URL, "https"))
	cfg.CAFile = writePEM(t, pemOf(secure))
	putReadings(t, sp, 0, 1)
	e := run(t, cfg, sp)
	e.awaitStats(t, "a refusal", func(s uplink.Stats) bool { return s.Failures > 0 })
	e.stop()
	if !strings.Contains(e.log.String(), "certFile") {
		t.Errorf("no hint of certFile:\n%s", e.log)
	}

	cfg.CertFile, cfg.KeyFile = clientCert(t, "memwatchd")
	e = run(t, cfg, sp)
	e.awaitStats(t, "delivery", func(s uplink.Stats) bool { return s.Acked == 1 })
	if subject.Load() != "memwatchd" {
		t.Errorf("hub saw %v", subject.Load())
	}

	// Rotated: the next connection shows the new one.
	cert, key := clientCert(t, "memwatchd-2")
	for from, to := range map[string]string{cert: cfg.CertFile, key: cfg.KeyFile} {
		if err := os.Rename(from, to); err != nil {
			t.Fatal(err)
		}
	}
	h.cut()
	putReadings(t, sp, 1, 2)
	e.awaitStats(t, "delivery by another connection", func(s uplink.Stats) bool { return s.Acked == 2 && s.Connects == 2 })
	if subject.Load() != "memwatchd-2" {
		t.Errorf("after the rotation the hub saw %v", subject.Load())
	}
}

func TestSaysGoodbye(t *testing.T) {
	h := newHub(t)
	e := run(t, config(h.url()), newSpool(t))
	h.await(t, "registration", func() bool { return h.registered["shop"] > 0 })
	began := time.Now()
	e.stop()
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("goodbye took %s", took)
	}
	h.await(t, "goodbye", func() bool { return strings.Contains(h.farewell, "stopping") })
}

// TestAHubThatDoesNotReadIsLeftWhenRunEnds: the registrations fill the link and
// stay there.
func TestAHubThatDoesNotReadIsLeftWhenRunEnds(t *testing.T) {
	deaf := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := ws.Accept(w, r, ws.AcceptOptions{Subprotocols: []string{wire.Subprotocol}, MaxFrameBytes: wire.MaxFrameBytes})
		if err != nil {
			return
		}
		<-deaf
		_ = c.CloseNow()
	}))
	t.Cleanup(server.Close)
	t.Cleanup(func() { close(deaf) })
	targets := make([]memwatch.Target, 2000)
	for i := range targets {
		targets[i] = memwatch.Target{Service: strings.Repeat("x", 16<<10)}
	}
	sp := newSpool(t)
	up, err := uplink.New(config("ws"+strings.TrimPrefix(server.URL, "http")), sp.Queue(spool.Reading), sp.Queue(spool.Evidence),
		func() []memwatch.Target { return targets }, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- up.Run(ctx) }()
	e := &edge{up: up, log: &syncBuffer{}}
	e.awaitStats(t, "registrations", func(s uplink.Stats) bool { return s.Bytes > 0 })
	cancel()
	select {
	case <-done:
	case <-time.After(30 * time.Second): // half of what a write may take
		t.Error("Run waits for a link that is stuck")
		<-done
	}
}

// TestASilentPortIsLeftWhenRunEnds: something accepts and never answers the handshake.
func TestASilentPortIsLeftWhenRunEnds(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	e := run(t, config("ws://"+l.Addr().String()), newSpool(t))
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	began := time.Now()
	e.stop()
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("Run took %s to end", took)
	}
}
