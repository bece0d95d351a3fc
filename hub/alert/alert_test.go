package alert_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/zupee/memwatch"
	"github.com/zupee/memwatch/hub/alert"
)

var t0 = time.UnixMilli(1_795_425_000_000).UTC()

// bench drives an engine and keeps what it said.
type bench struct {
	*alert.Engine
	t   testing.TB
	at  time.Time
	all []alert.Event
}

func start(t testing.TB) *bench {
	return &bench{Engine: alert.New(alert.Config{}), t: t, at: t0}
}

// verdict is one as the detector makes them.
func verdict(state memwatch.State, severity memwatch.Severity, functions ...string) *memwatch.Verdict {
	left := 7200.0
	v := &memwatch.Verdict{State: state, Kind: memwatch.KindNone, Severity: memwatch.SeverityNone}
	if state == memwatch.Leaking {
		v.Kind, v.Severity = memwatch.KindHeap, severity
		v.GrowthBytesPerSecond.Estimate = 1.25 * (1 << 20)
		v.LimitBytes, v.TimeToLimitSeconds = 512<<20, &left
	}
	for _, f := range functions {
		v.Culprits = append(v.Culprits, memwatch.Culprit{Function: f})
	}
	return v
}

func leaking(functions ...string) *memwatch.Verdict {
	return verdict(memwatch.Leaking, memwatch.SeverityWarning, functions...)
}

var (
	healthy  = verdict(memwatch.Healthy, "")
	suspect  = verdict(memwatch.Suspect, "")
	learning = verdict(memwatch.Learning, "")
)

// read gives the next reading of an instance, ten seconds after the last of any.
func (b *bench) read(instance string, v *memwatch.Verdict) []alert.Event {
	b.at = b.at.Add(10 * time.Second)
	return b.keep(b.Reading(alert.Reading{Service: "checkout", Instance: instance, At: b.at, Verdict: v}))
}

// repeat gives n readings that say nothing new.
func (b *bench) repeat(instance string, n int) (events []alert.Event) {
	for range n {
		events = append(events, b.read(instance, nil)...)
	}
	return events
}

func (b *bench) keep(events []alert.Event) []alert.Event {
	b.all = append(b.all, events...)
	return events
}

// one checks that there is one event and returns its alert.
func (b *bench) one(events []alert.Event, isNew bool, state memwatch.AlertState) memwatch.Alert {
	b.t.Helper()
	if len(events) != 1 || events[0].New != isNew || events[0].Alert.State != state {
		b.t.Fatalf("events %+v: want one, new %v, %s", events, isNew, state)
	}
	return events[0].Alert
}

func (b *bench) none(events []alert.Event) {
	b.t.Helper()
	if len(events) != 0 {
		b.t.Fatalf("events %+v: want none", events)
	}
}

const (
	fires    = memwatch.AlertFiring
	resolved = memwatch.AlertResolved
)

func TestALeakFiresOnceAndTellsWhatMatters(t *testing.T) {
	b := start(t)
	b.none(b.read("a", healthy))
	b.none(b.read("a", suspect))
	a := b.one(b.read("a", leaking("main.put")), true, fires)
	if a.Type != memwatch.AlertLeak || a.Service != "checkout" || !slices.Equal(a.Instances, []string{"a"}) || a.Kind != memwatch.KindHeap ||
		a.Severity != memwatch.SeverityWarning || a.Time != memwatch.Milli(b.at) || a.Verdict == nil || a.ID == "" || a.Fingerprint == "" {
		t.Errorf("%+v", a)
	}
	if want := "checkout leaks heap memory in main.put on a: +1.2 MiB/s, at its limit of 512 MiB in 2 h"; a.Message != want {
		t.Errorf("message %q, want %q", a.Message, want)
	}
	b.none(b.repeat("a", 100))
	b.none(b.Reading(alert.Reading{Service: "checkout", Instance: "a", At: b.at, Verdict: leaking("main.other")}))
}

