package alert_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/zupee/memwatch"
	"github.com/zupee/memwatch/hub/alert"
)

// up gives the next reading of an instance whose process runs for that long and
// holds that many MiB of live heap.
func (b *bench) up(instance string, uptime time.Duration, mib float64, v *memwatch.Verdict) []alert.Event {
	b.at = b.at.Add(10 * time.Second)
	s := &memwatch.Sample{Time: b.at, Start: b.at.Add(-uptime)}
	s.Set(memwatch.LiveHeapBytes, mib*(1<<20))
	return b.keep(b.Reading(alert.Reading{Service: "checkout", Instance: instance, At: b.at, Verdict: v, Sample: s}))
}

// logged reports whether a line of that action and words was logged.
func (b *bench) logged(action memwatch.Action, why string) bool {
	for _, e := range b.all {
		for _, l := range e.Log {
			if l.Action == action && strings.Contains(l.Why, why) {
				return true
			}
		}
	}
	return false
}

func TestOlderReplicasThatLevelledOffHoldAWarningBack(t *testing.T) {
	b := start(t)
	b.up("old-1", 20*time.Hour, 200, healthy)
	b.up("old-2", 30*time.Hour, 210, healthy)
	a := b.one(b.up("new", time.Hour, 100, leaking("main.put")), true, fires)
	if want := "2 older replicas levelled off at up to 210 MiB, which it has not reached"; a.Severity != memwatch.SeverityInfo || a.HeldBack != want {
		t.Errorf("%s, held back %q", a.Severity, a.HeldBack)
	}
	if !strings.HasSuffix(a.Message, "; held back: "+a.HeldBack) || !b.logged(memwatch.ActionHold, a.HeldBack) {
		t.Errorf("message %q", a.Message)
	}
	b.none(b.up("new", 2*time.Hour, 200, nil))
	a = b.one(b.up("new", 3*time.Hour, 220, nil), false, fires)
	if a.Severity != memwatch.SeverityWarning || a.HeldBack != "" || !b.logged(memwatch.ActionRelease, "no longer") {
		t.Errorf("it has grown past them: %+v", a)
	}
}

func TestNothingHoldsACriticalLeakBackNorOneThatOlderReplicasShowToo(t *testing.T) {
	b := start(t)
	b.up("old", 20*time.Hour, 200, healthy)
	if a := b.one(b.up("new", time.Hour, 100, verdict(memwatch.Leaking, memwatch.SeverityCritical, "main.put")), true, fires); a.HeldBack != "" {
		t.Errorf("%+v", a)
	}
	b = start(t)
	b.up("old-1", 20*time.Hour, 200, healthy)
	b.up("old-2", 20*time.Hour, 300, leaking("main.put"))
	if a := b.one(b.up("new", time.Hour, 100, leaking("main.put")), false, fires); a.HeldBack != "" || a.Severity != memwatch.SeverityWarning {
		t.Errorf("%+v", a)
	}
}

func TestReplicasOfAnotherVersionHoldNothingBack(t *testing.T) {
	b := start(t)
	b.Describe("checkout", "old", "v1")
	b.Describe("checkout", "new", "v2")
	b.up("old", 20*time.Hour, 200, healthy)
	if a := b.one(b.up("new", time.Hour, 100, leaking("main.put")), true, fires); a.HeldBack != "" {
		t.Errorf("%+v", a)
	}
}

func TestAWarningRightAfterADeployIsHeldBack(t *testing.T) {
	b := start(t)
	b.up("a", time.Minute, 50, leaking("main.put"))
	if a := b.Open()[0]; a.HeldBack != "" {
		t.Errorf("a service that is new was not deployed over another: %q", a.HeldBack)
	}
	b = start(t)
	b.up("a", time.Hour, 50, healthy)
	a := b.one(b.up("a", time.Minute, 60, leaking("main.put")), true, fires)
	if a.Severity != memwatch.SeverityInfo || a.HeldBack != "its process runs for less than 5 min after a deploy or restart" {
		t.Errorf("%+v", a)
	}
	restarted := alert.New(alert.Config{}) // a restart of the hub releases nothing
	restarted.Restore(b.Open())
	restarted.RestoreVerdict("checkout", "a", b.at, leaking("main.put"))
	b.Engine = restarted
	if a := b.Open()[0]; a.Severity != memwatch.SeverityInfo {
		t.Errorf("%+v", a)
	}
	if a = b.one(b.up("a", 6*time.Minute, 70, nil), false, fires); a.Severity != memwatch.SeverityWarning || a.HeldBack != "" {
		t.Errorf("%+v", a)
	}
}

