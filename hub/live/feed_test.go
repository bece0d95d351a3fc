package live

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/zupee/memwatch"
	"github.com/zupee/memwatch/internal/ws"
	"github.com/zupee/memwatch/wire"
)

// serve answers a feed and what connects to it: at a place, if one is given.
func serve(t *testing.T, cfg Config) (*Feed, func(at ...place) *ws.Conn) {
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
	return f, func(at ...place) *ws.Conn {
		address := server.URL
		for _, p := range at {
			address += fmt.Sprintf("?epoch=%s&since=%d", p.epoch, p.seq)
		}
		conn, resp, err := ws.Dial(t.Context(), address, ws.DialOptions{HTTPClient: client, MaxFrameBytes: 4 << 20})
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

func TestFewBrowsersAreToldSooner(t *testing.T) {
	f, _ := serve(t, DefaultConfig())
	for clients, want := range map[int]time.Duration{1: soonest, 400: soonest, 600: 150 * time.Millisecond, 1000: f.cfg.Window, 5000: f.cfg.Window} {
		f.mu.Lock()
		f.clients = clients
		f.mu.Unlock()
		if got := f.window(); got != want {
			t.Errorf("%d browsers: %s, want %s", clients, got, want)
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.clients = 0
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

func helloOf(t *testing.T, conn *ws.Conn) (h wire.Hello) {
	t.Helper()
	if conn == nil {
		t.Fatal("not connected")
	}
	_, frame, err := conn.Read(t.Context())
	if err == nil {
		err = json.Unmarshal(frame, &h)
	}
	if err != nil || h.Type != wire.TypeHello {
		t.Fatalf("first frame = %s, %v; want a hello", frame, err)
	}
	return h
}

// A browser that comes back gets what it missed, also when it was the only one.
func TestBrowserThatComesBackGoesOnAtItsPlace(t *testing.T) {
	f, dial := serve(t, DefaultConfig())
	conn := dial()
	first := helloOf(t, conn)
	if first.Resumed || first.Epoch == "" {
		t.Errorf("first hello = %+v, want an epoch and nothing resumed", first)
	}
	_ = conn.CloseNow()
	for f.Clients() > 0 {
		time.Sleep(time.Millisecond) // until the hub has noticed
	}
	f.Profile(memwatch.Capture{ID: "missed"})
	conn = dial(place{first.Epoch, first.Seq})
	if again := helloOf(t, conn); !again.Resumed || again.Seq != first.Seq || again.Epoch != first.Epoch {
		t.Errorf("hello = %+v, want it resumed at %d", again, first.Seq)
	}
	var saved wire.ProfileSaved
	_, frame, err := conn.Read(t.Context())
	if err != nil || json.Unmarshal(frame, &saved) != nil || saved.Profile.ID != "missed" {
		t.Errorf("after the hello came %s, %v; want what was missed", frame, err)
	}
}

func TestBrowserStartsAnewWhereItsPlaceIsGone(t *testing.T) {
	f, dial := serve(t, DefaultConfig())
	here := helloOf(t, dial())
	f.mu.Lock()
	f.log.pass(f.seq + 1) // as when events go by that nobody is there for
	f.seq++
	f.mu.Unlock()
	for what, at := range map[string]place{
		"a place that is gone":    {here.Epoch, here.Seq},
		"a place of another run":  {"other", f.seq},
		"a place beyond all":      {here.Epoch, f.seq + 1},
		"no place of this server": {},
	} {
		if h := helloOf(t, dial(at)); h.Resumed || h.Seq != f.seq {
			t.Errorf("%s: hello = %+v, want a new start at %d", what, h, f.seq)
		}
	}
}

// frame reads one frame as text.
func frame(t *testing.T, conn *ws.Conn) string {
	t.Helper()
	_, b, err := conn.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestWithAnOverlapABrowserGetsWhatHappenedJustBefore(t *testing.T) {
	cfg := DefaultConfig()
	cfg.Window, cfg.Overlap = 10*time.Millisecond, time.Minute
	f, dial := serve(t, cfg)
	f.Status(wire.ServiceUpdate{Service: "shop", Instance: "shop-1", Status: wire.Disconnected})
	conn := dial()
	var hello wire.Hello
	if err := json.Unmarshal([]byte(frame(t, conn)), &hello); err != nil || hello.Type != wire.TypeHello {
		t.Fatalf("%+v, %v", hello, err)
	}
	var status wire.ServiceUpdate
	if err := json.Unmarshal([]byte(frame(t, conn)), &status); err != nil || status.Status != wire.Disconnected || status.Seq <= hello.Seq {
		t.Errorf("%+v after the hello %d, %v: want the status", status, hello.Seq, err)
	}
}

func TestARestartEndsConnectionsAndNewOnesBeginAfterIt(t *testing.T) {
	cfg := DefaultConfig()
	cfg.Window, cfg.Overlap = 10*time.Millisecond, time.Minute
	f, dial := serve(t, cfg)
	conn := dial()
	frame(t, conn)
	f.Profile(memwatch.Capture{ID: "before"})
	f.Restart()
	var err error
	for err == nil {
		_, _, err = conn.Read(t.Context())
	}
	if !strings.Contains(err.Error(), "1013") {
		t.Errorf("%v, want to come again with 1013", err)
	}
	conn = dial()
	frame(t, conn)
	f.Profile(memwatch.Capture{ID: "after"})
	if got := frame(t, conn); !strings.Contains(got, `"after"`) || strings.Contains(got, `"before"`) {
		t.Errorf("after a restart: %s", got)
	}
}