func TestNumbersAloneAreToldNowAndThen(t *testing.T) {
	b := start(t)
	first := b.one(b.read("a", leaking("main.put")), true, fires)
	var events []alert.Event
	for range 60 {
		events = append(events, b.read("a", leaking("main.put"))...)
	}
	if len(events) != 10 {
		t.Errorf("%d updates in ten minutes, want one a minute", len(events))
	}
	for _, e := range events {
		if e.New || e.Alert.ID != first.ID || e.Alert.Time != first.Time || e.Alert.UpdatedAt <= first.UpdatedAt {
			t.Errorf("%+v", e)
		}
	}
	if a := b.one(b.read("a", verdict(memwatch.Leaking, memwatch.SeverityCritical, "main.put")), false, fires); a.Severity != memwatch.SeverityCritical {
		t.Errorf("a severity that rises is told at once: %+v", a)
	}
}

func TestReplicasOfOneLeakAreOneAlert(t *testing.T) {
	b := start(t)
	var id string
	for i := range 50 {
		a := b.one(b.read(fmt.Sprintf("pod-%02d", i), leaking("main.put", fmt.Sprintf("main.x%d", i))), i == 0, fires)
		if id == "" {
			id = a.ID
		}
		if a.ID != id || len(a.Instances) != i+1 || !slices.IsSorted(a.Instances) {
			t.Fatalf("%+v", a)
		}
	}
	if a := b.one(b.read("other", leaking("main.elsewhere")), true, fires); a.ID == id {
		t.Error("another culprit is another alert")
	}
}

func TestAnAlertResolvesWhenAllItsInstancesHaveBeenHealthyForAWhile(t *testing.T) {
	b := start(t)
	b.read("a", leaking("main.put"))
	b.read("b", leaking("main.put"))
	b.none(b.read("a", healthy))
	b.none(b.repeat("a", 200))
	b.none(b.read("b", healthy))
	b.none(b.repeat("b", 58))
	a := b.one(b.repeat("b", 1), false, resolved)
	if want := "checkout no longer leaks heap memory in main.put: healthy for 590 s"; a.Message != "checkout no longer leaks heap memory in main.put: healthy for 10 min" && a.Message != want {
		t.Errorf("message %q", a.Message)
	}
	if a.ResolvedAt != memwatch.Milli(b.at) || a.Severity != memwatch.SeverityWarning || len(a.Instances) != 2 {
		t.Errorf("%+v", a)
	}
	b.none(b.repeat("b", 100))
	if again := b.one(b.read("a", leaking("main.put")), true, fires); again.ID == a.ID {
		t.Error("a leak after the end is another alert")
	}
}

func TestHealthyReadingsFarApartResolveByTime(t *testing.T) {
	b := start(t)
	b.read("a", leaking("main.put"))
	b.none(b.read("a", healthy))
	b.at = b.at.Add(10 * time.Minute)
	b.one(b.read("a", nil), false, resolved)
}

func TestARestartAloneDoesNotResolve(t *testing.T) {
	b := start(t)
	b.read("a", leaking("main.put"))
	b.none(b.read("a", learning))
	b.none(b.repeat("a", 500))
	b.none(b.read("a", suspect))
	b.none(b.repeat("a", 500))
	b.none(b.read("a", healthy))
	b.none(b.repeat("a", 58))
	b.none(b.read("a", suspect)) // the count begins anew
	b.none(b.read("a", healthy))
	b.none(b.repeat("a", 58))
	b.one(b.repeat("a", 1), false, resolved)
}

func TestAFlappingLeakStaysOneAlert(t *testing.T) {
	b := start(t)
	id := b.one(b.read("a", leaking("main.put")), true, fires).ID
	for range 20 {
		b.none(b.read("a", healthy))
		b.none(b.repeat("a", 50))
		if a := b.one(b.read("a", leaking("main.put")), false, fires); a.ID != id {
			t.Fatal("another alert")
		}
	}
}

