package agent

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/zupee/memwatch"
	"github.com/zupee/memwatch/detector"
	"github.com/zupee/memwatch/scraper"
)

func steps(t *testing.T, w *watch, n int) (last *look) {
	t.Helper()
	for range n {
		l, err := w.step(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		last = l
	}
	return last
}

func TestAHeapProfileIsReadOnlyAfterAnotherGC(t *testing.T) {
	src := newFake()
	w := newWatch(src, detector.DefaultConfig(), 0)
	src.gc = 1
	steps(t, w, 50)
	if n := src.count(memwatch.HeapProfile); n != 1 {
		t.Errorf("%d heap profiles within one GC cycle, want 1", n)
	}
	src.gc = 2
	steps(t, w, 1)
	if n := src.count(memwatch.HeapProfile); n != 2 {
		t.Errorf("%d heap profiles after the next cycle, want 2", n)
	}
}

func TestAHealthyTargetIsAskedForProfilesRarely(t *testing.T) {
	src := newFake()
	w := newWatch(src, detector.DefaultConfig(), 0)
	src.shape = func(s *memwatch.Sample) { s.Set(memwatch.NumGC, float64(s.Time.Unix())) }
	steps(t, w, 120)
	if n := src.count(memwatch.HeapProfile); n < 18 || n > 22 {
		t.Errorf("%d heap profiles in 120 readings, want one in six", n)
	}
	if n := src.count(memwatch.GoroutineProfile); n < 2 || n > 3 {
		t.Errorf("%d goroutine profiles in 120 readings, want one in sixty", n)
	}
	if n := src.count(memwatch.GoroutineLeakProfile); n != 0 {
		t.Errorf("%d goroutineleak profiles of a healthy target: each runs a GC there", n)
	}
}

func TestASlowTargetIsSpared(t *testing.T) {
	src := newFake()
	src.took = 350 * time.Millisecond
	w := newWatch(src, detector.DefaultConfig(), 0.005) // 70 s between profiles
	src.shape = func(s *memwatch.Sample) { s.Set(memwatch.NumGC, float64(s.Time.Unix())) }
	if l := steps(t, w, 120); !l.slowed {
		t.Error("nobody is told that the target is slow")
	}
	if n := src.count(memwatch.HeapProfile); n > 3 {
		t.Errorf("%d heap profiles in two minutes at 350 ms each, want at most 3", n)
	}
}

func TestAProfileThatIsNotServedIsLeftAlone(t *testing.T) {
	src := newFake()
	src.profileErr[memwatch.HeapProfile] = &scraper.Error{Err: fmt.Errorf("status 404: %w", scraper.ErrUnsupported)}
	w := newWatch(src, detector.DefaultConfig(), 0)
	l := steps(t, w, 200)
	if n := src.count(memwatch.HeapProfile); n != 1 {
		t.Errorf("asked %d times in 200 s, want once", n)
	}
	if len(l.troubles) > 0 {
		t.Errorf("counted as trouble: %v", l.troubles)
	}
	steps(t, w, 120)
	if n := src.count(memwatch.HeapProfile); n != 2 {
		t.Errorf("asked %d times after five minutes, want twice", n)
	}
}

func TestACorruptProfileDoesNotCostTheReading(t *testing.T) {
	src := newFake()
	src.profileErr[memwatch.HeapProfile] = errors.New("corrupt")
	w := newWatch(src, detector.DefaultConfig(), 0)
	l, err := w.step(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(l.troubles) != 1 || l.sample.Time.IsZero() {
		t.Errorf("troubles %v, sample at %v", l.troubles, l.sample.Time)
	}
}

func TestARestartIsNoticed(t *testing.T) {
	src := newFake()
	src.gc = 9
	w := newWatch(src, detector.DefaultConfig(), 0)
	steps(t, w, 10)
	src.gc = 0
	l := steps(t, w, 1)
	if !l.restarted {
		t.Error("the GC counter fell and nothing was noticed")
	}
	if l := steps(t, w, 1); l.restarted {
		t.Error("one restart was noticed twice")
	}
}
