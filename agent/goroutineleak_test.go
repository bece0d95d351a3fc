package agent

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/zupee/memwatch"
	"github.com/zupee/memwatch/detector"
	"github.com/zupee/memwatch/scraper"
)

// stuck is a service whose goroutines grow by five at each reading, as seen
// from outside. leak answers for its goroutineleak profile.
type stuck struct {
	readings, leaks atomic.Int64
	leak            http.HandlerFunc
}

func (s *stuck) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	n := s.readings.Load()
	switch r.URL.Path {
	case "/debug/vars":
		n = s.readings.Add(1)
		stacks := 8192 * (20 + 5*n)
		fmt.Fprintf(w, `{"memstats":{"HeapAlloc":9000000,"HeapInuse":12000000,"HeapSys":20000000,"NextGC":16000000,"NumGC":%d,"TotalAlloc":%d,"StackInuse":%d,"Sys":%d}}`,
			n, 1000000*n, stacks, 20000000+stacks)
	case "/debug/pprof/":
		fmt.Fprintf(w, "<td>%d</td><td><a href='goroutine?debug=1'>", 20+5*n)
	case "/debug/pprof/goroutineleak":
		s.leaks.Add(1)
		s.leak(w, r)
	default:
		http.NotFound(w, r)
	}
}

// clocked is a scraper whose readings come a second apart, however busy the
// machine is.
type clocked struct {
	*scraper.Scraper
	at time.Time
}

func (c *clocked) Sample(ctx context.Context) (memwatch.Sample, error) {
	s, err := c.Scraper.Sample(ctx)
	c.at = c.at.Add(time.Second)
	s.Time, s.Start = c.at, start
	return s, err
}

func (c *clocked) Profile(ctx context.Context, kind memwatch.ProfileKind) (*scraper.Profile, error) {
	p, err := c.Scraper.Profile(ctx, kind)
	if err == nil {
		p.Sites.Time = c.at
	}
	return p, err
}

// watched reads it n times.
func (s *stuck) watched(t *testing.T, n int) *watch {
	t.Helper()
	srv := httptest.NewServer(s)
	defer srv.Close()
	cfg := scraper.DefaultConfig()
	cfg.URL = srv.URL
	sc, err := scraper.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer sc.Close()
	w := newWatch(&clocked{sc, start}, detector.DefaultConfig(), 0)
	steps(t, w, n)
	return w
}

// The profile in testdata was served by a Go program built with
// GOEXPERIMENT=goroutineleakprofile (e2e/testdata/abandoned).
func TestAProofOfLeakedGoroutinesIsReadOnceAndSettlesIt(t *testing.T) {
	raw, err := os.ReadFile("testdata/goroutineleak.pb.gz")
	if err != nil {
		t.Fatal(err)
	}
	s := &stuck{leak: func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(raw) }}
	w := s.watched(t, 120)
	if n := s.leaks.Load(); n != 1 {
		t.Errorf("the goroutineleak profile was read %d times, want once: each read runs a GC in the target", n)
	}
	v := w.det.Verdict()
	if v.State != memwatch.Leaking || v.Kind != memwatch.KindGoroutine {
		t.Fatalf("%s, %s: want leaking, goroutine\n%s", v.State, v.Kind, v.Summary)
	}
	c := v.Culprits[0]
	if c.Function != "main.reply" || c.OwnFrame != "main.reply" || c.Line != 42 || c.Certainty != memwatch.Certain || c.LiveObjects != 395 || c.Leaf != "runtime.gopark" || len(c.Stack) != 4 {
		t.Errorf("culprit %+v, want main.reply with its 395 goroutines, certain", c)
	}
	for _, g := range v.Gates {
		if g.Name == "proof" && g.Passed && *g.Value == 395 {
			return
		}
	}
	t.Errorf("no gate says that it is proven: %+v", v.Gates)
}

func TestATargetThatServesNoProofIsAskedOnceAndWatchedOn(t *testing.T) {
	for name, leak := range map[string]http.HandlerFunc{
		"not served": http.NotFound,
		"broken":     func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("what?")) },
		"failing":    func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) },
	} {
		t.Run(name, func(t *testing.T) {
			s := &stuck{leak: leak}
			w := s.watched(t, 120)
			if n := s.leaks.Load(); n != 1 {
				t.Errorf("asked %d times within a minute, want once", n)
			}
			if v := w.det.Verdict(); v.State != memwatch.Suspect || v.Kind != memwatch.KindGoroutine {
				t.Errorf("%s, %s: want suspect, goroutine: it has not been watched for long\n%s", v.State, v.Kind, v.Summary)
			}
		})
	}
}