func TestCulpritsMayComeLateAndChangePlaces(t *testing.T) {
	b := start(t)
	first := b.one(b.read("a", leaking()), true, fires)
	if want := "checkout leaks heap memory on a: +1.2 MiB/s, at its limit of 512 MiB in 2 h"; first.Message != want {
		t.Errorf("message %q", first.Message)
	}
	named := b.one(b.read("a", leaking("main.put")), false, fires)
	if named.ID != first.ID || named.Fingerprint == first.Fingerprint {
		t.Errorf("the alert takes the culprit: %+v", named)
	}
	b.none(b.read("a", leaking("main.get", "main.put")))
	b.none(b.read("a", leaking()))
	if a := b.one(b.read("b", leaking("main.get", "main.put")), false, fires); a.ID != first.ID {
		t.Error("a replica with the same culprits in another order is another alert")
	}
	if a := b.one(b.read("c", leaking()), false, fires); a.ID != first.ID {
		t.Error("a replica without culprit is another alert")
	}
	if len(b.Open()) != 1 {
		t.Errorf("%d open", len(b.Open()))
	}
}

func TestAnInstanceAloneTakesItsAlertToANewCulprit(t *testing.T) {
	b := start(t)
	first := b.one(b.read("a", leaking("main.put")), true, fires)
	if a := b.one(b.read("a", leaking("main.get")), false, fires); a.ID != first.ID || a.Fingerprint == first.Fingerprint {
		t.Errorf("%+v", a)
	}
}

func TestALeakWithoutCulpritJoinsTheAlertOfItsCulprit(t *testing.T) {
	b := start(t)
	named := b.one(b.read("a", leaking("main.put")), true, fires)
	b.one(b.read("b", verdict(memwatch.Leaking, memwatch.SeverityInfo, "main.get")), true, fires)
	blank := leaking("main.put")
	blank.Kind = memwatch.KindGoroutine
	b.one(b.read("c", blank), true, fires) // another kind
	if a := b.one(b.read("d", leaking()), false, fires); a.ID != named.ID {
		t.Errorf("it joins the oldest of its kind: %+v", a)
	}
	if len(b.Open()) != 3 {
		t.Errorf("%d open", len(b.Open()))
	}
}

func TestTheOriginalAgentsFlagMakesAnAlert(t *testing.T) {
	b := start(t)
	flag := func(leak bool) []alert.Event {
		b.at = b.at.Add(10 * time.Second)
		return b.keep(b.Reading(alert.Reading{Service: "node", Instance: "node", At: b.at, Legacy: true, LeakDetected: leak, HeapUsedMB: 300, MemoryGrowthMB: 64}))
	}
	b.none(flag(false))
	a := b.one(flag(true), true, fires)
	if a.Kind != memwatch.KindHeap || a.Severity != memwatch.SeverityWarning || a.HeapUsedMB != 300 || a.MemoryGrowthMB != 64 || a.Verdict != nil {
		t.Errorf("%+v", a)
	}
	if want := "node leaks heap memory on node: +64 MiB"; a.Message != want {
		t.Errorf("message %q", a.Message)
	}
	for range 59 {
		b.none(flag(false))
	}
	b.one(flag(false), false, resolved)
}

func TestTheWorstInstanceSpeaksForTheAlert(t *testing.T) {
	b := start(t)
	b.read("a", verdict(memwatch.Leaking, memwatch.SeverityInfo, "main.put"))
	b.read("b", verdict(memwatch.Leaking, memwatch.SeverityCritical, "main.put"))
	b.none(b.read("a", verdict(memwatch.Leaking, memwatch.SeverityWarning, "main.put")))
	if a := b.one(b.read("b", healthy), false, fires); a.Severity != memwatch.SeverityWarning {
		t.Errorf("severity %s when the critical one is healthy, want the other's", a.Severity)
	}
}

