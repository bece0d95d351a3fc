package scraper_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/zupee/memwatch"
	"github.com/zupee/memwatch/scraper"
)

const goodVars = `{"memstats":{"HeapAlloc":1000,"NextGC":4000,"NumGC":3,"TotalAlloc":9000,"PauseTotalNs":1500000000}}`

// target serves the given handlers and gives a scraper of it with small caps.
func target(t *testing.T, handlers map[string]http.HandlerFunc, change ...func(*scraper.Config)) *scraper.Scraper {
	t.Helper()
	mux := http.NewServeMux()
	for path, h := range handlers {
		mux.HandleFunc(path, h)
	}
	srv := httptest.NewServer(mux)
	t.Cleanup(srv.Close)
	return scrape(t, srv.URL, change...)
}

func scrape(t *testing.T, url string, change ...func(*scraper.Config)) *scraper.Scraper {
	t.Helper()
	cfg := scraper.DefaultConfig()
	cfg.URL, cfg.MaxBytes, cfg.Timeout = url, 1<<20, 5*time.Second
	for _, f := range change {
		f(&cfg)
	}
	s, err := scraper.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func say(body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, body) }
}

// wantError checks reason and words of a failed scrape.
func wantError(t *testing.T, err error, reason scraper.Reason, words ...string) {
	t.Helper()
	var e *scraper.Error
	if !errors.As(err, &e) {
		t.Fatalf("got %v, want a *scraper.Error", err)
	}
	if e.Reason != reason {
		t.Errorf("reason %q, want %q (%v)", e.Reason, reason, err)
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("%q does not say %q", err, w)
		}
	}
}

// sampleError is what went wrong in a scrape. The test's own process can be
// seen from here, so there is a reading of its RSS whatever its endpoints say.
func sampleError(t *testing.T, s *scraper.Scraper) error {
	t.Helper()
	got, err := s.Sample(t.Context())
	if err != nil {
		return err
	}
	if v, ok := got.Get(memwatch.HeapAllocBytes); ok {
		t.Errorf("a reading of the heap all the same: %v", v)
	}
	if len(s.Trouble()) == 0 {
		t.Fatal("no trouble was told")
	}
	return s.Trouble()[0]
}

func endless(w http.ResponseWriter, r *http.Request) {
	chunk := bytes.Repeat([]byte("0123456789abcdef"), 1<<12)
	for r.Context().Err() == nil {
		if _, err := w.Write(chunk); err != nil {
			return
		}
	}
}

// within fails the test if f takes much more memory than a scrape may.
func within(t *testing.T, limit uint64, f func()) {
	t.Helper()
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	if grown := after.TotalAlloc - before.TotalAlloc; grown > limit {
		t.Errorf("allocated %d bytes, want at most %d", grown, limit)
	}
}

func TestAnEndlessBodyIsCutOffAtTheCap(t *testing.T) {
	s := target(t, map[string]http.HandlerFunc{"/debug/vars": endless})
	within(t, 16<<20, func() {
		wantError(t, sampleError(t, s), scraper.TooLarge, "/debug/vars", "larger than 1048576 bytes", "raise maxBytes")
	})
}

func TestAnAnnouncedGigabyteIsRefusedUnread(t *testing.T) {
	s := target(t, map[string]http.HandlerFunc{"/debug/pprof/heap": func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", fmt.Sprint(1<<30))
		endless(w, r)
	}})
	within(t, 4<<20, func() {
		_, err := s.Profile(t.Context(), memwatch.HeapProfile)
		wantError(t, err, scraper.TooLarge, "/debug/pprof/heap")
	})
}

func TestAGzipBombIsCutOffAfterDecompression(t *testing.T) {
	var member bytes.Buffer
	zw := gzip.NewWriter(&member)
	for range 1 << 10 {
		_, _ = zw.Write(append([]byte{13<<3 | 2, 0xfc, 0x07}, make([]byte, 1020)...)) // a comment
	}
	zw.Close()
	bomb := strings.Repeat(member.String(), 100) // of many members: cheaper to make than to read
	s := target(t, map[string]http.HandlerFunc{"/debug/pprof/heap": say(bomb)})
	_, err := s.Profile(t.Context(), memwatch.HeapProfile)
	wantError(t, err, scraper.TooLarge, "heap profile", "after decompression")
}

func TestASlowTargetIsGivenUpInTime(t *testing.T) {
	s := target(t, map[string]http.HandlerFunc{"/debug/vars": func(w http.ResponseWriter, r *http.Request) {
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	}}, func(c *scraper.Config) { c.Timeout = 200 * time.Millisecond })
	err := sampleError(t, s)
	wantError(t, err, scraper.Timeout, "no whole answer within 200ms", "raise timeout")
}

func TestARefusedConnectionSaysSo(t *testing.T) {
	srv := httptest.NewServer(http.NotFoundHandler())
	srv.Close()
	_, err := scrape(t, srv.URL).Sample(t.Context())
	wantError(t, err, scraper.Refused, srv.URL, "connection refused", "is the service running")
}

