package scraper_test

import (
	"expvar"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/pprof"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/zupee/memwatch"
	"github.com/zupee/memwatch/scraper"
)

// goService answers as a Go program with expvar and net/http/pprof does.
func goService() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/debug/vars", expvar.Handler())
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	return mux
}

func TestAGoServiceIsReadWhole(t *testing.T) {
	srv := httptest.NewServer(goService())
	defer srv.Close()
	s := scrape(t, srv.URL)
	got, err := s.Sample(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, sig := range []memwatch.Signal{
		memwatch.LiveHeapBytes, memwatch.HeapAllocBytes, memwatch.NextGCBytes, memwatch.Goroutines,
		memwatch.StackInuseBytes, memwatch.TotalAllocBytes, memwatch.RSSBytes, memwatch.ScrapeSeconds,
	} {
		if v, ok := got.Get(sig); !ok || v <= 0 {
			t.Errorf("%v is %v, present: %v", sig, v, ok)
		}
	}
	if age := time.Since(got.Start); age < 0 || age > time.Hour {
		t.Errorf("the process started at %v", got.Start)
	}
	p, err := s.Profile(t.Context(), memwatch.GoroutineProfile)
	if err != nil {
		t.Fatal(err)
	}
	if len(p.Sites.Sites) == 0 || len(p.Raw) == 0 {
		t.Errorf("goroutine profile: %d sites, %d bytes", len(p.Sites.Sites), len(p.Raw))
	}
}

func TestATargetThatServesOnlyProfilesHasItsLiveHeapFromThem(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	srv := httptest.NewServer(mux)
	defer srv.Close()
	s := scrape(t, srv.URL)
	hold := make([][]byte, 64)
	for i := range hold {
		hold[i] = make([]byte, 1<<20)
	}
	if _, err := s.Profile(t.Context(), memwatch.HeapProfile); err != nil {
		t.Fatal(err)
	}
	got, err := s.Sample(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := got.Get(memwatch.LiveHeapBytes); !ok {
		t.Errorf("no live heap: %+v", got)
	}
	_ = hold[0]
}

func TestAUnixSocketIsRead(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "app.sock")
	ln, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	srv := &httptest.Server{Listener: ln, Config: &http.Server{Handler: goService()}}
	srv.Start()
	defer srv.Close()
	got, err := scrape(t, "unix://"+socket).Sample(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got.Or(memwatch.HeapAllocBytes, 0) == 0 {
		t.Error("no heap")
	}
}

func TestCredentialsAndHeadersAreSentAndTokensReadAnew(t *testing.T) {
	token := filepath.Join(t.TempDir(), "token")
	var seen []string
	s := target(t, map[string]http.HandlerFunc{"/debug/vars": func(w http.ResponseWriter, r *http.Request) {
		seen = append(seen, r.Header.Get("Authorization")+" "+r.Header.Get("X-Team"))
		say(goodVars)(w, r)
	}}, func(c *scraper.Config) {
		c.BearerTokenFile = token
		c.Headers = map[string]string{"X-Team": "pay"}
	})
	for _, secret := range []string{"one\n", "two\n"} {
		if err := os.WriteFile(token, []byte(secret), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Sample(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if want := "Bearer one pay, Bearer two pay"; strings.Join(seen, ", ") != want {
		t.Errorf("sent %q, want %q", seen, want)
	}
}

func TestNodeMetricsFillTheSameSample(t *testing.T) {
	s := target(t, map[string]http.HandlerFunc{"/metrics": say(`# TYPE nodejs_heap_size_used_bytes gauge
nodejs_heap_size_used_bytes 9000000
nodejs_heap_size_total_bytes 12000000
nodejs_external_memory_bytes 1500000
nodejs_eventloop_lag_seconds 0.004
process_resident_memory_bytes 70000000
process_start_time_seconds 1795424019
`)})
	got, err := s.Sample(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for sig, want := range map[memwatch.Signal]float64{
		memwatch.HeapAllocBytes: 9e6, memwatch.HeapSysBytes: 12e6, memwatch.ExternalBytes: 1.5e6, memwatch.LatencySeconds: 0.004,
	} {
		if v, ok := got.Get(sig); !ok || v != want {
			t.Errorf("%v = %v %v, want %v", sig, v, ok, want)
		}
	}
}

func TestURLsInAllTheirForms(t *testing.T) {
	for in, want := range map[string]string{
		"http://localhost:6060":   "http://localhost:6060",
		"localhost:6060":          "http://localhost:6060",
		":6060":                   "http://localhost:6060",
		"10.1.2.3":                "http://10.1.2.3",
		"https://x:1/debug/vars":  "https://x:1/debug/vars",
		"unix:///run/app.sock":    "unix:///run/app.sock",
		"http://[::1]:6060/debug": "http://[::1]:6060/debug",
	} {
		if u, err := scraper.ParseURL(in); err != nil || u.String() != want {
			t.Errorf("%s: %v, %v, want %s", in, u, err, want)
		}
	}
	for in, want := range map[string]string{
		"":                   "it is empty",
		"ftp://x":            `the scheme "ftp" is not known`,
		"http://":            "it has no host",
		"localhost:99999":    `port "99999" is not one`,
		"localhost:0":        `port "0" is not one`,
		"unix://run/a.sock":  "a socket's path is absolute",
		"http://u:p@x:1":     "it holds a password",
		"http://x:1/%zz":     "cannot be parsed",
		"http://exa mple:80": "cannot be parsed",
	} {
		if _, err := scraper.ParseURL(in); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", in, err, want)
		}
	}
}

func TestAWholePathIsThatEndpointAlone(t *testing.T) {
	var paths []string
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		paths = append(paths, r.URL.Path)
		if r.URL.Path != "/app/debug/vars" {
			http.NotFound(w, r)
			return
		}
		say(goodVars)(w, r)
	})
	srv := httptest.NewServer(mux)
	defer srv.Close()
	for _, c := range []struct{ url, want string }{
		{srv.URL + "/app/debug/vars", "/app/debug/vars"},
		{srv.URL + "/app", "/app/debug/vars /app/metrics /app/debug/pprof/"},
		{srv.URL + "/app/debug/pprof/", "/app/debug/vars /app/metrics /app/debug/pprof/"},
	} {
		paths = nil
		if _, err := scrape(t, c.url).Sample(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(paths, " "); got != c.want {
			t.Errorf("%s asked for %s, want %s", c.url, got, c.want)
		}
	}
}

func TestABadConfigNamesTheField(t *testing.T) {
	for want, change := range map[string]func(*scraper.Config){
		"timeout is 1ms: want 100ms to 5m":          func(c *scraper.Config) { c.Timeout = time.Millisecond },
		"maxBytes is 5: want 1KiB to 1GiB":          func(c *scraper.Config) { c.MaxBytes = 5 },
		`endpoints.heap is "heap": want a path`:     func(c *scraper.Config) { c.Endpoints.Heap = "heap" },
		"username and bearerTokenFile are both set": func(c *scraper.Config) { c.Username, c.BearerTokenFile = "u", "f" },
		"tls.certFile and tls.keyFile go together":  func(c *scraper.Config) { c.TLS.CertFile = "x" },
	} {
		cfg := scraper.DefaultConfig()
		cfg.URL = ":6060"
		change(&cfg)
		if err := cfg.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

func TestTheGuardLengthensTheIntervalOfASlowTarget(t *testing.T) {
	g := scraper.Guard{Share: 0.005}
	want := func(why string, kind memwatch.ProfileKind, wish, interval time.Duration) {
		t.Helper()
		if d, slowed := g.Interval(kind, wish); d != interval || slowed != (interval > wish) {
			t.Errorf("%s: %v %v, want %v", why, d, slowed, interval)
		}
	}
	want("nothing is known", memwatch.HeapProfile, time.Minute, time.Minute)
	g.Took(memwatch.HeapProfile, 100*time.Millisecond, 1000)
	want("100 ms each minute are 0.17 %", memwatch.HeapProfile, time.Minute, time.Minute)
	want("100 ms each 10 s are 1 %", memwatch.HeapProfile, 10*time.Second, 20*time.Second)
	g.Took(memwatch.GoroutineProfile, 50*time.Millisecond, 1000)
	want("both kinds together", memwatch.HeapProfile, 10*time.Second, 30*time.Second)
}

func TestTheGuardTakesABytesWorthForTheLeastCost(t *testing.T) {
	g := scraper.Guard{Share: 0.005}
	g.Took(memwatch.HeapProfile, 0, 5<<20)
	if d, slowed := g.Interval(memwatch.HeapProfile, 10*time.Second); !slowed || d < 20*time.Second {
		t.Errorf("5 MiB at once: %v %v", d, slowed)
	}
}

func TestTheGuardAsksLessForWhatFails(t *testing.T) {
	var g scraper.Guard
	for i := range 8 {
		g.Failed(memwatch.HeapProfile, time.Millisecond)
		want := 10 * time.Second << min(i+1, 6)
		if d, slowed := g.Interval(memwatch.HeapProfile, 10*time.Second); d != want || !slowed {
			t.Errorf("after %d failures: %v %v, want %v", i+1, d, slowed, want)
		}
		if d, _ := g.Interval(memwatch.GoroutineProfile, 10*time.Second); d != 10*time.Second {
			t.Errorf("another kind: %v", d)
		}
	}
	g.Took(memwatch.HeapProfile, time.Millisecond, 1)
	if d, slowed := g.Interval(memwatch.HeapProfile, 10*time.Second); d != 10*time.Second || slowed {
		t.Errorf("after it came: %v %v", d, slowed)
	}
}