func TestEvidenceIsToldAndNamedByTheAlert(t *testing.T) {
	b := start(t)
	c := func(id string, role memwatch.Role, base string) memwatch.Capture {
		return memwatch.Capture{ID: id, Service: "checkout", Instance: "a", Kind: memwatch.HeapProfile, Role: role, Time: memwatch.Milli(b.at), Filename: id + ".pb.gz", BaseID: base}
	}
	b.none(b.keep(b.Capture(c("old", memwatch.RoleBaseline, ""))))
	b.none(b.keep(b.Capture(c("base", memwatch.RoleBaseline, ""))))
	snap := b.one(b.keep(b.Capture(c("one", memwatch.RoleSuspect, "base"))), true, resolved)
	if snap.Type != memwatch.AlertSnapshot || snap.Severity != memwatch.SeverityInfo || snap.Filename != "one.pb.gz" || snap.Message != "Heap profile of checkout/a saved: one.pb.gz" {
		t.Errorf("%+v", snap)
	}
	b.none(b.keep(b.Capture(c("one", memwatch.RoleSuspect, "base"))))
	if a := b.one(b.read("a", leaking("main.put")), true, fires); !slices.Equal(a.Profiles, []string{"base", "one"}) {
		t.Errorf("profiles %v", a.Profiles)
	}
	events := b.keep(b.Capture(c("two", memwatch.RoleLeaking, "base")))
	if len(events) != 2 || events[0].Alert.Type != memwatch.AlertSnapshot || !slices.Equal(events[1].Alert.Profiles, []string{"base", "one", "two"}) {
		t.Errorf("%+v", events)
	}
	b.none(b.keep(b.Capture(c("mine", memwatch.RoleUpload, ""))))
	v0 := b.one(b.Snapshot("node", "", "heap.heapsnapshot", b.at), true, resolved)
	if v0.Message != "Heap profile of node saved: heap.heapsnapshot" || len(v0.Profiles) != 0 {
		t.Errorf("%+v", v0)
	}
	b.none(b.Snapshot("node", "", "heap.heapsnapshot", b.at))
}

// away and back tell an instance's connection.
func (b *bench) away(instance, reason string) []alert.Event {
	return b.keep(b.Status(alert.Status{Service: "checkout", Instance: instance, At: b.at, Reason: reason}))
}

func (b *bench) back(instance string) []alert.Event {
	return b.keep(b.Status(alert.Status{Service: "checkout", Instance: instance, At: b.at, Connected: true}))
}

func (b *bench) tick(d time.Duration) []alert.Event {
	b.at = b.at.Add(d)
	return b.keep(b.Tick(b.at))
}

func TestAShortAbsenceIsNoAlert(t *testing.T) {
	b := start(t)
	b.none(b.back("a"))
	b.none(b.away("a", ""))
	b.none(b.tick(59 * time.Second))
	b.none(b.back("a"))
	b.none(b.tick(time.Hour))
}

func TestADisconnectFiresOnceAndResolvesWhenAllAreBack(t *testing.T) {
	b := start(t)
	for _, in := range []string{"a", "b", "c"} {
		b.back(in)
	}
	b.away("b", "")
	b.away("a", "connection refused")
	a := b.one(b.tick(time.Minute), true, fires)
	if a.Type != memwatch.AlertDisconnect || a.Severity != memwatch.SeverityInfo || !slices.Equal(a.Instances, []string{"a", "b"}) {
		t.Errorf("%+v", a)
	}
	if want := "checkout: 2 of 3 instances are not heard of (a, b): connection refused"; a.Message != want {
		t.Errorf("message %q, want %q", a.Message, want)
	}
	b.none(b.away("a", "connection refused"))
	b.none(b.tick(time.Minute))
	b.away("c", "")
	if a := b.one(b.tick(time.Minute), false, fires); a.Severity != memwatch.SeverityWarning || len(a.Instances) != 3 {
		t.Errorf("none is left: %+v", a)
	}
	if a := b.one(b.back("c"), false, fires); a.Severity != memwatch.SeverityInfo {
		t.Errorf("one is back: %+v", a)
	}
	b.one(b.back("a"), false, fires)
	b.none(b.back("a"))
	end := b.one(b.back("b"), false, resolved)
	if end.ID != a.ID || end.Message != "checkout: its instances are heard of again" {
		t.Errorf("%+v", end)
	}
}

func TestAnAgentThatIsBackAndCannotReadItsTargetEndsNoDisconnect(t *testing.T) {
	b := start(t)
	b.away("a", "connection refused")
	a := b.one(b.tick(time.Minute), true, fires)
	b.none(b.keep(b.Status(alert.Status{Service: "checkout", Instance: "a", At: b.at, Connected: true, Unread: true})))
	told := b.one(b.away("a", "found status 401"), false, fires)
	if told.ID != a.ID || !strings.Contains(told.Message, "401") {
		t.Errorf("%+v: want the same alert with the new reason", told)
	}
	b.none(b.tick(time.Hour))
	if end := b.one(b.back("a"), false, resolved); end.ID != a.ID {
		t.Errorf("%+v", end)
	}
}

