package alert_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/zupee/memwatch"
	"github.com/zupee/memwatch/hub/alert"
)

// decide does what ann wants, until so long from now when that is not 0.
func (b *bench) decide(id string, action memwatch.Action, hold time.Duration) []alert.Event {
	b.t.Helper()
	d := memwatch.Decision{Alert: id, Action: action, Who: "ann", Why: "ticket 7"}
	if hold != 0 {
		d.Until = memwatch.Milli(b.at.Add(hold))
	}
	events, err := b.Decide(d, b.at)
	if err != nil {
		b.t.Fatal(err)
	}
	return b.keep(events)
}

// log is the whole log of an alert.
func (b *bench) log(id string) (actions []memwatch.Action) {
	for _, e := range b.all {
		for _, l := range e.Log {
			if e.Alert.ID == id {
				actions = append(actions, l.Action)
			}
		}
	}
	return actions
}

func growing(bytesPerSecond float64) *memwatch.Verdict {
	v := leaking("main.put")
	v.GrowthBytesPerSecond.Estimate = bytesPerSecond
	return v
}

func TestEveryTransitionIsLoggedWithWhoAndWhy(t *testing.T) {
	b := start(t)
	a := b.one(b.read("a", verdict(memwatch.Leaking, memwatch.SeverityInfo)), true, fires)
	b.read("a", verdict(memwatch.Leaking, memwatch.SeverityInfo, "main.put"))
	b.read("b", leaking("main.put"))
	b.decide(a.ID, memwatch.ActionAcknowledge, 0)
	b.decide(a.ID, memwatch.ActionLift, 0)
	b.read("b", healthy)
	b.decide(a.ID, memwatch.ActionResolve, 0)
	want := []memwatch.Action{
		memwatch.ActionFire, memwatch.ActionRename, memwatch.ActionJoin, memwatch.ActionWorsen, memwatch.ActionAcknowledge,
		memwatch.ActionLift, memwatch.ActionEase, memwatch.ActionResolve,
	}
	if got := b.log(a.ID); !slices.Equal(got, want) {
		t.Errorf("log %v, want %v", got, want)
	}
	for _, e := range b.all {
		for _, l := range e.Log {
			if l.Who == "" || l.Why == "" || l.Time == 0 || l.State == "" {
				t.Errorf("%+v", l)
			}
		}
	}
	last := b.all[len(b.all)-1].Log[0]
	if last.Who != "ann" || last.Why != "checkout no longer leaks heap memory in main.put: resolved by ann: ticket 7" || last.State != resolved {
		t.Errorf("%+v", last)
	}
}

func TestAnAcknowledgementLastsAsLongAsItsAlert(t *testing.T) {
	b := start(t)
	a := b.one(b.read("a", leaking("main.put")), true, fires)
	if a = b.one(b.decide(a.ID, memwatch.ActionAcknowledge, 0), false, fires); a.Acknowledged == nil || a.Acknowledged.Who != "ann" || a.Acknowledged.Why != "ticket 7" {
		t.Errorf("%+v", a.Acknowledged)
	}
	if a = b.one(b.read("b", leaking("main.put")), false, fires); a.Acknowledged == nil {
		t.Error("it is lost when an instance joins")
	}
	b.read("a", healthy)
	b.read("b", healthy)
	b.repeat("a", 60)
	if a = b.one(b.repeat("b", 60), false, resolved); a.Acknowledged != nil {
		t.Error("it outlives its alert")
	}
}

func TestASilenceEndsInTimeAndOutlivesItsAlert(t *testing.T) {
	b := start(t)
	a := b.one(b.read("a", leaking("main.put")), true, fires)
	b.one(b.decide(a.ID, memwatch.ActionSilence, 2*time.Hour), false, fires)
	b.read("a", healthy)
	a = b.one(b.repeat("a", 60), false, resolved)
	next := alert.New(alert.Config{}) // a restart in between
	next.RestoreMarks([]memwatch.Alert{a})
	b.Engine = next
	if a = b.one(b.read("a", leaking("main.put")), true, fires); a.Silenced == nil || a.Silenced.Who != "ann" {
		t.Fatalf("the leak is back and no longer silenced: %+v", a)
	}
	b.none(b.tick(time.Hour))
	if a = b.one(b.tick(time.Hour), false, fires); a.Silenced != nil {
		t.Errorf("still silenced: %+v", a.Silenced)
	}
	if log := b.all[len(b.all)-1].Log; len(log) != 1 || log[0].Action != memwatch.ActionExpire || log[0].Why != "the silence by ann is over" {
		t.Errorf("%+v", log)
	}
	b.none(b.tick(time.Hour))
}

func TestAnotherLeakIsNotSilencedAlong(t *testing.T) {
	b := start(t)
	a := b.one(b.read("a", leaking("main.put")), true, fires)
	b.decide(a.ID, memwatch.ActionSilence, time.Hour)
	if other := b.one(b.read("b", leaking("main.get")), true, fires); other.Silenced != nil {
		t.Errorf("%+v", other)
	}
}

