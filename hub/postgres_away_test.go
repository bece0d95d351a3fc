package hub

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/zupee/memwatch/internal/pgtest"
	"github.com/zupee/memwatch/wire"
)

// TestWhatComesWhileTheDatabaseIsAwayIsTakenWhenItIsBack ends the server under a hub.
func TestWhatComesWhileTheDatabaseIsAwayIsTakenWhenItIsBack(t *testing.T) {
	server := pgtest.Start(t)
	cfg := quick(t.TempDir())
	cfg.Store = server.Database(t)
	r := start(t, cfg)
	defer r.stop()
	a := r.agent()
	a.ack(batch("1", wire.NewMetrics("", shop, sampleAt(time.Now(), 1e6), nil)), "1")
	if err := server.Kill(); err != nil {
		t.Fatal(err)
	}
	if response, body := r.request(http.MethodGet, "/readyz", nil); response.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("ready without a database: %d %s", response.StatusCode, body)
	}
	if response, body := r.request(http.MethodGet, "/api/alerts", nil); response.StatusCode != http.StatusServiceUnavailable ||
		response.Header.Get("Retry-After") == "" || !strings.Contains(body, "the hub's database cannot be reached") {
		t.Errorf("asked for alerts: %d %s", response.StatusCode, body)
	}
	back := make(chan error)
	go func() { back <- server.Begin() }()
	a.ack(batch("2", wire.NewMetrics("", shop, sampleAt(time.Now(), 2e6), nil)), "2")
	if err := <-back; err != nil {
		t.Fatal(err)
	}
	if response, body := r.request(http.MethodGet, "/readyz", nil); response.StatusCode != http.StatusOK {
		t.Errorf("not ready with its database: %d %s", response.StatusCode, body)
	}
	var got struct {
		Total int `json:"total"`
	}
	if r.get("/api/services/"+shop.Service+"/metrics", &got); got.Total != 2 {
		t.Errorf("%d readings, want 2", got.Total)
	}
}