func TestReplacedInstancesAreForgotten(t *testing.T) {
	b := start(t)
	b.back("old")
	b.back("new")
	leak := b.one(b.read("old", leaking("main.put")), true, fires)
	b.away("old", "")
	b.one(b.tick(time.Minute), true, fires)
	events := b.tick(time.Hour)
	if len(events) != 2 || events[0].Alert.ID != leak.ID {
		t.Fatalf("%+v", events)
	}
	for _, e := range events {
		if e.Alert.State != resolved {
			t.Errorf("%+v", e.Alert)
		}
	}
	if want := "checkout no longer leaks heap memory in main.put: its instances are gone for good"; events[0].Alert.Message != want {
		t.Errorf("message %q", events[0].Alert.Message)
	}
}

func TestAnOutageDoesNotResolveALeak(t *testing.T) {
	b := start(t)
	b.back("a")
	b.read("a", leaking("main.put"))
	b.away("a", "")
	b.one(b.tick(time.Minute), true, fires)
	b.none(b.tick(20 * time.Hour))
	b.one(b.back("a"), false, resolved)
	b.none(b.read("a", nil))
	if len(b.Open()) != 1 {
		t.Errorf("open: %+v", b.Open())
	}
}

func TestAnInstanceThatIsForgottenHoldsNoAlertOpen(t *testing.T) {
	b := start(t)
	b.read("a", leaking("main.put"))
	b.read("b", leaking("main.put"))
	b.none(b.Forget("checkout", "a", b.at))
	b.none(b.Forget("checkout", "a", b.at))
	b.none(b.Forget("nobody", "a", b.at))
	b.one(b.Forget("checkout", "b", b.at), false, resolved)
}

func TestABlankAlertEndsWhenItsLeakIsKnownToBeAnothers(t *testing.T) {
	b := start(t)
	blank := b.one(b.read("a", leaking()), true, fires)
	// Two hubs' alerts come together here: one alone would not have fired the second.
	b.Restore([]memwatch.Alert{{
		ID: "named", Type: memwatch.AlertLeak, State: fires, Service: "checkout", Kind: memwatch.KindHeap,
		Culprit: "main.put", Instances: []string{"b"}, Severity: memwatch.SeverityWarning,
	}})
	events := b.read("a", leaking("main.put"))
	if len(events) != 2 || events[0].Alert.ID != blank.ID || events[0].Alert.State != resolved || events[1].Alert.ID != "named" || len(events[1].Alert.Instances) != 2 {
		t.Fatalf("%+v", events)
	}
	if want := "checkout leaks heap memory in main.put: another alert tells it"; events[0].Alert.Message != want {
		t.Errorf("message %q", events[0].Alert.Message)
	}
}

// TestARestartOfTheHubDoublesNothing restores at every point of a long story
// and sends everything again.
func TestARestartOfTheHubDoublesNothing(t *testing.T) {
	b := start(t)
	verdicts := map[string]*memwatch.Verdict{}
	ats := map[string]time.Time{}
	step := func(in string, v *memwatch.Verdict) {
		b.read(in, v)
		if v != nil {
			verdicts[in], ats[in] = v, b.at
		}
		next := alert.New(alert.Config{})
		next.Restore(b.Open())
		for name, v := range verdicts {
			next.RestoreVerdict("checkout", name, ats[name], v)
		}
		for name, v := range verdicts { // all of it again
			if events := next.Reading(alert.Reading{Service: "checkout", Instance: name, At: ats[name], Verdict: v}); len(events) > 0 {
				t.Fatalf("a resend to a restarted hub: %+v", events)
			}
		}
		b.Engine = next
	}
	step("a", leaking("main.put"))
	step("b", leaking("main.get", "main.put"))
	step("b", verdict(memwatch.Leaking, memwatch.SeverityCritical, "main.put"))
	if open := b.Open(); len(open) != 1 || open[0].Severity != memwatch.SeverityCritical || len(open[0].Instances) != 2 {
		t.Fatalf("%+v", open)
	}
	step("a", learning)
	step("a", healthy)
	step("b", healthy)
	b.repeat("a", 60)
	b.one(b.repeat("b", 60), false, resolved)
	created := 0
	for _, e := range b.all {
		if e.New {
			created++
		}
	}
	if created != 1 {
		t.Errorf("%d alerts", created)
	}
}

