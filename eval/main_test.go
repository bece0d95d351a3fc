package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/zupee/memwatch"
	"github.com/zupee/memwatch/eval/score"
	"github.com/zupee/memwatch/recording"
)

func evalArgs(t *testing.T, want int, args ...string) (out, errOut string) {
	t.Helper()
	var o, e bytes.Buffer
	if got := run(t.Context(), args, &o, &e); got != want {
		t.Fatalf("eval %v: exit status %d, want %d\n%s%s", args, got, want, &o, &e)
	}
	return o.String(), e.String()
}

func TestOneScenarioIsFoundNamedAndReported(t *testing.T) {
	out, _ := evalArgs(t, 0, "--only", "simulator", "--scenario", "heap-fast-flat", "--replicas", "1", "--seed", "2", "-v")
	for _, want := range []string{
		"heap-fast-flat, replica 0: limit", "leaking, notifying", "KILLED at its limit",
		"| **memwatch, notifying** |", "| heap-fast-flat | 0.0 | 0 |", "12 readings, growth > 50 MB",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
}

func TestSameSeedGivesTheSameResult(t *testing.T) {
	run := func() string {
		csv := filepath.Join(t.TempDir(), "out.csv")
		evalArgs(t, 0, "--only", "simulator", "--short", "--scenario", "steady", "--seed", "4", "--csv", csv)
		b, err := os.ReadFile(csv)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	if a, b := run(), run(); a != b || strings.Count(a, "\n") < 10 {
		t.Errorf("two runs differ, or say nothing:\n%s\n%s", a, b)
	}
}

func TestBadCommandLinesAreExplained(t *testing.T) {
	for args, want := range map[string]string{
		"--scenario nonesuch --only simulator": "there are steady",
		"--set horizonFactor":                  "want key=value",
		"--set horizonfactor=3":                "horizonfactor",
		"--set horizonFactor=-1":               "horizonFactor is -1",
		"--interval 1h":                        "want 100ms to 10m",
		"--only rules":                         "want corpus or simulator",
		"extra":                                "argument \"extra\"",
	} {
		_, errOut := evalArgs(t, 2, strings.Fields(args)...)
		if !strings.Contains(errOut, want) {
			t.Errorf("eval %s: no %q in %s", args, want, errOut)
		}
	}
}

func TestCheckFailsWhenAPromiseIsBroken(t *testing.T) {
	list, broken := verify([]promise{{"kept", 0.99, true, 0.98}, {"kept too", 0, false, 0}})
	if broken || strings.Contains(list, "BROKEN") {
		t.Errorf("kept promises are called broken:\n%s", list)
	}
	if list, broken := verify([]promise{{"a", 0.97, true, 0.98}}); !broken || !strings.Contains(list, "**BROKEN**") {
		t.Errorf("a broken promise passes:\n%s", list)
	}
	if _, broken := verify([]promise{{"a", 0.02, false, 0.01}}); !broken {
		t.Error("too much of a bad thing passes")
	}
	// A detector that needs the impossible finds nothing: recall is 0.
	evalArgs(t, 1, "--only", "simulator", "--scenario", "heap-fast-flat", "--replicas", "1", "--set", "significance=20", "--check")
}

func TestTablesGoBetweenTheirMarkers(t *testing.T) {
	path := filepath.Join(t.TempDir(), "doc.md")
	before := "# Title\n<!-- eval:a -->\nold\n<!-- /eval:a -->\nprose\n<!-- eval:b -->\n<!-- /eval:b -->\nend\n"
	if err := os.WriteFile(path, []byte(before), 0o644); err != nil {
		t.Fatal(err)
	}
	for range 2 { // again changes nothing
		if err := writeSections(path, map[string]string{"a": "new a", "b": "new b"}); err != nil {
			t.Fatal(err)
		}
	}
	got, _ := os.ReadFile(path)
	want := "# Title\n<!-- eval:a -->\n\nnew a\n<!-- /eval:a -->\nprose\n<!-- eval:b -->\n\nnew b\n<!-- /eval:b -->\nend\n"
	if string(got) != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if err := writeSections(path, map[string]string{"c": "x"}); err == nil || !strings.Contains(err.Error(), "no markers for c") {
		t.Errorf("a table without a place: %v", err)
	}
}

// record writes a labelled recording of a heap that grows by rate bytes a second.
func record(t *testing.T, dir, name, label string, rate float64) {
	t.Helper()
	start := 0.0
	w, err := recording.Create(filepath.Join(dir, name), recording.Meta{Name: name, Label: label, Kind: "heap", LeakStartSeconds: &start})
	if err != nil {
		t.Fatal(err)
	}
	begun := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for i := range 540 {
		s := &memwatch.Sample{Time: begun.Add(time.Duration(i) * time.Second), Start: begun}
		live := 40e6 + rate*float64(i)
		s.Set(memwatch.LiveHeapBytes, live+float64(i*7919%1000)*300)
		s.Set(memwatch.HeapAllocBytes, live*1.5+float64(i*104729%1000)*2e4)
		s.Set(memwatch.NumGC, float64(i+1))
		s.Set(memwatch.RSSBytes, live*2.5)
		if err := w.WriteSample(s, ""); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestRecordingsAreScoredByAllJudges(t *testing.T) {
	dir := t.TempDir()
	record(t, dir, "grows", "leak", 100e3)
	record(t, dir, "stays", "healthy", 0)
	record(t, dir, "unlabelled", "", 0)
	out, _ := evalArgs(t, 0, "--only", "corpus", "--corpus", dir, "--doc", docWith(t))
	for _, want := range []string{"2 recordings, 1 of them leaks", "| grows | leak | heap | leaking |", "| stays | healthy | heap |", "| **memwatch** | final state | 1 | 0 | 0 | 1.00"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	if strings.Contains(out, "unlabelled") {
		t.Error("a recording without a label was scored")
	}
	out, _ = evalArgs(t, 0, "--only", "corpus", "--corpus", filepath.Join(dir, "none"), "--doc", docWith(t))
	if !strings.Contains(out, "passed over") {
		t.Errorf("a missing corpus is not mentioned:\n%s", out)
	}
}

// docWith is a document with a place for every table.
func docWith(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "doc.md")
	var body string
	for _, section := range []string{"corpus", "own-recordings"} {
		body += "<!-- eval:" + section + " -->\n<!-- /eval:" + section + " -->\n"
	}
	if err := os.WriteFile(path, []byte(body), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestDueFollowsAClockThatJumps(t *testing.T) {
	now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	if due(now, now.Add(-50*time.Second), time.Minute) || !due(now, now.Add(-55*time.Second), time.Minute) || !due(now, now.Add(time.Hour), time.Minute) {
		t.Error("profiles come too often, too seldom, or never again after a clock went back")
	}
}

func TestCSVHasALineForEachJudgeAndInstance(t *testing.T) {
	s := simulation{names: []string{"a", "**b**"}, instances: []score.Instance{{Scenario: "x", Watches: make([]score.Watch, 2)}}}
	lines := strings.Split(strings.TrimSpace(s.csv()), "\n")
	if len(lines) != 3 || !strings.Contains(lines[2], `x,0,false,0.00,0,"b",0,0,0,false,0,0.000`) {
		b, _ := json.Marshal(lines)
		t.Errorf("%s", b)
	}
}
