package scraper

import (
	"strings"
	"testing"

	"github.com/zupee/memwatch"
)

func fuzzReader(f *testing.F, read func([]byte, *memwatch.Sample) error, seeds ...string) {
	for _, s := range seeds {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var s memwatch.Sample
		if read(body, &s) != nil {
			return
		}
		for sig, v := range s.All() {
			if v < 0 || v != v {
				t.Errorf("%v = %v", sig, v)
			}
		}
		if _, err := s.MarshalJSON(); err != nil {
			t.Error(err)
		}
	})
}

func FuzzVars(f *testing.F) {
	fuzzReader(f, func(body []byte, s *memwatch.Sample) error { _, err := readVars(body, s); return err },
		`{"cmdline":["x"],"memstats":{"HeapAlloc":1000,"NextGC":4000,"NumGC":3,"PauseTotalNs":1500000000,"BySize":[{"Size":0}]}}`,
		`{"memstats":{"HeapAlloc":"x"}}`, `{"memstats":null}`, `{"memstats":{"HeapAlloc":1e999}}`)
}

func FuzzMetrics(f *testing.F) {
	read := func(body []byte, s *memwatch.Sample) error {
		build, err := readMetrics(body, s)
		for _, word := range build {
			if !isBuildWord(word) {
				f.Errorf("build says %q", word)
			}
		}
		return err
	}
	fuzzReader(f, read,
		"go_goroutines 5\n# TYPE go_gc_duration_seconds summary\ngo_gc_duration_seconds{quantile=\"0\"} 1e-5\ngo_gc_duration_seconds_sum 0.1\ngo_gc_duration_seconds_count 9\n",
		"go_info{version=\"go1.26\"} 1\nnodejs_gc_duration_seconds_count{kind=\"major\"} 3\nx_build_info{a=\"\\\"\",version=\"1\"} 1\n",
		"process_resident_memory_bytes 1e400\nprocess_start_time_seconds -1\n", "go_goroutines{a=\"\\\"} 1\n",
		"# TYPE go_gc_duration_seconds gauge\ngo_gc_duration_seconds 1\n", strings.Repeat("a 1\n", 100))
}

func FuzzIndex(f *testing.F) {
	fuzzReader(f, readIndex, `<td>12</td><td><a href='goroutine?debug=1'>goroutine</a></td>`, "<td>999999999999</td>")
}

func FuzzParseURL(f *testing.F) {
	for _, s := range []string{":6060", "unix:///a", "http://[::1]:1/x", "x y"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		u, err := ParseURL(s)
		if err == nil && u.Scheme != "unix" && u.Hostname() == "" {
			t.Errorf("%q became %v", s, u)
		}
	})
}
