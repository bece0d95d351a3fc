package live

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var zero = time.Unix(1_000_000, 0)

func all(*event) bool { return true }

func seqs(events []*event) string {
	var b strings.Builder
	for _, e := range events {
		fmt.Fprintf(&b, "%d ", e.seq)
	}
	return strings.TrimSpace(b.String())
}

func reading(seq uint64, instance string, verdict bool) *event {
	return &event{seq: seq, at: zero, key: key{"s", instance, verdict}, json: []byte("{}")}
}

func other(seq uint64, at time.Time) *event { return &event{seq: seq, at: at, json: []byte("{}")} }

func TestNewestReadingReplacesOlderOnes(t *testing.T) {
	l := newLog()
	l.add(reading(1, "a", false))
	l.add(reading(2, "b", false))
	l.add(other(3, zero))
	l.add(reading(4, "a", false))
	got, next, ok := l.since(0, all, nil)
	if seqs(got) != "2 3 4" || next != 4 || !ok {
		t.Errorf("since 0 = %s, %d, %t; want 2 3 4", seqs(got), next, ok)
	}
	if got, _, _ := l.since(3, all, nil); seqs(got) != "4" {
		t.Errorf("since 3 = %s; want 4", seqs(got))
	}
	if got, next, _ := l.since(4, all, nil); len(got) != 0 || next != 4 {
		t.Errorf("since 4 = %s, %d; want nothing", seqs(got), next)
	}
}

func TestVerdictIsReplacedByAVerdictOnly(t *testing.T) {
	l := newLog()
	l.add(reading(1, "a", true))
	l.add(reading(2, "a", false))
	l.add(reading(3, "a", false))
	if got, _, _ := l.since(0, all, nil); seqs(got) != "1 3" {
		t.Errorf("since 0 = %s; want the verdict and the newest reading", seqs(got))
	}
	l.add(reading(4, "a", true))
	if got, _, _ := l.since(0, all, nil); seqs(got) != "4" {
		t.Errorf("since 0 = %s; want the new verdict alone", seqs(got))
	}
}

func TestWhoMissedSomethingIsTold(t *testing.T) {
	l := newLog()
	l.add(other(1, zero))
	l.add(other(2, zero.Add(keep)))
	l.add(other(3, zero.Add(keep+time.Second)))
	if _, _, ok := l.since(0, all, nil); ok {
		t.Error("event 1 is too old, and its loss went unnoticed")
	}
	if got, _, ok := l.since(1, all, nil); !ok || seqs(got) != "2 3" {
		t.Errorf("since 1 = %s, %t; want 2 3", seqs(got), ok)
	}
	l = newLog()
	for i := range uint64(maxAlerts + 10) {
		l.add(other(i+1, zero))
	}
	if l.others != maxAlerts || l.lost != 10 {
		t.Errorf("%d events kept, lost up to %d; want %d and 10", l.others, l.lost, maxAlerts)
	}
}

func TestFramesAreBounded(t *testing.T) {
	l := newLog()
	big := []byte(strings.Repeat("x", maxFrameBytes/3))
	for i := range uint64(5) {
		e := reading(i+1, fmt.Sprint(i), false)
		e.json = big
		l.add(e)
	}
	got, next, ok := l.since(0, all, nil)
	if seqs(got) != "1 2" || next != 2 || !ok {
		t.Errorf("first frame = %s, %d, %t; want 1 2", seqs(got), next, ok)
	}
	if got, next, _ = l.since(next, all, nil); seqs(got) != "3 4" || next != 4 {
		t.Errorf("second frame = %s, %d; want 3 4", seqs(got), next)
	}
	huge := other(6, zero)
	huge.json = make([]byte, 2*maxFrameBytes)
	l.add(huge)
	if got, _, _ = l.since(5, all, nil); seqs(got) != "6" {
		t.Errorf("a frame of one event above the bound = %s; want 6", seqs(got))
	}
}

func TestUnwantedEventsArePassedOver(t *testing.T) {
	l := newLog()
	l.add(reading(1, "a", false))
	l.add(other(2, zero))
	l.add(reading(3, "b", false))
	none := func(e *event) bool { return !e.reading() }
	if got, next, ok := l.since(0, none, nil); seqs(got) != "2" || next != 3 || !ok {
		t.Errorf("since 0 = %s, %d, %t; want 2, and to be at 3", seqs(got), next, ok)
	}
}
