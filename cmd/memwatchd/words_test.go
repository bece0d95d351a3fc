package main

import (
	"strings"
	"testing"
	"time"

	"github.com/zupee/memwatch"
	"github.com/zupee/memwatch/agent"
)

func TestSpansReadAsPeopleSayThem(t *testing.T) {
	for seconds, want := range map[float64]string{
		0: "0 s", 59.4: "59 s", 60: "1 min", 90: "1 min 30 s", 12480: "3 h 28 min", 11 * 60: "11 min",
		3 * 24 * 3600: "3 days", 3*24*3600 + 5*3600: "3 days 5 h", 1e12: "over 100 years",
	} {
		if got := span(seconds); got != want {
			t.Errorf("span(%v) = %q, want %q", seconds, got, want)
		}
	}
}

func TestSizesKeepTwoDigits(t *testing.T) {
	for bytes, want := range map[float64]string{
		0: "0 B", 512: "512 B", 1023: "1023 B", 1024: "1.0 KiB", 9.94 * 1024: "9.9 KiB", 10.2 * 1024: "10 KiB",
		1023.7 * 1024: "1.0 MiB", 60 << 20: "60 MiB", 3 << 30: "3.0 GiB", -2048: "-2.0 KiB",
	} {
		if got := size(bytes); got != want {
			t.Errorf("size(%v) = %q, want %q", bytes, got, want)
		}
	}
}

func TestALeakInWords(t *testing.T) {
	seconds := func(s float64) *float64 { return &s }
	r := &onceOutput{Targets: []onceTarget{{Outcome: failed, TargetResult: &agent.TargetResult{
		URL: "http://shop:6060", Samples: 60, HeapProfiles: 9,
		Verdict: &memwatch.Verdict{
			State: memwatch.Leaking, Kind: memwatch.KindHeap, Severity: memwatch.SeverityWarning, Summary: "It leaks.",
			GrowthBytesPerSecond: memwatch.Interval{Estimate: 2 << 20, Low: 1 << 20, High: 3 << 20}, GrowthBytes: 60 << 20,
			LimitBytes: 512 << 20, LimitSource: "cgroup",
			TimeToLimitSeconds: seconds(12480), TimeToLimitLowSeconds: seconds(10900), TimeToLimitHighSeconds: seconds(14540),
			Culprits: []memwatch.Culprit{{
				Function: "shop.(*Cache).Put", File: "/src/example.com/shop/cache.go", Line: 42,
				GrowthBytesPerSecond: 2 << 20, LiveBytes: 60 << 20, Share: 0.94, Certainty: memwatch.Likely,
			}},
		},
		Evidence: []agent.SavedFile{
			{Kind: memwatch.HeapProfile, Role: memwatch.RoleBaseline, Path: "ev/a.pb.gz"},
			{Kind: memwatch.HeapProfile, Role: memwatch.RoleLeaking, Path: "ev/b.pb.gz"},
		},
	}}}}
	var b strings.Builder
	if err := writeOnce(&b, r, false); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"http://shop:6060: LEAKING (heap, severity warning)\n  It leaks.\n",
		"  growth     2.0 MiB/s (1.0 MiB to 3.0 MiB), 60 MiB since ",
		"  limit      512 MiB (cgroup), reached in about 3 h 28 min (3 h 2 min to 4 h 2 min)\n",
		"    94 %   2.0 MiB/s  60 MiB  shop.(*Cache).Put (likely)  example.com/shop/cache.go:42\n",
		"  next       go tool pprof -top -sample_index=inuse_space -diff_base ev/a.pb.gz ev/b.pb.gz\n",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("want %q in\n%s", want, b.String())
		}
	}
}

func TestTheProgressLineSaysHowFarItIs(t *testing.T) {
	p := newProgressLine(&strings.Builder{}, []agent.Target{{Target: memwatch.Target{Service: "shop"}}, {Target: memwatch.Target{Service: "cart"}}}, time.Minute)
	p.at[0] = agent.Progress{Samples: 12, State: memwatch.Healthy, LiveHeapBytes: 10 << 20}
	p.at[1] = agent.Progress{Samples: 10, Failed: 2, State: memwatch.Learning}
	if got, want := p.text(p.start.Add(12*time.Second)), "12 s of 1 min · shop healthy, live heap 10 MiB · cart learning, 2 of 12 failed"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	p.show(agent.Progress{}) // no terminal: quiet
}

func TestGatesHaveUnits(t *testing.T) {
	value := func(v float64) *float64 { return &v }
	for want, g := range map[string]memwatch.Gate{
		"yes  growth  60 MiB  needs >= 50 MiB  it grew":        {Name: "growth", Value: value(60 << 20), Need: ">= 5.24288e+07", Passed: true, Detail: "it grew"},
		"no  watched  2 min  needs >= 5 min  seen":             {Name: "watched", Value: value(120), Need: ">= 300", Detail: "seen"},
		"yes  watched  2 min  usually needs >= 5 min  doubled": {Name: "watched", Value: value(120), Need: ">= 300", Passed: true, Detail: "doubled"},
		"yes  bend  4  needs < 3, or call sites that go on  x": {Name: "bend", Value: value(4), Need: "< 3, or call sites that go on", Passed: true, Detail: "x"},
		"no  load  20 %  needs >= 50 %  x":                     {Name: "load", Value: value(0.2), Need: ">= 0.5", Detail: "x"},
		"no  horizon  unknown  needs <= 1 h  x":                {Name: "horizon", Need: "<= 3600", Detail: "x"},
		"no  site  unknown  needs who knows  x":                {Name: "site", Need: "who knows", Detail: "x"},
	} {
		var b strings.Builder
		writeGates(&b, []memwatch.Gate{g})
		if got := strings.TrimSpace(b.String()); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}
