package agent

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/pprof"
	"testing"
	"time"

	"github.com/zupee/memwatch"
	"github.com/zupee/memwatch/detector"
	"github.com/zupee/memwatch/scraper"
)

func checkOf(url string) CheckConfig {
	t := Target{Target: memwatch.Target{Service: "shop", Instance: "shop"}, Scrape: scraper.DefaultConfig()}
	t.Scrape.URL = url
	return CheckConfig{Targets: []Target{t}, Interval: 10 * time.Millisecond, Detector: detector.DefaultConfig()}
}

func TestAPortThatNobodyListensOnIsGivenUp(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ln.Close()
	cfg := checkOf("http://" + ln.Addr().String())
	cfg.GiveUp = time.Nanosecond
	r, err := Check(t.Context(), cfg) // which has no end of its own
	if err != nil {
		t.Fatal(err)
	}
	if got := r.Targets[0]; !got.GaveUp || got.ScrapeErrors != leastTries || got.Judged() || got.Error == nil || got.Error.Reason != string(scraper.Refused) {
		t.Errorf("got %+v", got)
	}
}

func TestATargetThatAnsweredOnceIsNotGivenUp(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	answers := 0
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/debug/vars" && answers == 0 {
			answers++
			_, _ = w.Write([]byte(`{"memstats":{"HeapAlloc":1000,"NextGC":2000,"NumGC":1}}`))
			return
		}
		http.Error(w, "no", http.StatusServiceUnavailable)
	}))
	defer s.Close()
	cfg := checkOf(s.URL)
	cfg.GiveUp = time.Nanosecond
	cfg.Progress = func(p Progress) {
		if p.Failed == 2*leastTries {
			cancel()
		}
	}
	r, err := Check(ctx, cfg)
	if err != nil {
		t.Fatal(err)
	}
	if got := r.Targets[0]; got.GaveUp || got.Samples != 1 {
		t.Errorf("got %+v", got)
	}
}

func TestWhatWasNotJudgedIsEvidenceOfNothing(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	mux := http.NewServeMux()
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	s := httptest.NewServer(mux)
	defer s.Close()
	cfg := checkOf(s.URL)
	cfg.SaveDir = t.TempDir()
	cfg.Progress = func(p Progress) {
		if p.Samples == 3 {
			cancel()
		}
	}
	r, err := Check(ctx, cfg)
	if err != nil {
		t.Fatal(err)
	}
	got := r.Targets[0]
	if got.Judged() || len(got.Evidence) < 2 {
		t.Fatalf("got %+v", got)
	}
	for _, f := range got.Evidence {
		if f.Role != "" {
			t.Errorf("%s is called %s", f.Path, f.Role)
		}
	}
}
