package scraper_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"runtime"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/zupee/memwatch"
	"github.com/zupee/memwatch/scraper"
)

// exporter serves what client_golang collects, and nothing else.
func exporter(t *testing.T, of ...prometheus.Collector) *scraper.Scraper {
	t.Helper()
	registry := prometheus.NewRegistry()
	registry.MustRegister(of...)
	srv := httptest.NewServer(promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	t.Cleanup(srv.Close)
	return scrape(t, srv.URL+"/metrics")
}

func wantSignals(t *testing.T, s memwatch.Sample, signals ...memwatch.Signal) {
	t.Helper()
	for _, sig := range signals {
		if v, ok := s.Get(sig); !ok || v <= 0 {
			t.Errorf("%v is %v, present: %v", sig, v, ok)
		}
	}
}

func TestTheDefaultSetOfClientGolangIsRead(t *testing.T) {
	runtime.GC()
	s := exporter(t, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	got, err := s.Sample(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	wantSignals(t, got, memwatch.HeapAllocBytes, memwatch.HeapInuseBytes, memwatch.NextGCBytes, memwatch.NumGC, memwatch.Goroutines,
		memwatch.SysBytes, memwatch.StackInuseBytes, memwatch.TotalAllocBytes, memwatch.Mallocs, memwatch.Frees,
		memwatch.LiveHeapBytes, memwatch.RSSBytes)
	if got.Start.IsZero() {
		t.Error("no start")
	}
	if len(s.Trouble()) > 0 {
		t.Errorf("trouble: %v", s.Trouble())
	}
	if v := s.Build()[scraper.BuildRuntime]; v != runtime.Version() {
		t.Errorf("runtime %q, want %q", v, runtime.Version())
	}
}

func TestTheRuntimeMetricsOfClientGolangAreReadWithoutMemStats(t *testing.T) {
	runtime.GC()
	s := exporter(t, collectors.NewGoCollector(
		collectors.WithGoCollectorMemStatsMetricsDisabled(),
		collectors.WithGoCollectorRuntimeMetrics(collectors.MetricsGC, collectors.MetricsScheduler, collectors.MetricsMemory),
	))
	got, err := s.Sample(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	wantSignals(t, got, memwatch.LiveHeapBytes, memwatch.HeapAllocBytes, memwatch.NextGCBytes, memwatch.NumGC, memwatch.HeapObjects,
		memwatch.TotalAllocBytes, memwatch.Mallocs, memwatch.Frees, memwatch.Goroutines, memwatch.SysBytes, memwatch.StackInuseBytes,
		memwatch.GOGCPercent)
	if v, ok := got.Get(memwatch.GoMemLimitBytes); ok && os.Getenv("GOMEMLIMIT") == "" {
		t.Errorf("GOMEMLIMIT is %v, want none", v)
	}
}

// nodeMetrics are of prom-client 15, with a label of its own on every series.
const nodeMetrics = `process_resident_memory_bytes{app="shop"} 69689344
process_start_time_seconds{app="shop"} 1795554126
nodejs_eventloop_lag_seconds{app="shop"} 0.004
nodejs_heap_size_total_bytes{app="shop"} 28811264
nodejs_heap_size_used_bytes{app="shop"} 14894680
nodejs_external_memory_bytes{app="shop"} 2263604
nodejs_heap_space_size_used_bytes{space="new",app="shop"} 4103152
nodejs_version_info{version="v20.20.2",major="20",minor="20",patch="2",app="shop"} 1
shop_build_info{version="v1.4.2",revision="4f2a"} 1
nodejs_gc_duration_seconds_bucket{le="+Inf",kind="minor",app="shop"} 4
nodejs_gc_duration_seconds_sum{kind="minor",app="shop"} 0.008
nodejs_gc_duration_seconds_count{kind="minor",app="shop"} 4
nodejs_gc_duration_seconds_count{kind="incremental",app="shop"} 9
nodejs_gc_duration_seconds_sum{kind="major",app="shop"} 0.012
nodejs_gc_duration_seconds_count{kind="major",app="shop"} 2
`

func TestTheDefaultSetOfPromClientIsRead(t *testing.T) {
	s := target(t, map[string]http.HandlerFunc{"/metrics": say(nodeMetrics)})
	got, err := s.Sample(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for sig, want := range map[memwatch.Signal]float64{
		memwatch.HeapAllocBytes: 14894680, memwatch.HeapSysBytes: 28811264, memwatch.ExternalBytes: 2263604,
		memwatch.LatencySeconds: 0.004, memwatch.NumGC: 6, memwatch.PauseTotalSeconds: 0.02,
		memwatch.LiveHeapBytes: 14894680,
	} {
		if v, ok := got.Get(sig); !ok || v != want {
			t.Errorf("%v = %v, present: %v, want %v", sig, v, ok, want)
		}
	}
	if len(s.Trouble()) > 0 {
		t.Errorf("trouble: %v", s.Trouble())
	}
	b := s.Build()
	if b[scraper.BuildRuntime] != "v20.20.2" || b[scraper.BuildVersion] != "v1.4.2" || b[scraper.BuildRevision] != "4f2a" {
		t.Errorf("build %v", b)
	}
}

func TestATargetWithRSSAloneIsRead(t *testing.T) {
	s := target(t, map[string]http.HandlerFunc{"/metrics": say("process_resident_memory_bytes 1e8\n")})
	got, err := s.Sample(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if v := got.Or(memwatch.RSSBytes, 0); v != 1e8 {
		t.Errorf("RSS %v, want 1e8", v)
	}
	if _, ok := got.Get(memwatch.HeapAllocBytes); ok {
		t.Error("a heap from nowhere")
	}
}

func TestAGoProcessSaysWhatItWasBuiltOf(t *testing.T) {
	s := target(t, map[string]http.HandlerFunc{"/debug/vars": say(goodVars)}, func(c *scraper.Config) { c.PID = os.Getpid() })
	if _, err := s.Sample(t.Context()); err != nil {
		t.Fatal(err)
	}
	b := s.Build()
	if b[scraper.BuildRuntime] != runtime.Version() || !regexp.MustCompile(`scraper\.test$`).MatchString(b[scraper.BuildPath]) {
		t.Errorf("build %v", b)
	}
}

func TestAStrangersBuildInfoIsNotTakenForTheProgramsOwn(t *testing.T) {
	for text, want := range map[string]string{
		"a_build_info{version=\"1\"} 1\nb_build_info{version=\"2\"} 1\n":              "",
		"a_build_info{version=\"1\"} 1\ngo_build_info{path=\"x\",version=\"v3\"} 1\n": "1",
		"go_build_info{path=\"x\",version=\"(devel)\"} 1\n":                           "",
		"a_build_info{x=\"\\\"version=\\\"\",version=\"a\\\"b\"} 1\n":                 `a"b`,
		"a_build_info{version=\"" + string(make([]byte, 200)) + "\"} 1\n":             "",
		"a_build_info{version=\"no end} 1\n":                                          "",
	} {
		s := target(t, map[string]http.HandlerFunc{"/metrics": say("process_resident_memory_bytes 5\n" + text)})
		if _, err := s.Sample(t.Context()); err != nil {
			t.Fatal(err)
		}
		if v := s.Build()[scraper.BuildVersion]; v != want {
			t.Errorf("%q: version %q, want %q", text, v, want)
		}
	}
}