func TestAWebPageInPlaceOfDataIsNamed(t *testing.T) {
	page := say("\n<!DOCTYPE html><title>Login</title>")
	s := target(t, map[string]http.HandlerFunc{"/": page}, func(c *scraper.Config) { c.Endpoints.Vars = "/debug/vars" })
	err := sampleError(t, s)
	wantError(t, err, scraper.HTML, "/debug/vars", "found a web page")
	_, err = s.Profile(t.Context(), memwatch.HeapProfile)
	wantError(t, err, scraper.HTML, "/debug/pprof/heap", "web page")
}

func TestATargetThatServesNothingUsefulSaysWhatWasTried(t *testing.T) {
	err := sampleError(t, target(t, nil))
	wantError(t, err, scraper.NoEndpoint, "/debug/vars, /metrics, /debug/pprof/", `import _ "expvar"`)
	if !errors.Is(err, scraper.ErrUnsupported) {
		t.Error("not ErrUnsupported")
	}
}

func TestA401NamesTheSettingThatHelps(t *testing.T) {
	s := target(t, map[string]http.HandlerFunc{"/": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) }})
	err := sampleError(t, s)
	wantError(t, err, scraper.Denied, "401", "set bearerTokenFile")
}

func TestARedirectToAnotherHostIsNotFollowed(t *testing.T) {
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the other host was asked") }))
	defer other.Close()
	s := target(t, map[string]http.HandlerFunc{"/debug/vars": func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, other.URL, http.StatusFound)
	}})
	err := sampleError(t, s)
	wantError(t, err, scraper.Redirect, "redirected to "+other.URL, "same host")
}

func TestARedirectOnTheSameHostIsFollowed(t *testing.T) {
	s := target(t, map[string]http.HandlerFunc{
		"/debug/vars": func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/admin/vars", http.StatusFound) },
		"/admin/vars": say(goodVars),
	})
	if _, err := s.Sample(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestATruncatedAnswerIsNoReading(t *testing.T) {
	s := target(t, map[string]http.HandlerFunc{"/debug/vars": func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "5000")
		_, _ = io.WriteString(w, goodVars[:20])
	}})
	err := sampleError(t, s)
	wantError(t, err, scraper.Cut, "ended early, after 20 bytes")
}

func TestACorruptProfileIsNamed(t *testing.T) {
	for name, body := range map[string]string{"text": "heap profile: 1: 2", "cut gzip": "\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff\x01", "empty": ""} {
		s := target(t, map[string]http.HandlerFunc{"/debug/pprof/heap": say(body)})
		_, err := s.Profile(t.Context(), memwatch.HeapProfile)
		if err == nil {
			t.Fatalf("%s: no error", name)
		}
		wantError(t, err, scraper.Corrupt, "/debug/pprof/heap", "decode heap profile")
	}
}

func TestAFloodOfHeadersIsRefused(t *testing.T) {
	s := target(t, map[string]http.HandlerFunc{"/debug/vars": func(w http.ResponseWriter, _ *http.Request) {
		for i := range 2000 {
			w.Header().Set(fmt.Sprintf("X-%d", i), strings.Repeat("y", 100))
		}
		_, _ = io.WriteString(w, goodVars)
	}})
	err := sampleError(t, s)
	wantError(t, err, scraper.Unreachable, "headers exceeded")
}

func TestImpossibleNumbersAreAbsent(t *testing.T) {
	s := target(t, map[string]http.HandlerFunc{
		"/debug/vars": say(`{"memstats":{"HeapAlloc":-5,"HeapSys":1e999,"NumGC":7}}`),
		"/metrics":    say("process_resident_memory_bytes NaN\ngo_memstats_heap_inuse_bytes +Inf\ngo_goroutines 12\n"),
	})
	got, err := s.Sample(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, sig := range []memwatch.Signal{memwatch.HeapAllocBytes, memwatch.HeapInuseBytes} {
		if v, ok := got.Get(sig); ok {
			t.Errorf("%v is %v, want absent", sig, v)
		}
	}
	if got.Or(memwatch.Goroutines, 0) != 12 {
		t.Error("the good number beside them was lost")
	}
}

func TestAMetricInManySeriesSaysNothingOfTheProcess(t *testing.T) {
	s := target(t, map[string]http.HandlerFunc{
		"/metrics": say("go_goroutines 5\nprocess_resident_memory_bytes{shard=\"a\"} 10\nprocess_resident_memory_bytes{shard=\"b\"} 20\n"),
	}, func(c *scraper.Config) { c.Endpoints.Vars = scraper.Off })
	got, err := s.Sample(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if v, ok := got.Get(memwatch.RSSBytes); ok && (v == 10 || v == 20) {
		t.Errorf("RSS is one shard's: %v", v)
	}
}

func TestOneBadEndpointDoesNotLoseTheOthers(t *testing.T) {
	s := target(t, map[string]http.HandlerFunc{
		"/debug/vars": say(goodVars),
		"/metrics":    func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) },
	})
	got, err := s.Sample(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got.Or(memwatch.HeapAllocBytes, 0) != 1000 || got.Or(memwatch.PauseTotalSeconds, 0) != 1.5 {
		t.Errorf("vars were lost: %+v", got)
	}
	if len(s.Trouble()) != 1 {
		t.Fatalf("trouble: %v, want the one of /metrics", s.Trouble())
	}
	wantError(t, s.Trouble()[0], scraper.Status, "/metrics", "500")
}
