package hub

import (
	"slices"
	"testing"
	"time"

	"github.com/zupee/memwatch"
	"github.com/zupee/memwatch/hub/api"
	"github.com/zupee/memwatch/wire"
)

func TestForgottenInstancesMakeRoom(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	f := newFleet(Presence{Silence: 24 * time.Hour, ForgetAfter: time.Hour}, func() time.Time { return now })
	f.maxInstances, f.heardBefore = 2, now
	join := func(instance string) error {
		return f.join(memwatch.Target{Service: "shop", Instance: instance})
	}
	for instance, ago := range map[string]time.Duration{"a": 0, "b": 48 * time.Hour} {
		f.restore(restored{target: memwatch.Target{Service: "shop", Instance: instance}, lastSeen: now.Add(-ago)})
	}
	if err := join("a"); err != nil { // it is known
		t.Fatal(err)
	}
	if join("c") == nil {
		t.Error("a third instance was taken")
	}
	if gone := f.forget(); len(gone) != 1 || gone[0].Instance != "b" {
		t.Fatalf("forgot %v", gone)
	}
	if err := join("c"); err != nil {
		t.Error(err)
	}
}

// The hub was away for longer than replicas are waited for: those that come back
// after the first one are still known, and those that had long been gone are not.
func TestTheHubsOwnAbsenceCountsForNoReplica(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	f := newFleet(Presence{ForgetAfter: time.Hour}, func() time.Time { return now })
	for instance, ago := range map[string]time.Duration{"a": 65 * time.Minute, "b": 66 * time.Minute, "gone": 3 * time.Hour} {
		f.restore(restored{target: memwatch.Target{Service: "shop", Instance: instance}, lastSeen: now.Add(-ago)})
	}
	f.hold(alone, memwatch.Target{Service: "shop", Instance: "a"})
	forgets := func(want string) {
		t.Helper()
		got := ""
		for _, target := range f.forget() {
			got += target.Instance
		}
		if got != want {
			t.Errorf("forgot %q, want %q", got, want)
		}
	}
	forgets("gone")
	now = now.Add(58 * time.Minute)
	forgets("")
	now = now.Add(time.Minute)
	forgets("b")
}

func TestReleasesAreNotedAsTheyCome(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	f := newFleet(Presence{}, func() time.Time { return now })
	says := func(instance, version string) {
		now = now.Add(time.Minute)
		f.describe(wire.Registration{Service: "shop", Instance: instance, Labels: map[string]string{"version": version}})
		f.see(alone, wire.Metrics{Service: "shop", Instance: instance, Timestamp: memwatch.Milli(now), Sample: &memwatch.Sample{Time: now}})
	}
	start := now
	f.restore(restored{target: memwatch.Target{Service: "shop", Instance: "a", Labels: map[string]string{"version": "v1"}}})
	for _, s := range []struct{ instance, version string }{
		{"a", "v1"},
		{"a", "v1"}, // it calls again
		{"b", "v2"},
		{"c", "v2"}, // a roll-out, pod by pod
		{"a", "v1"},
		{"d", "v1"}, // while the old ones go on
		{"c", ""},   // it no longer says
		{"b", "v3"},
		{"a", "v3"},
		{"d", "v3"},
		{"c", "v3"},
		{"a", "v2"}, // and back
	} {
		says(s.instance, s.version)
	}
	at := func(minutes int) memwatch.UnixMilli {
		return memwatch.Milli(start.Add(time.Duration(minutes) * time.Minute))
	}
	want := []api.Release{{Version: "v1"}, {Version: "v2", Since: at(3)}, {Version: "v3", Since: at(8)}, {Version: "v2", Since: at(12)}}
	s, _ := f.Service("shop")
	if !slices.Equal(s.Releases, want) {
		t.Errorf("releases %+v, want %+v", s.Releases, want)
	}
	for i := range 2 * maxReleases {
		says("a", time.Duration(i).String())
	}
	if s, _ := f.Service("shop"); len(s.Releases) != maxReleases {
		t.Errorf("%d releases, want the newest %d", len(s.Releases), maxReleases)
	}
}

func TestTheSparklineIsOfWhatGrows(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	f := newFleet(Presence{}, func() time.Time { return now })
	reads := func(kind memwatch.Kind) *api.Sparkline {
		now = now.Add(10 * time.Second)
		sample := &memwatch.Sample{Time: now}
		sample.Set(memwatch.LiveHeapBytes, 1e8)
		sample.Set(memwatch.Goroutines, 500)
		f.see(alone, wire.Metrics{Service: "shop", Instance: "a", Timestamp: memwatch.Milli(now), Sample: sample, Verdict: &memwatch.Verdict{Kind: kind}})
		s, _ := f.Service("shop")
		return s.Sparkline
	}
	for i, c := range []struct {
		kind memwatch.Kind
		want string
	}{{memwatch.KindNone, "liveHeapBytes"}, {memwatch.KindGoroutine, "liveHeapBytes"}, {memwatch.KindGoroutine, "goroutines"}, {memwatch.KindHeap, "liveHeapBytes"}} {
		if got := reads(c.kind); got.Signal != c.want {
			t.Errorf("reading %d: sparkline of %s, want %s", i, got.Signal, c.want)
		}
	}
}