func TestExpectedGrowthIsResumedWhenItSpeedsUp(t *testing.T) {
	b := start(t)
	a := b.one(b.read("a", growing(100<<10)), true, fires)
	if a = b.one(b.decide(a.ID, memwatch.ActionExpect, 24*time.Hour), false, fires); a.Expected.GrowthBytesPerSecond != 100<<10 {
		t.Errorf("%+v", a.Expected)
	}
	b.none(b.read("a", growing(140<<10)))
	a = b.one(b.read("a", growing(200<<10)), false, fires)
	if a.Expected != nil {
		t.Error("twice as fast, and still expected")
	}
	log := b.all[len(b.all)-1].Log
	if len(log) != 1 || log[0].Action != memwatch.ActionResume || log[0].Why != "it grows by 200 KiB/s; ann expected 100 KiB/s" {
		t.Errorf("%+v", log)
	}
	b.decide(a.ID, memwatch.ActionExpect, time.Hour)
	if a = b.one(b.tick(time.Hour), false, fires); a.Expected != nil {
		t.Error("an expectation ends in time")
	}
}

func TestAResolvedLeakHasTimeToBeFixed(t *testing.T) {
	b := start(t)
	a := b.one(b.read("a", leaking("main.put")), true, fires)
	a = b.one(b.decide(a.ID, memwatch.ActionResolve, 0), false, resolved)
	if a.Message != "checkout no longer leaks heap memory in main.put: resolved by ann: ticket 7" || a.Dismissed == nil {
		t.Errorf("%+v", a)
	}
	b.none(b.read("a", leaking("main.put")))
	next := alert.New(alert.Config{})
	next.RestoreMarks([]memwatch.Alert{a})
	b.Engine = next
	b.none(b.read("a", leaking("main.put")))
	b.at = b.at.Add(10 * time.Minute)
	if again := b.one(b.read("a", leaking("main.put")), true, fires); again.ID == a.ID {
		t.Error("a leak after the end is another alert")
	}
}

func TestBadDecisionsAreRefusedByName(t *testing.T) {
	b := start(t)
	a := b.one(b.read("a", leaking("main.put")), true, fires)
	b.back("x")
	b.away("x", "")
	gone := b.one(b.tick(time.Minute), true, fires)
	in := func(d time.Duration) memwatch.UnixMilli { return memwatch.Milli(b.at.Add(d)) }
	for want, d := range map[string]memwatch.Decision{
		`who: "" is not allowed: want at most 200 characters of text, without line breaks`: {Alert: a.ID, Action: memwatch.ActionResolve},
		`who: "a\nb" is not allowed`: {Alert: a.ID, Action: memwatch.ActionResolve, Who: "a\nb"},
		`why: "xxx`:                  {Alert: a.ID, Action: memwatch.ActionResolve, Who: "ann", Why: strings.Repeat("x", 1001)},
		`until: "" is not allowed: want a time in the future, at most 366 days ahead`: {Alert: a.ID, Action: memwatch.ActionSilence, Who: "ann"},
		`until: "2026-11-2`: {Alert: a.ID, Action: memwatch.ActionExpect, Who: "ann", Until: in(-time.Second)},
		`until: "2027-11-2`: {Alert: a.ID, Action: memwatch.ActionExpect, Who: "ann", Until: in(367 * 24 * time.Hour)},
		`want nothing: only silence and expect end at a time`:                                  {Alert: a.ID, Action: memwatch.ActionResolve, Who: "ann", Until: in(time.Hour)},
		`action: "explode" is not allowed: want acknowledge, silence, expect, lift or resolve`: {Alert: a.ID, Action: "explode", Who: "ann"},
		`only a leak's growth can be expected`:                                                 {Alert: gone.ID, Action: memwatch.ActionExpect, Who: "ann", Until: in(time.Hour)},
	} {
		events, err := b.Decide(d, b.at)
		var refusal *alert.Refusal
		if !errors.As(err, &refusal) || !strings.Contains(err.Error(), want) || len(events) != 0 {
			t.Errorf("%v, want a refusal with %q", err, want)
		}
	}
	if _, err := b.Decide(memwatch.Decision{Alert: "no such", Action: memwatch.ActionResolve, Who: "ann"}, b.at); !errors.Is(err, alert.ErrNotOpen) {
		t.Errorf("%v", err)
	}
}

func TestAResolvedDisconnectIsToldAgainOnlyForANewAbsence(t *testing.T) {
	b := start(t)
	b.back("a")
	b.back("b")
	b.away("a", "")
	a := b.one(b.tick(time.Minute), true, fires)
	b.decide(a.ID, memwatch.ActionResolve, 0)
	b.none(b.tick(30 * time.Minute))
	b.away("b", "")
	if again := b.one(b.tick(time.Minute), true, fires); again.ID == a.ID || len(again.Instances) != 1 || again.Instances[0] != "b" {
		t.Errorf("%+v", again)
	}
	b.one(b.back("a"), false, fires)
	b.away("a", "")
	b.one(b.tick(time.Minute), false, fires)
}

func TestASilencedDisconnectStaysSilencedWhenItComesBack(t *testing.T) {
	b := start(t)
	b.back("a")
	b.away("a", "")
	a := b.one(b.tick(time.Minute), true, fires)
	b.decide(a.ID, memwatch.ActionSilence, time.Hour)
	b.one(b.back("a"), false, resolved)
	b.away("a", "")
	if a = b.one(b.tick(time.Minute), true, fires); a.Silenced == nil {
		t.Errorf("%+v", a)
	}
}
