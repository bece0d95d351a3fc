package agent

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/zupee/memwatch"
)

func verdict(state memwatch.State, rate float64, culprits ...string) *memwatch.Verdict {
	v := &memwatch.Verdict{State: state, Kind: memwatch.KindHeap, GrowthBytesPerSecond: memwatch.Interval{Estimate: rate}}
	for _, c := range culprits {
		v.Culprits = append(v.Culprits, memwatch.Culprit{Function: c})
	}
	return v
}

func TestAVerdictIsToldWhenItChangesOrAfterAMinute(t *testing.T) {
	var n news
	at := func(seconds int) time.Time { return start.Add(time.Duration(seconds) * time.Second) }
	for _, c := range []struct {
		name string
		v    *memwatch.Verdict
		at   int
		want bool
	}{
		{"the first", verdict(memwatch.Learning, 0), 0, true},
		{"the same", verdict(memwatch.Learning, 0), 1, false},
		{"another state", verdict(memwatch.Leaking, 100), 2, true},
		{"a rate that wobbles", verdict(memwatch.Leaking, 110), 3, false},
		{"a rate that doubled", verdict(memwatch.Leaking, 220), 4, true},
		{"a culprit", verdict(memwatch.Leaking, 220, "main.a"), 5, true},
		{"another culprit", verdict(memwatch.Leaking, 220, "main.b"), 6, true},
		{"the same again", verdict(memwatch.Leaking, 220, "main.b"), 65, false},
		{"the same a minute later", verdict(memwatch.Leaking, 220, "main.b"), 66, true},
	} {
		if got := n.worth(c.v, at(c.at)); got != c.want {
			t.Errorf("%s: told %v, want %v", c.name, got, c.want)
		}
	}
}

func TestHistoryCoversALongLifeInBoundedMemory(t *testing.T) {
	h := newHistory(16)
	for i := range 10_000 {
		h.add(&memwatch.Sample{Time: start.Add(time.Duration(i) * time.Second)})
	}
	got := h.readings()
	if len(got) < 8 || len(got) > 17 {
		t.Fatalf("%d readings kept, want 8 to 17", len(got))
	}
	if !got[0].Time.Equal(start) || !got[len(got)-1].Time.Equal(start.Add(9999*time.Second)) {
		t.Errorf("they go from %v to %v, want the first and the newest among them", got[0].Time, got[len(got)-1].Time)
	}
	for i := 1; i < len(got); i++ {
		if gap := got[i].Time.Sub(got[i-1].Time); gap <= 0 || gap > 2000*time.Second {
			t.Errorf("a gap of %v", gap)
		}
	}
	h.reset()
	h.add(&memwatch.Sample{Time: start})
	if len(h.readings()) != 1 {
		t.Error("a new life begins with the old one's readings")
	}
}

func TestRepeatedTroublesAreThrottledAndCounted(t *testing.T) {
	th := newThrottle(time.Minute)
	if n, ok := th.allow("a", start); !ok || n != 1 {
		t.Errorf("the first: %d, %v", n, ok)
	}
	for i := range 59 {
		if _, ok := th.allow("a", start.Add(time.Duration(i)*time.Second)); ok {
			t.Fatal("said again within the minute")
		}
	}
	if _, ok := th.allow("b", start); !ok {
		t.Error("another trouble was held back")
	}
	if n, ok := th.allow("a", start.Add(time.Minute)); !ok || n != 60 {
		t.Errorf("after a minute: %d times, %v; want 60", n, ok)
	}
}

func TestTextIsOneLineOfBoundedLength(t *testing.T) {
	got := plain("a\nb\x00" + strings.Repeat("ü", 5000) + "\xff")
	if strings.ContainsAny(got, "\n\x00") || len(got) > maxTextBytes+len("…") || !utf8.ValidString(got) {
		t.Errorf("%d bytes: %.40q", len(got), got)
	}
	if plain("as it is") != "as it is" {
		t.Error("short text was changed")
	}
}

func TestTargetsStartApartAndAlwaysAlike(t *testing.T) {
	a := phase(memwatch.Target{Service: "shop", Instance: "a"}, time.Second)
	b := phase(memwatch.Target{Service: "shop", Instance: "b"}, time.Second)
	if a == b || a < 0 || a >= time.Second || a != phase(memwatch.Target{Service: "shop", Instance: "a"}, time.Second) {
		t.Errorf("phases %v and %v", a, b)
	}
}

func TestLabelsAreEscaped(t *testing.T) {
	if got, want := labels("a", "x\"y\\z\n", "b", "ü"), `a="x\"y\\z\n",b="ü"`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
