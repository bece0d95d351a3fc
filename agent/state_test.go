package agent

import (
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/zupee/memwatch"
	"github.com/zupee/memwatch/detector"
)

var shop = memwatch.Target{Service: "shop", Instance: "shop-1"}

func openedStates(t *testing.T, dir string, log io.Writer) *states {
	t.Helper()
	s, err := openStates(dir, slog.New(slog.NewTextHandler(log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.close() })
	return s
}

// leaking is a watch whose target has leaked for a while, with its history.
func leaking(t *testing.T) (*fakeSource, *watch, *history) {
	t.Helper()
	src, h := newFake(), newHistory(50)
	src.interval = 10 * time.Second
	src.shape = func(s *memwatch.Sample) {
		n := s.Time.Sub(start).Seconds() / 10
		s.Set(memwatch.NumGC, n)
		s.Set(memwatch.LiveHeapBytes, 20e6+2e6*n)
		s.Set(memwatch.TotalAllocBytes, 5e6*n)
	}
	w := newWatch(src, detector.DefaultConfig(), 0)
	for range 120 {
		l := steps(t, w, 1)
		h.add(&l.sample)
	}
	if w.det.State() != memwatch.Leaking {
		t.Fatalf("the target is %s", w.det.State())
	}
	return src, w, h
}

func TestWhatIsKnownOfATargetOutlivesTheAgent(t *testing.T) {
	src, w, h := leaking(t)
	s := openedStates(t, t.TempDir(), io.Discard)
	if err := s.save(shop, "http://shop", w.det, h, src.at, true); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(s.path(shop))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file: %v, %v", info, err)
	}

	again := newHistory(50)
	det := s.restore(shop, "http://shop", detector.DefaultConfig(), again, src.at.Add(time.Minute))
	if det == nil {
		t.Fatal("nothing was restored")
	}
	if len(again.kept) != len(h.kept) || again.stride != h.stride {
		t.Errorf("%d readings each %d, want %d each %d", len(again.kept), again.stride, len(h.kept), h.stride)
	}
	// Both go on with the same target.
	other := newWatch(src, detector.DefaultConfig(), 0)
	other.det = det
	for range 30 {
		l := steps(t, other, 1)
		w.det.Observe(&l.sample)
		a, _ := json.Marshal(w.det.Verdict())
		b, _ := json.Marshal(det.Verdict())
		if string(a) != string(b) {
			t.Fatalf("the one that went on says\n%s\nthe restored one\n%s", a, b)
		}
	}
}

func TestAStateThatCannotBeUsedIsSaidAndTheTargetLearntAnew(t *testing.T) {
	src, w, h := leaking(t)
	for _, c := range []struct {
		name  string
		spoil func(t *testing.T, path string)
		url   string
		now   time.Time
		want  string
	}{
		{name: "cut off", spoil: func(t *testing.T, path string) {
			if err := os.Truncate(path, 300); err != nil {
				t.Fatal(err)
			}
		}, want: "unpack"},
		{name: "of zeros, as a power cut leaves them", spoil: func(t *testing.T, path string) {
			if err := os.WriteFile(path, make([]byte, 4096), 0o600); err != nil {
				t.Fatal(err)
			}
		}, want: "unpack"},
		{name: "of another target", url: "http://other", want: "target at http://shop"},
		{name: "of tomorrow", now: src.at.Add(-time.Hour), want: "was the clock set back"},
	} {
		t.Run(c.name, func(t *testing.T) {
			log := &lines{}
			s := openedStates(t, t.TempDir(), log)
			if err := s.save(shop, "http://shop", w.det, h, src.at, true); err != nil {
				t.Fatal(err)
			}
			if c.spoil != nil {
				c.spoil(t, s.path(shop))
			}
			url, now := c.url, c.now
			if url == "" {
				url = "http://shop"
			}
			if now.IsZero() {
				now = src.at
			}
			if det := s.restore(shop, url, detector.DefaultConfig(), newHistory(5), now); det != nil {
				t.Error("it was used")
			}
			if got := log.text(); !strings.Contains(got, "learnt anew") || !strings.Contains(got, c.want) {
				t.Errorf("the log lacks %q:\n%s", c.want, got)
			}
			if s.stats.refused != 1 {
				t.Errorf("%d counted as refused", s.stats.refused)
			}
		})
	}
}

func TestOnlyWhatIsNewIsSaved(t *testing.T) {
	k := newKept(t)
	k.states = openedStates(t, t.TempDir(), io.Discard)
	k.save(true)
	if n := k.states.stats.saved; n != 0 {
		t.Errorf("%d saves before there was a reading", n)
	}
	k.step(t.Context())
	k.save(true)
	k.save(true)
	if n := k.states.stats.saved; n != 1 {
		t.Errorf("%d saves of one reading", n)
	}
}