func TestReplicasThatShowTheSameMakeItSurer(t *testing.T) {
	b := start(t)
	for i := range 50 {
		b.up(fmt.Sprintf("pod-%02d", i), time.Hour, 100, healthy)
	}
	v := leaking("main.put")
	v.Confidence = 0.6
	a := b.one(b.up("pod-00", 2*time.Hour, 100, v), true, fires)
	if a.Confidence != 0.6 || a.Leaking != 1 || a.Replicas != 50 {
		t.Errorf("%+v", a)
	}
	a = b.one(b.up("pod-01", 2*time.Hour, 100, v), false, fires)
	if a.Confidence != 0.72 { // 1 - 0.4 × 0.7
		t.Errorf("confidence %v", a.Confidence)
	}
	for i := 2; i < 43; i++ {
		a = b.one(b.up(fmt.Sprintf("pod-%02d", i), 2*time.Hour, 100, v), false, fires)
	}
	if a.Confidence != 0.999 || a.Leaking != 43 || a.Replicas != 50 {
		t.Errorf("confidence %v, %d of %d", a.Confidence, a.Leaking, a.Replicas)
	}
	if want := "checkout leaks heap memory in main.put on 43 of 50 instances: +1.2 MiB/s, at its limit of 512 MiB in 2 h"; a.Message != want {
		t.Errorf("message %q", a.Message)
	}
}

func TestALeakIsBlamedOnTheVersionThatBroughtIt(t *testing.T) {
	b := start(t)
	b.Describe("checkout", "old", "v1.4.1")
	b.Describe("checkout", "new", "v1.4.2")
	b.up("old", 3*time.Hour, 90, healthy)
	b.up("old", 4*time.Hour, 90, healthy)
	a := b.one(b.up("new", 3*time.Hour, 310, leaking("main.put")), true, fires)
	if a.SinceVersion != "v1.4.2" || len(a.Versions) != 1 || a.FoundAfterSeconds != 10800 {
		t.Errorf("%+v", a)
	}
	if !strings.HasPrefix(a.Message, "checkout leaks heap memory in main.put since v1.4.2 on new: ") {
		t.Errorf("message %q", a.Message)
	}
	if !b.logged(memwatch.ActionBlame, "since v1.4.2: v1.4.1 was healthy after as long and held 90 MiB where it holds 310 MiB") {
		t.Errorf("%+v", b.all[len(b.all)-1].Log)
	}
}

func TestAVersionIsNotBlamedWhenTheOneBeforeDidNotRunAsLong(t *testing.T) {
	b := start(t)
	b.Describe("checkout", "old", "v1")
	b.Describe("checkout", "new", "v2")
	b.up("old", 2*time.Hour, 90, healthy)
	b.at = b.at.Add(10 * time.Hour)
	if a := b.one(b.up("new", 3*time.Hour, 310, leaking("main.put")), true, fires); a.SinceVersion != "" {
		t.Errorf("%+v", a)
	}
}

func TestAFixedVersionThatStaysFlatResolves(t *testing.T) {
	b := start(t)
	for _, in := range []string{"old", "other"} {
		b.Describe("checkout", in, "v2")
		b.back(in)
	}
	a := b.one(b.up("old", 40*time.Minute, 310, leaking("main.put")), true, fires)
	b.Describe("checkout", "new", "v3")
	b.back("new")
	b.away("old", "")
	b.none(b.up("new", 50*time.Minute, 90, healthy)) // "other" still runs v2
	b.away("other", "")
	b.none(b.up("new", 30*time.Minute, 90, nil)) // the leak took 40 minutes to show
	end := b.one(b.up("new", 41*time.Minute, 90, nil), false, resolved)
	if want := "checkout no longer leaks heap memory in main.put: v3 stays flat after 41 min"; end.ID != a.ID || end.Message != want {
		t.Errorf("message %q", end.Message)
	}
}

func TestARestartedProcessMustRunAsLongAsTheLeakTookToShow(t *testing.T) {
	b := start(t)
	a := b.one(b.up("a", 40*time.Minute, 310, leaking("main.put")), true, fires)
	for up := time.Minute; up < 40*time.Minute; up += time.Minute {
		b.at = b.at.Add(50 * time.Second)
		if events := b.up("a", up, 90, healthy); len(events) > 0 && events[0].Alert.State == resolved {
			t.Fatalf("resolved after %s; the leak took 40 min to show", up)
		}
	}
	b.at = b.at.Add(50 * time.Second)
	if end := b.one(b.up("a", 40*time.Minute, 90, healthy), false, resolved); end.ID != a.ID {
		t.Errorf("%+v", end)
	}
}

func TestAVersionIsBlamedAfterARestartOfTheHubToo(t *testing.T) {
	b := start(t)
	last := &memwatch.Sample{Time: b.at, Start: b.at.Add(-5 * time.Hour)}
	last.Set(memwatch.LiveHeapBytes, 90<<20)
	b.Describe("checkout", "old", "v1")
	b.RestoreVerdict("checkout", "old", b.at.Add(-time.Hour), healthy)
	b.RestoreSample("checkout", "old", last)
	b.Describe("checkout", "new", "v2")
	if a := b.one(b.up("new", 3*time.Hour, 310, leaking("main.put")), true, fires); a.SinceVersion != "v2" {
		t.Errorf("%+v", a)
	}
	if events := b.Reading(alert.Reading{Service: "checkout", Instance: "old", At: last.Time, Verdict: leaking("main.get")}); len(events) != 1 {
		t.Errorf("what an acknowledged reading meant is lost: %+v", events)
	}
}
