package uplink_test

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/zupee/memwatch/uplink"
)

// The environment's proxy is read once in a process, so the agent's part of
// this test runs in one of its own.
const proxyTestURL = "MEMWATCH_TEST_HUB"

func TestGoesThroughTheProxyOfTheEnvironment(t *testing.T) {
	h := newHub(t)
	secure := httptest.NewTLSServer(h)
	t.Cleanup(func() { h.cut(); secure.Close() })
	var asked atomic.Pointer[string]
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Store(&r.RequestURI)
		if r.Method != http.MethodConnect {
			http.Error(w, "want CONNECT", http.StatusMethodNotAllowed)
			return
		}
		tunnel(w, secure.Listener.Addr().String())
	}))
	t.Cleanup(proxy.Close)

	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestDeliversOneReading$", "-test.v") //nolint:gosec // G204: this very test
	cmd.Env = append(os.Environ(), "HTTPS_PROXY="+proxy.URL, "NO_PROXY=", "no_proxy=",                   // the certificate is for example.com
		proxyTestURL+"=wss://example.com:4000", "MEMWATCH_TEST_CA="+writePEM(t, pemOf(secure)))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if got := asked.Load(); got == nil || *got != "example.com:4000" {
		t.Errorf("the proxy was asked for %v", got)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.readings) != 1 {
		t.Errorf("%d readings came through, want 1", len(h.readings))
	}
}

// tunnel joins the client of w with addr until one of them ends.
func tunnel(w http.ResponseWriter, addr string) {
	there, err := net.Dial("tcp", addr)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	w.WriteHeader(http.StatusOK)
	here, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		_ = there.Close()
		return
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = io.Copy(there, here)
		_ = there.Close()
	}()
	_, _ = io.Copy(here, there)
	_ = here.Close()
	<-done
}

// TestDeliversOneReading is the other process of the test above.
func TestDeliversOneReading(t *testing.T) {
	url := os.Getenv(proxyTestURL)
	if !strings.HasPrefix(url, "wss:") {
		t.Skip("started by TestGoesThroughTheProxyOfTheEnvironment")
	}
	sp := newSpool(t)
	putReadings(t, sp, 0, 1)
	cfg := config(url)
	cfg.CAFile = os.Getenv("MEMWATCH_TEST_CA")
	e := run(t, cfg, sp)
	e.awaitStats(t, "delivery", func(s uplink.Stats) bool { return s.Acked == 1 })
}