func TestADiskAtWorkForOneTargetHoldsUpNoOther(t *testing.T) {
	k := newKept(t)
	k.states = openedStates(t, t.TempDir(), io.Discard)
	k.states.turn.Lock()
	k.step(t.Context())
	k.states.turn.Unlock()
	if n := k.states.stats; n.saved != 0 || n.failed != 0 {
		t.Errorf("%+v while another target is saved", n)
	}
	k.save(false)
	if n := k.states.stats.saved; n != 1 {
		t.Errorf("%d saves once the disk is free, want 1", n)
	}
}

// At the end all targets want to save at once; that must not outlast the grace.
func TestSavesWhoseTurnComesTooLateAreLeftOutAndThatIsSaidOnce(t *testing.T) {
	src, w, h := leaking(t)
	log := &lines{}
	s := openedStates(t, t.TempDir(), log)
	s.bound(10 * time.Second)
	if s.patience != 5*time.Second {
		t.Errorf("the saves may wait for %v of ten seconds, want half", s.patience)
	}
	s.patience = -1
	for range 3 {
		if err := s.save(shop, "http://shop", w.det, h, src.at, true); !errors.Is(err, errLate) {
			t.Errorf("got %v", err)
		}
	}
	if n := strings.Count(log.text(), "takes long to save"); n != 1 || s.stats.failed != 3 {
		t.Errorf("said %d times, %d failed:\n%s", n, s.stats.failed, log.text())
	}
	if _, err := os.Stat(s.path(shop)); err == nil {
		t.Error("it was saved")
	}
}

func TestNamesThatLookAlikeHaveStatesOfTheirOwn(t *testing.T) {
	s := openedStates(t, t.TempDir(), io.Discard)
	seen := map[string]bool{}
	for _, target := range []memwatch.Target{
		{Service: "a", Instance: "b/c"},
		{Service: "a", Instance: "b:c"},
		{Service: "a_b", Instance: "c"},
		{Service: "../../etc/passwd", Instance: ""},
		{Service: strings.Repeat("x", 500), Instance: "1"},
		{Service: strings.Repeat("x", 500), Instance: "2"},
	} {
		path := s.path(target)
		if seen[path] || filepath.Dir(path) != s.dir || len(filepath.Base(path)) > 150 {
			t.Errorf("%+v is kept at %s", target, path)
		}
		seen[path] = true
	}
}

func TestStatesOfTargetsLongGoneAreRemoved(t *testing.T) {
	dir := t.TempDir()
	old, young := filepath.Join(dir, "a.state"), filepath.Join(dir, "b.state")
	for path, age := range map[string]time.Duration{old: 8 * 24 * time.Hour, young: time.Hour} {
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		at := time.Now().Add(-age)
		if err := os.Chtimes(path, at, at); err != nil {
			t.Fatal(err)
		}
	}
	openedStates(t, dir, io.Discard)
	if _, err := os.Stat(old); err == nil {
		t.Error("the old one is still there")
	}
	if _, err := os.Stat(young); err != nil {
		t.Error(err)
	}
}

func TestAnAgentGoesOnWhereItStopped(t *testing.T) {
	cfg := config(t, "", "shop", target(t))
	cfg.Listen = freeAddress(t)
	cfg.StateDir = t.TempDir()
	end := begin(t, cfg, io.Discard)
	waitFor(t, cfg.Listen, `memwatch_state{service="shop",instance="shop-1",state="learning"} `, is("0"))
	if err := end(); err != nil {
		t.Fatal(err)
	}
	log := &lines{}
	cfg.Interval = time.Hour // what is known now was known before
	begin(t, cfg, log)
	waitFor(t, cfg.Listen, `memwatch_state{service="shop",instance="shop-1",state="learning"} `, is("0"))
	if !strings.Contains(log.text(), "goes on with what was known of the target") {
		t.Errorf("nobody is told:\n%s", log.text())
	}
}

func TestAnAgentWithoutAFolderForStatesWorksAllTheSame(t *testing.T) {
	cfg := config(t, "", "shop", target(t))
	cfg.Listen = freeAddress(t)
	cfg.StateDir = filepath.Join(t.TempDir(), "file", "state")
	if err := os.WriteFile(filepath.Dir(cfg.StateDir), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	log := &lines{}
	begin(t, cfg, log)
	waitFor(t, cfg.Listen, `memwatch_target_up{service="shop",instance="shop-1"} `, is("1"))
	if !strings.Contains(log.text(), "set stateDir") {
		t.Errorf("nobody is told what to do:\n%s", log.text())
	}
}
