package live

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/zupee/memwatch"
	"github.com/zupee/memwatch/internal/ws"
)

func serve(t *testing.T, cfg Config) (*Feed, func() *ws.Conn) {
	t.Helper()
	f := New(cfg, "test", slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	server := httptest.NewServer(f)
	client := &http.Client{Transport: &http.Transport{}}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		f.Close(ctx)
		server.Close()
		client.CloseIdleConnections()
	})
	return f, func() *ws.Conn {
		conn, resp, err := ws.Dial(t.Context(), server.URL, ws.DialOptions{HTTPClient: client, MaxFrameBytes: 4 << 20})
		if err != nil {
			if resp != nil {
				t.Logf("refused with %s", resp.Status)
			}
			return nil
		}
		t.Cleanup(func() { _ = conn.CloseNow() })
		return conn
	}
}

// A browser that takes nothing at all must neither delay those who announce, nor
// have more than a few seconds of events kept for it, nor hold up the end.
func TestStalledBrowserCostsLittleAndIsCutOff(t *testing.T) {
	cfg := DefaultConfig()
	cfg.Window = 10 * time.Millisecond
	f, dial := serve(t, cfg)
	if dial() == nil {
		t.Fatal("not connected")
	}
	big := memwatch.Capture{Filename: strings.Repeat("x", 8000)}
	for range 2 * maxAlerts { // far more than the sockets' buffers take
		f.Profile(big)
	}
	f.mu.Lock()
	kept := f.log.others
	f.mu.Unlock()
	if kept > maxAlerts {
		t.Errorf("%d events kept, want at most %d", kept, maxAlerts)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	f.Close(ctx) // must come back, though the browser never says goodbye
	if n := f.Clients(); n != 0 {
		t.Errorf("%d browsers left", n)
	}
}

func TestTooManyBrowsersAreTurnedAway(t *testing.T) {
	cfg := DefaultConfig()
	cfg.MaxClients = 1
	_, dial := serve(t, cfg)
	if dial() == nil {
		t.Error("the first one was refused")
	}
	if dial() != nil {
		t.Error("the second one was not refused")
	}
}

func TestSequenceRisesAcrossRestarts(t *testing.T) {
	first, _ := serve(t, DefaultConfig())
	for range 10 {
		first.Profile(memwatch.Capture{})
	}
	for time.Now().UnixMicro() <= int64(first.seq) { // a restart takes longer than 10 µs
	}
	second, _ := serve(t, DefaultConfig())
	if second.seq <= first.seq {
		t.Errorf("after a restart %d, before %d", second.seq, first.seq)
	}
}
