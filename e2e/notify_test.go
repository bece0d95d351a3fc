package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/zupee/memwatch"
	"github.com/zupee/memwatch/internal/ws"
)

// A hub that is killed with -9, at whatever moment, tells nobody twice of a leak
// that it has told of, and tells its end after it is back.
func TestHubKilledWithMinus9TellsNobodyTwice(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var mu sync.Mutex
	var heard []string
	hook := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var body struct {
			Alerts []struct{ Event, Service string }
		}
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			t.Error(err)
		}
		mu.Lock()
		defer mu.Unlock()
		for _, a := range body.Alerts {
			heard = append(heard, a.Event+" "+a.Service)
		}
	}))
	defer hook.Close()
	config := filepath.Join(dir, "hub.yaml")
	err := os.WriteFile(config, fmt.Appendf(nil, `
listen: 127.0.0.1:0
data: %s
notify:
  channels:
    - {name: hook, type: webhook, url: %q, group: 1ms}
`, filepath.Join(dir, "data"), hook.URL), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	serve := func() (*process, string) {
		hub := start(t, "memwatch-hub", "serve", "--config", config)
		return hub, hub.line(t, `http://(127\.0\.0\.1:\d+)`)[1]
	}
	// tell sends what the original Node agent of a service would, at that minute.
	begin := time.Now().Add(-2 * time.Hour)
	tell := func(addr, service string, minute int, leaks bool) {
		t.Helper()
		conn, _, err := ws.Dial(t.Context(), "ws://"+addr+"/", ws.DialOptions{MaxFrameBytes: 1 << 20})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.CloseNow() }()
		at := begin.Add(time.Duration(minute) * time.Minute).UnixMilli()
		message := fmt.Sprintf(`{"type":"metrics","service":%q,"heapUsedMB":300,"rssMB":400,"eventLoopDelayMs":1,"leakDetected":%v,"timestamp":%d}`, service, leaks, at)
		if err := conn.Write(t.Context(), ws.Text, []byte(message), 10*time.Second); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the reading is stored", 20*time.Second, func() error {
			times, err := readings(addr, service)
			if err == nil && !slices.Contains(times, memwatch.UnixMilli(at)) {
				err = fmt.Errorf("%d readings", len(times))
			}
			return err
		})
	}
	done := func(addr, service string, told memwatch.AlertState) {
		t.Helper()
		eventually(t, "the delivery is recorded", 20*time.Second, func() error {
			leaks, err := leakAlerts(addr, service)
			if err != nil {
				return err
			}
			if len(leaks) != 1 || len(leaks[0].Deliveries) != 1 || leaks[0].Deliveries[0].Told != told {
				return fmt.Errorf("%+v", leaks)
			}
			return nil
		})
	}
	var want []string
	const rounds = 5
	for i := range rounds {
		hub, addr := serve()
		service := fmt.Sprintf("shop-%d", i)
		tell(addr, service, 0, true)
		done(addr, service, memwatch.AlertFiring)
		hub.kill(t)
		want = append(want, "fired "+service)
	}
	_, addr := serve()
	for i := range rounds {
		service := fmt.Sprintf("shop-%d", i)
		tell(addr, service, 0, true) // again
		tell(addr, service, 30, false)
		tell(addr, service, 45, false)
		done(addr, service, memwatch.AlertResolved)
		want = append(want, "resolved "+service)
	}
	mu.Lock()
	defer mu.Unlock()
	if !slices.Equal(heard, want) {
		t.Errorf("heard %q\nwant  %q", heard, want)
	}
}