// TestWhateverHappens checks what must hold of any story.
func TestWhateverHappens(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := alert.New(alert.Config{HealthyReadings: 3, HealthyFor: time.Hour})
		at := t0
		open := map[string]memwatch.Alert{}
		ever := map[string]bool{}
		functions := []string{"f", "g", "h"}
		for range rapid.IntRange(1, 80).Draw(t, "steps") {
			at = at.Add(time.Duration(rapid.IntRange(1, 600).Draw(t, "seconds")) * time.Second)
			service := rapid.SampledFrom([]string{"s", "t"}).Draw(t, "service")
			instance := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "instance")
			var events []alert.Event
			switch rapid.IntRange(0, 9).Draw(t, "what") {
			case 0:
				events = e.Status(alert.Status{Service: service, Instance: instance, At: at, Connected: rapid.Bool().Draw(t, "connected")})
			case 1:
				events = e.Tick(at)
			case 2:
				events = e.Capture(memwatch.Capture{ID: fmt.Sprint(at.Unix()), Service: service, Instance: instance, Role: memwatch.RoleLeaking, Time: memwatch.Milli(at)})
			case 3:
				e = restored(e)
			case 4:
				events = e.Reading(alert.Reading{Service: service, Instance: instance, At: at})
			default:
				v := verdict(rapid.SampledFrom([]memwatch.State{memwatch.Healthy, memwatch.Suspect, memwatch.Learning, memwatch.Leaking, memwatch.Leaking, memwatch.Leaking}).Draw(t, "state"),
					rapid.SampledFrom([]memwatch.Severity{memwatch.SeverityInfo, memwatch.SeverityCritical}).Draw(t, "severity"),
					rapid.SliceOfDistinct(rapid.SampledFrom(functions), rapid.ID).Draw(t, "functions")...)
				events = e.Reading(alert.Reading{Service: service, Instance: instance, At: at, Verdict: v})
			}
			for _, ev := range events {
				a := ev.Alert
				_, was := open[a.ID]
				if a.Type == memwatch.AlertSnapshot {
					continue
				}
				if ev.New == was || ev.New && ever[a.ID] {
					t.Fatalf("new %v, open before %v, ever %v: %+v", ev.New, was, ever[a.ID], a)
				}
				ever[a.ID] = true
				if open[a.ID] = a; a.State == resolved {
					delete(open, a.ID)
				}
				if a.Message == "" || len(a.Instances) == 0 || a.Severity.Rank() == 0 {
					t.Fatalf("%+v", a)
				}
			}
			same(t, open, e.Open())
		}
	})
}

func restored(e *alert.Engine) *alert.Engine {
	next := alert.New(alert.Config{HealthyReadings: 3, HealthyFor: time.Hour})
	next.Restore(e.Open())
	return next
}

// same checks that the events told which alerts are open, and that no two are
// of one leak.
func same(t *rapid.T, told map[string]memwatch.Alert, open []memwatch.Alert) {
	prints := map[string]bool{}
	for _, a := range open {
		if _, ok := told[a.ID]; !ok {
			t.Fatalf("open and never told: %+v", a)
		}
		if prints[a.Fingerprint] {
			t.Fatalf("two open alerts of one leak: %+v", open)
		}
		prints[a.Fingerprint] = true
	}
	if len(told) != len(open) {
		t.Fatalf("told as open %d, open %d", len(told), len(open))
	}
}

func TestConfigIsChecked(t *testing.T) {
	for want, cfg := range map[string]alert.Config{
		"alert: HealthyFor is -1s: want 0 (the default) or more":       {HealthyFor: -time.Second},
		"alert: HealthyReadings is negative: want 0 (60) or more":      {HealthyReadings: -1},
		"alert: DisconnectAfter is -1ns: want 0 (the default) or more": {DisconnectAfter: -1},
	} {
		if err := cfg.Validate(); err == nil || err.Error() != want {
			t.Errorf("%v, want %q", err, want)
		}
	}
}
