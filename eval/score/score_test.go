package score

import (
	"math"
	"testing"

	"github.com/zupee/memwatch"
)

func near(a, b float64) bool { return math.Abs(a-b) < 5e-4 }

func TestIntervalsAgainstPublishedValues(t *testing.T) {
	if lo, hi := (Share{9, 10}).Wilson(); !near(lo, 0.5958) || !near(hi, 0.9821) {
		t.Errorf("Wilson of 9/10: %.4f–%.4f, want 0.5958–0.9821", lo, hi)
	}
	if lo, hi := (Share{0, 0}).Wilson(); lo != 0 || hi != 1 {
		t.Errorf("Wilson of nothing: %v–%v, want 0–1", lo, hi)
	}
	for _, c := range []struct {
		k        int
		low, hig float64
	}{{0, 0, 3.6889}, {1, 0.0253, 5.5716}, {3, 0.6187, 8.7673}, {10, 4.7954, 18.3904}, {100, 81.3640, 121.6272}} {
		lo, hi := Rate(c.k, 1)
		if math.Abs(lo-c.low) > 2e-3 || math.Abs(hi-c.hig) > 2e-3 {
			t.Errorf("Poisson interval of %d: %.4f–%.4f, want %.4f–%.4f", c.k, lo, hi, c.low, c.hig)
		}
	}
	if lo, hi := Rate(3, 100); !near(lo, 0.0062) || !near(hi, 0.0877) {
		t.Errorf("3 in 100: %.4f–%.4f", lo, hi)
	}
}

func TestMedian(t *testing.T) {
	if m, ok := Median([]float64{3, 1, 2}); m != 2 || !ok {
		t.Errorf("median of 1 2 3 is %v", m)
	}
	if m, _ := Median([]float64{4, 1, 2, 3}); m != 2.5 {
		t.Errorf("median of 1 2 3 4 is %v", m)
	}
	if _, ok := Median(nil); ok {
		t.Error("nothing has a median")
	}
}

// watch plays a story: one reading a minute, '.' quiet, 'A' alarm, in sound
// time; the same in lower case leaks ('-' quiet, 'a' alarm); 'u' is an alarm
// and '_' quiet in unknowable time.
func watch(story string) *Watch {
	w := &Watch{}
	for i, c := range story {
		truth := map[rune]Truth{'.': Sound, 'A': Sound, '-': Leaks, 'a': Leaks, '_': Unknowable, 'u': Unknowable}[c]
		w.Note(float64(i)*60, 60, c == 'A' || c == 'a' || c == 'u', truth, float64(i)/100)
	}
	return w
}

const half = ".............................." // 30 quiet minutes

func TestEpisodes(t *testing.T) {
	for _, c := range []struct {
		story               string
		sound, leaks, unkno int
	}{
		{"..AAA...", 1, 0, 0},
		{"..A..A..", 1, 0, 0},
		{"..A" + half + ".A", 2, 0, 0},
		{"---aaa", 0, 1, 0},
		{"AAaaaa", 1, 0, 0}, // the same alarm goes on, begun too early
		{"aaaAA", 0, 1, 0},  // outlives the leak by little
		{"aaa" + "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", 1, 1, 0},
		{"uuu...", 0, 0, 1},
		{"_uuAAA" + half + half, 0, 0, 1},
	} {
		w := watch(c.story)
		if w.Episodes != [3]int{c.sound, c.leaks, c.unkno} {
			t.Errorf("%s: episodes %v, want %d sound, %d leaks, %d unknowable", c.story, w.Episodes, c.sound, c.leaks, c.unkno)
		}
	}
}

func TestFirstAlarmOnTheLeakIsKept(t *testing.T) {
	w := watch("A...--aa")
	if !w.Found || w.FirstAt != 360 || w.FirstUsed != 0.06 {
		t.Errorf("%+v", w)
	}
	if watch("AA..--").Found {
		t.Error("an alarm before the leak found it")
	}
}

func TestSummary(t *testing.T) {
	instance := func(leak bool, limitAt float64, story string) Instance {
		return Instance{Leak: leak, LimitAt: limitAt, Days: 2, Watches: []Watch{*watch(story)}, Culprit: []Naming{Right}, Kind: []Naming{Wrong}}
	}
	all := []Instance{
		instance(false, 0, "..AA"+half+".A"), instance(false, 0, "...."),
		instance(true, 600, "--aa"), instance(true, 120, "----a"), instance(true, 0, "----"),
	}
	s := Sum(all, 0, func(*Instance) bool { return true })
	if s.False != 2 || s.HealthyDays != 4 || s.Hit != (Share{1, 2}) || s.FalseHours != 0.05 {
		t.Errorf("healthy: %+v", s)
	}
	if s.Recall != (Share{1, 3}) || len(s.Used) != 1 || s.Used[0] != 0.02 {
		t.Errorf("leaks: %+v; an alarm after the limit is too late", s)
	}
	if s.Culprit != (Share{3, 3}) || s.Kind != (Share{0, 3}) {
		t.Errorf("names: %+v %+v", s.Culprit, s.Kind)
	}
}

func TestCorpusCountsAsItsScriptDoes(t *testing.T) {
	verdict := func(kind memwatch.Kind, names ...string) *memwatch.Verdict {
		v := &memwatch.Verdict{Kind: kind}
		for _, n := range names {
			v.Culprits = append(v.Culprits, memwatch.Culprit{Function: n, Stack: []memwatch.Frame{{Function: "leaf"}, {Function: "main.under"}}})
		}
		return v
	}
	never := Call{Suspect: -1, Alarm: -1, Late: -1}
	var c Corpus
	leak := Label{Leak: true, Kind: memwatch.KindHeap, Culprit: "main.guilty", Start: 60}
	c.Add(leak, Call{Final: true, Suspect: 70, Alarm: 100, Late: 100, Verdict: verdict(memwatch.KindHeap, "main.guilty")})
	c.Add(leak, Call{Final: true, Suspect: 30, Alarm: 40, Late: 60, Verdict: verdict(memwatch.KindGoroutine, "main.other", "main.guilty")})
	c.Add(leak, Call{Suspect: 70, Alarm: 100, Late: 100})
	c.Add(Label{Leak: true, Kind: memwatch.KindOffHeap}, Call{Final: true, Alarm: 9, Late: 9, Verdict: verdict(memwatch.KindOffHeap)})
	c.Add(Label{}, Call{Suspect: 5, Alarm: 9, Late: 9})
	c.Add(Label{}, never)
	c.Add(Label{Undecidable: true, Name: "fill"}, Call{Final: true})
	for _, s := range []struct {
		what      string
		got, want Share
	}{
		{"precision", c.Precision, Share{3, 3}},
		{"recall", c.Recall, Share{3, 4}},
		{"precision, any alarm", c.PrecisionEver, Share{4, 5}},
		{"suspected", c.Suspected, Share{4, 4}},
		{"first", c.Top1, Share{1, 2}},
		{"in three", c.Top3, Share{2, 2}},
		{"kind", c.Kind, Share{2, 3}},
	} {
		if s.got != s.want {
			t.Errorf("%s: %v, want %v", s.what, s.got, s.want)
		}
	}
	if c.Early != 1 || c.HealthyEver != 1 || len(c.Undecidable) != 1 || len(c.Seconds) != 3 {
		t.Errorf("early %d, healthy ever %d, undecidable %v, seconds %v", c.Early, c.HealthyEver, c.Undecidable, c.Seconds)
	}
	if f := F1(Share{1, 2}, Share{1, 1}); !near(f, 0.6667) {
		t.Errorf("F1 of 0.5 and 1 is %v", f)
	}
}
