package simulate

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/zupee/memwatch"
)

func scenarioNamed(t *testing.T, name string) *Scenario {
	t.Helper()
	for _, s := range All() {
		if s.Name == name {
			return s
		}
	}
	t.Fatalf("no scenario %s", name)
	return nil
}

// readings runs an instance for some readings; each calls look on the way.
func readings(in *Instance, n int, look func()) []string {
	var out []string
	for range n {
		if !in.Next() {
			break
		}
		b, err := json.Marshal(in.Sample())
		if err != nil {
			panic(err)
		}
		out = append(out, string(b))
		look()
	}
	return out
}

func TestSameSeedGivesTheSameReadingsWhetherProfilesAreReadOrNot(t *testing.T) {
	for _, name := range []string{"heap-slow-diurnal", "goroutines", "restarts-with-warmup", "missing-and-clock-jumps"} {
		s := scenarioNamed(t, name)
		a, b := s.Instance(7, 1, 10*time.Second), s.Instance(7, 1, 10*time.Second)
		plain := readings(a, 3000, func() {})
		watched := readings(b, 3000, func() {
			b.Profile(memwatch.HeapProfile)
			b.Profile(memwatch.GoroutineProfile)
		})
		if strings.Join(plain, "\n") != strings.Join(watched, "\n") {
			t.Errorf("%s: reading profiles changed the readings", name)
		}
		other := readings(s.Instance(8, 1, 10*time.Second), 3000, func() {})
		if strings.Join(plain, "\n") == strings.Join(other, "\n") {
			t.Errorf("%s: another seed gives the same readings", name)
		}
	}
}

func TestSameSeedGivesTheSameProfiles(t *testing.T) {
	run := func() string {
		in := scenarioNamed(t, "heap-several-sites").Instance(3, 0, 10*time.Second)
		var out []byte
		readings(in, 500, func() {
			b, err := json.Marshal(in.Profile(memwatch.HeapProfile).Sites)
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, b...)
		})
		return string(out)
	}
	if a, b := run(), run(); a != b {
		t.Error("two runs gave different profiles")
	}
}

func TestHealthyInstancesStayBelowTheirLimit(t *testing.T) {
	for _, s := range All() {
		if s.Leak {
			continue
		}
		in := s.Instance(11, 0, 100*time.Second)
		for in.Next() {
			if in.Truth() == Leaks {
				t.Fatalf("%s: a healthy instance says that it leaks", s.Name)
			}
		}
		if hits := in.LimitHits(); len(hits) > 0 {
			t.Errorf("%s: killed at its limit after %.1f h", s.Name, hits[0]/hour)
		}
	}
}

func TestLeaksReachTheirLimitWhenGivenTime(t *testing.T) {
	for _, s := range All() {
		if !s.Leak || s.Name == "heap-fixed-by-deploy" {
			continue
		}
		s.Days = 12
		in := s.Instance(5, 0, 100*time.Second)
		var used float64
		for len(in.LimitHits()) == 0 && in.Next() {
			used = max(used, in.Used())
		}
		if len(in.LimitHits()) == 0 {
			t.Errorf("%s: still alive after 12 days, %.0f %% of its room taken", s.Name, 100*used)
			continue
		}
		if used < 0.5 {
			t.Errorf("%s: killed with %.0f %% of the room for its leak taken: the room is reckoned wrong", s.Name, 100*used)
		}
	}
}

func TestCulpritsAreInTheProfiles(t *testing.T) {
	for _, s := range All() {
		if !s.Leak || s.Kind != memwatch.KindHeap && s.Kind != memwatch.KindGoroutine {
			continue
		}
		in := s.Instance(2, 0, 10*time.Second)
		for in.Next() && in.Used() < 0.3 {
		}
		var text strings.Builder
		for _, kind := range []memwatch.ProfileKind{memwatch.HeapProfile, memwatch.GoroutineProfile} {
			p := in.Profile(kind)
			for i := range p.Sites {
				for _, f := range p.Stack(&p.Sites[i]) {
					text.WriteString(f.Function + "\n")
				}
			}
		}
		for _, want := range in.Culprits() {
			if !strings.Contains(text.String(), want) {
				t.Errorf("%s: %s is in no profile", s.Name, want)
			}
		}
	}
}

func TestProfileIsUnbiased(t *testing.T) {
	// Over many instances, what the profile shows for all sites together is what
	// is live, but for sampling noise.
	var shown, live float64
	for replica := range 12 {
		in := scenarioNamed(t, "sessions-diurnal").Instance(4, replica, 10*time.Second)
		for range 600 {
			in.Next()
			in.Profile(memwatch.HeapProfile)
		}
		for _, s := range in.Profile(memwatch.HeapProfile).Sites {
			shown += float64(s.LiveBytes)
			if s.LiveObjects > s.AllocObjects {
				t.Fatalf("%d objects live of %d ever allocated", s.LiveObjects, s.AllocObjects)
			}
		}
		for i := range in.p.sites {
			if s := &in.p.sites[i]; s.where == onHeap {
				live += s.shown.held
			}
		}
	}
	if ratio := shown / live; math.Abs(ratio-1) > 0.05 {
		t.Errorf("profiles show %.3f of what is live", ratio)
	}
}

func TestReadingsGoMissingAndClocksJump(t *testing.T) {
	in := scenarioNamed(t, "missing-and-clock-jumps").Instance(1, 0, 10*time.Second)
	var last time.Time
	var n, back, gaps int
	for in.Next() {
		now := in.Sample().Time
		if n > 0 && now.Before(last) {
			back++
		}
		if n > 0 && now.Sub(last) > 4*time.Minute {
			gaps++
		}
		last = now
		n++
	}
	if back+gaps < 10 {
		t.Errorf("%d jumps back and %d gaps in 3 days", back, gaps)
	}
}
