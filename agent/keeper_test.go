package agent

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"runtime/pprof"
	"testing"
	"time"

	"github.com/zupee/memwatch"
	"github.com/zupee/memwatch/capture"
	"github.com/zupee/memwatch/detector"
	"github.com/zupee/memwatch/scraper"
	"github.com/zupee/memwatch/spool"
	"github.com/zupee/memwatch/wire"
)

// kept is a runner over a fake target, with a real store of evidence; sent are
// the captures that the hub would get.
type kept struct {
	*runner
	src   *fakeSource
	store *capture.Store
	sent  []memwatch.Capture
}

func newKept(t *testing.T) *kept {
	t.Helper()
	cfg := capture.DefaultConfig()
	cfg.Dir = t.TempDir()
	log := slog.New(slog.DiscardHandler)
	store, err := capture.Open(cfg, nil, log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	var heap bytes.Buffer
	if err := pprof.Lookup("heap").WriteTo(&heap, 0); err != nil {
		t.Fatal(err)
	}
	k := &kept{src: newFake(), store: store}
	k.src.interval, k.src.raw = 10*time.Second, heap.Bytes()
	out := &outbox{put: func(r spool.Record) error {
		var s wire.Snapshot
		if r.Class == spool.Evidence && json.Unmarshal(r.Body, &s) == nil {
			k.sent = append(k.sent, *s.Capture)
		}
		return nil
	}}
	a := &agent{log: log, out: out, keep: &keeper{store: store, out: out}}
	k.runner = a.runner(Target{Target: shop})
	k.target, k.interval = shop, k.src.interval
	k.watch, k.history = newWatch(k.src, detector.DefaultConfig(), 0), newHistory(50)
	return k
}

// steps takes readings, and stops early when the hub would get more captures.
func (k *kept) steps(t *testing.T, n int) {
	t.Helper()
	for had := len(k.sent); n > 0 && len(k.sent) == had; n-- {
		k.step(t.Context())
	}
}

func (k *kept) count(role memwatch.Role, kind memwatch.ProfileKind) (n int) {
	for _, c := range k.sent {
		if c.Role == role && c.Kind == kind {
			n++
		}
	}
	return n
}

// The heap profile of a Go program shows the heap as of a GC that is past.
func TestEvidenceOfALeakIsCompletedAfterAnotherGC(t *testing.T) {
	k := newKept(t)
	gcs := true
	gc := 0.0
	k.src.shape = func(s *memwatch.Sample) {
		n := s.Time.Sub(start).Seconds() / 10
		if gcs {
			gc = n
		}
		s.Set(memwatch.NumGC, gc)
		s.Set(memwatch.LiveHeapBytes, 20e6+2e6*n)
		s.Set(memwatch.TotalAllocBytes, 5e6*n)
	}
	k.steps(t, 300)
	if n := k.count(memwatch.RoleLeaking, memwatch.HeapProfile); n != 1 {
		t.Fatalf("%d heap profiles of the leak were sent: %+v", n, k.sent)
	}
	gcs = false
	k.steps(t, 5)
	if n := k.count(memwatch.RoleLeaking, memwatch.HeapProfile); n != 1 {
		t.Fatalf("a second one before another GC")
	}
	gcs = true
	k.steps(t, 2)
	if n := k.count(memwatch.RoleLeaking, memwatch.HeapProfile); n != 2 {
		t.Fatalf("%d heap profiles after another GC, want 2", n)
	}
	k.steps(t, 20)
	if n := k.count(memwatch.RoleLeaking, memwatch.HeapProfile); n != 2 {
		t.Errorf("%d heap profiles in the end, want 2", n)
	}
	first, second := k.sent[len(k.sent)-2], k.sent[len(k.sent)-1]
	if first.BaseID == "" || second.BaseID != k.captureOf(t, memwatch.RoleLeaking).BaseID {
		t.Errorf("they are compared with %q and %q", first.BaseID, second.BaseID)
	}
}

// A target that is about to die may fail to serve its heap just then.
func TestAHeapProfileThatFailsAtTheEdgeIsFetchedLater(t *testing.T) {
	k := newKept(t)
	k.src.shape = func(s *memwatch.Sample) {
		n := s.Time.Sub(start).Seconds() / 10
		s.Set(memwatch.NumGC, n)
		s.Set(memwatch.LiveHeapBytes, 20e6+2e6*n)
		s.Set(memwatch.TotalAllocBytes, 5e6*n)
	}
	for k.watch.det.State() != memwatch.Suspect {
		k.step(t.Context())
	}
	k.src.profileErr[memwatch.HeapProfile] = errors.New("no whole answer")
	k.steps(t, 300)
	if n := k.count(memwatch.RoleLeaking, memwatch.GoroutineProfile); n != 1 {
		t.Fatalf("%d goroutine profiles of the leak were sent: %+v", n, k.sent)
	}
	asked := k.src.count(memwatch.HeapProfile)
	k.step(t.Context())
	if n := k.src.count(memwatch.HeapProfile) - asked; n != 1 {
		t.Errorf("the heap was asked for %d times in the next step, want once", n)
	}
	delete(k.src.profileErr, memwatch.HeapProfile)
	k.steps(t, 2)
	if n := k.count(memwatch.RoleLeaking, memwatch.HeapProfile); n != 1 {
		t.Errorf("%d heap profiles of the leak were sent, want the one that failed before", n)
	}
}

// captureOf is the newest heap profile of a role on disk.
func (k *kept) captureOf(t *testing.T, role memwatch.Role) memwatch.Capture {
	t.Helper()
	for _, b := range k.store.Bundles(shop) {
		for i := len(b.Captures) - 1; i >= 0 && b.Role == role; i-- {
			if c := b.Captures[i]; c.Kind == memwatch.HeapProfile && c.Role == role {
				return c.Capture
			}
		}
	}
	t.Fatalf("no evidence of %s", role)
	return memwatch.Capture{}
}

// A target that fills its container within a minute is seen before it dies,
// though the detector had no time to learn what is usual.
func TestMemoryThatRushesToItsLimitIsCapturedBeforeItGetsThere(t *testing.T) {
	k := newKept(t)
	used := 100e6
	k.src.shape = func(s *memwatch.Sample) {
		s.Set(memwatch.NumGC, s.Time.Sub(start).Seconds())
		s.Set(memwatch.RSSBytes, used)
		s.Set(memwatch.LimitBytes, 512e6)
		used += 60e6
	}
	k.steps(t, 8)
	if n := k.count(memwatch.RoleLastGasp, memwatch.HeapProfile); n != 1 {
		t.Fatalf("%d last-gasp heap profiles at %.0f of 512 MB: %+v", n, used/1e6, k.sent)
	}
	if used >= 512e6 {
		t.Errorf("it came when %.0f MB were in use: too late", used/1e6)
	}
	b := k.store.Bundles(shop)
	if last := b[len(b)-1]; last.Role != memwatch.RoleLastGasp {
		t.Errorf("the newest evidence is %s", last.Role)
	}
}

func TestOnlyARushIsALastGasp(t *testing.T) {
	for _, c := range []struct {
		name string
		used func(i int) float64
	}{
		{"full and steady", func(int) float64 { return 490e6 }},
		{"between two GCs", func(i int) float64 { return 400e6 + 90e6*float64(i%4)/4 }},
		{"slow", func(i int) float64 { return 400e6 + 0.2e6*float64(i) }},
		{"far from it", func(i int) float64 { return 10e6 + 3e6*float64(i) }},
	} {
		var g gasp
		told := 0
		for i := range 100 {
			s := memwatch.Sample{Time: start.Add(time.Duration(i) * 10 * time.Second)}
			s.Set(memwatch.RSSBytes, c.used(i))
			s.Set(memwatch.LimitBytes, 512e6)
			// The first tooth of a saw is higher than memory ever was.
			if g.near(&s) && i >= 4 {
				told++
			}
		}
		if told > 0 {
			t.Errorf("%s: told %d times", c.name, told)
		}
	}
}

// A crash between saving evidence and telling the hub of it must not cost it.
func TestEvidenceOnDiskIsOfferedAtTheNextStart(t *testing.T) {
	k := newKept(t)
	used := 100e6
	k.src.shape = func(s *memwatch.Sample) {
		s.Set(memwatch.RSSBytes, used)
		s.Set(memwatch.LimitBytes, 512e6)
		used += 60e6
	}
	k.steps(t, 8)
	told := k.sent
	if len(told) < 2 {
		t.Fatalf("%d captures of the last gasp", len(told))
	}
	k.sent = nil
	first := true
	k.keep.offer([]Target{{Target: shop}, {Target: memwatch.Target{Service: "other"}}}, func(string) bool {
		waits := first // the spool has the first one still
		first = false
		return waits
	}, slog.New(slog.DiscardHandler))
	if len(k.sent) != len(told)-1 || k.sent[0].ID != told[1].ID {
		t.Errorf("%d captures are offered, want those %d that do not wait in the spool", len(k.sent), len(told)-1)
	}
}

func TestEvidenceOfLostGoroutinesHasTheProfileThatProvesThem(t *testing.T) {
	k := newKept(t)
	k.src.shape = func(s *memwatch.Sample) {
		n := s.Time.Sub(start).Seconds() / 10
		s.Set(memwatch.NumGC, n)
		s.Set(memwatch.TotalAllocBytes, 5e6*n)
		s.Set(memwatch.Goroutines, 100+20*n)
		s.Set(memwatch.StackInuseBytes, 1e6+20*8192*n)
	}
	k.steps(t, 400)
	for _, kind := range []memwatch.ProfileKind{memwatch.HeapProfile, memwatch.GoroutineProfile, memwatch.GoroutineLeakProfile} {
		if n := k.count(memwatch.RoleLeaking, kind); n != 1 {
			t.Errorf("%d %s profiles in the evidence, want 1 (state %s)", n, kind, k.watch.det.State())
		}
	}
	if n := k.src.count(memwatch.GoroutineLeakProfile); n > 4 {
		t.Errorf("%d goroutineleak profiles were read: each costs the target a GC", n)
	}
}

func TestWhatIsNotServedIsNotAskedForAgainForEvidence(t *testing.T) {
	k := newKept(t)
	k.src.profileErr[memwatch.GoroutineLeakProfile] = scraper.ErrUnsupported
	k.src.shape = func(s *memwatch.Sample) {
		n := s.Time.Sub(start).Seconds() / 10
		s.Set(memwatch.NumGC, n)
		s.Set(memwatch.Goroutines, 100+20*n)
		s.Set(memwatch.StackInuseBytes, 1e6+20*8192*n)
	}
	k.steps(t, 60)
	asked := k.src.count(memwatch.GoroutineLeakProfile)
	if n := k.count(memwatch.RoleLeaking, memwatch.GoroutineProfile); n != 1 {
		t.Fatalf("%d goroutine profiles in the evidence (state %s)", n, k.watch.det.State())
	}
	if asked > 3 { // once in five minutes
		t.Errorf("asked %d times within ten minutes for what is not served", asked)
	}
}
