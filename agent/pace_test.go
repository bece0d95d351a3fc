package agent

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zupee/memwatch"
	"github.com/zupee/memwatch/detector"
	"github.com/zupee/memwatch/scraper"
)

// pace runs a runner for an hour of made-up time, and returns when it read its
// target and what it said.
func pace(t *testing.T, target memwatch.Target, src *fakeSource) (at []time.Duration, log string) {
	t.Helper()
	said := &lines{}
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		shape := src.shape
		src.asked = func() { at = append(at, time.Since(begin)) }
		src.shape = func(s *memwatch.Sample) {
			s.Time, s.Start = time.Now(), begin
			if shape != nil {
				shape(s)
			}
		}
		r := paced(t, target, src, said)
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		r.run(ctx)
	})
	return at, said.text()
}

// paced is a runner that reads src each ten seconds.
func paced(t *testing.T, target memwatch.Target, src *fakeSource, said io.Writer) *runner {
	t.Helper()
	s, err := scraper.New(scraper.Config{URL: ":1", Timeout: time.Second, MaxBytes: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	a := &agent{log: slog.New(slog.NewTextHandler(said, nil))}
	r := a.runner(Target{Target: target})
	r.target, r.interval, r.scraper = target, 10*time.Second, s
	r.watch, r.history = newWatch(src, detector.DefaultConfig(), 0), newHistory(50)
	return r
}

func gap(at []time.Duration, i int) time.Duration { return (at[i+1] - at[i]).Round(time.Second) }

func TestEachTargetHasItsOwnPlaceWithinTheInterval(t *testing.T) {
	places := map[time.Duration]bool{}
	for _, instance := range []string{"a", "b", "c", "d", "e"} {
		target := memwatch.Target{Service: "shop", Instance: instance}
		at, _ := pace(t, target, newFake())
		if at[0] > time.Second || at[1]-at[0] > 15*time.Second || gap(at, 1) != 10*time.Second || gap(at, 100) != 10*time.Second {
			t.Errorf("%s is read at %v…", instance, at[:5])
		}
		again, _ := pace(t, target, newFake())
		if at[50] != again[50] {
			t.Errorf("%s is read at %v, and another time at %v", instance, at[50], again[50])
		}
		places[at[50].Round(500*time.Millisecond)] = true
	}
	if len(places) < 4 {
		t.Errorf("five targets are read at %v", places)
	}
}

func TestAnotherIntervalLeavesEachTargetItsOwnPlace(t *testing.T) {
	places := map[time.Duration]bool{}
	for _, instance := range []string{"a", "b", "c", "d", "e"} {
		src := newFake()
		var at []time.Duration
		synctest.Test(t, func(t *testing.T) {
			begin := time.Now()
			src.asked = func() { at = append(at, time.Since(begin)) }
			src.shape = func(s *memwatch.Sample) { s.Time, s.Start = time.Now(), begin }
			r := paced(t, memwatch.Target{Service: "shop", Instance: instance}, src, io.Discard)
			ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
			defer cancel()
			go func() {
				time.Sleep(30 * time.Minute)
				c := changeTo(Target{Target: r.target}, &Config{Interval: 20 * time.Second, Detector: detector.DefaultConfig(), History: 50})
				r.tell(ctx, c)
			}()
			r.run(ctx)
		})
		if last := len(at) - 2; gap(at, 100) != 10*time.Second || gap(at, last) != 20*time.Second {
			t.Errorf("%s is read at %v…, then %v", instance, at[:3], at[last:])
		}
		places[(at[len(at)-1] % (20 * time.Second)).Round(time.Second)] = true
	}
	if len(places) < 4 {
		t.Errorf("five targets are read at %v", places)
	}
}

func TestATargetThatIsSlowToAnswerIsReadLessOftenAndThatIsSaid(t *testing.T) {
	src := newFake()
	src.shape = func(s *memwatch.Sample) { s.Set(memwatch.ScrapeSeconds, 3) } // of which a tenth is thirty
	at, log := pace(t, shop, src)
	if gap(at, 5) != 30*time.Second || gap(at, 50) != 30*time.Second {
		t.Errorf("read at %v…", at[:8])
	}
	if !strings.Contains(log, "scraping less: target slow") {
		t.Errorf("not said:\n%s", log)
	}
}

func TestATargetThatDoesNotAnswerIsAskedLessAndLess(t *testing.T) {
	src := newFake()
	src.down = &scraper.Error{Endpoint: "/metrics", Reason: scraper.Timeout, Err: errors.New("no whole answer")}
	at, _ := pace(t, shop, src)
	for i, want := range map[int]time.Duration{2: 40 * time.Second, 3: 60 * time.Second, 20: 60 * time.Second} {
		if gap(at, i) != want {
			t.Errorf("after %d timeouts it is left alone for %v, want %v", i+1, gap(at, i), want)
		}
	}
	src = newFake()
	src.down = &scraper.Error{Endpoint: "/metrics", Reason: scraper.Refused, Err: errors.New("connection refused")}
	if at, _ := pace(t, shop, src); gap(at, 20) != 10*time.Second {
		t.Errorf("a target that is not there is asked each %v, want 10s: it costs nobody anything", gap(at, 20))
	}
}
