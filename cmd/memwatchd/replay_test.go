package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/zupee/memwatch"
	"github.com/zupee/memwatch/agent"
)

const recorded = "../../recording/testdata"

func TestReplayWritesOneJSONObjectARecording(t *testing.T) {
	status, out, errOut := call(t, "replay", "--json", recorded)
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if status != exitOK || errOut != "" || len(lines) < 9 {
		t.Fatalf("status %d, %d lines, stderr %q: want nine at least", status, len(lines), errOut)
	}
	found := map[string]memwatch.State{}
	for _, line := range lines {
		var r agent.ReplayResult
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatalf("%v in %s", err, line)
		}
		found[r.Recording] = r.FinalState
		for _, key := range []string{`"firstSuspectSeconds":`, `"firstLeakingSeconds":`, `"notifications":`, `"verdict":{"state":`, `"gates":[{"name":`} {
			if !strings.Contains(line, key) {
				t.Errorf("%s: no %s in %s", r.Recording, key, line)
			}
		}
	}
	for name, want := range map[string]memwatch.State{"leaky-map": memwatch.Leaking, "library-otelhttp": memwatch.Leaking, "leaky-healthy": memwatch.Healthy} {
		if found[name] != want {
			t.Errorf("%s: %s, want %s", name, found[name], want)
		}
	}
}

func TestReplayExplainsGateByGate(t *testing.T) {
	status, out, _ := call(t, "replay", "--explain", filepath.Join(recorded, "leaky-slice"))
	if status != exitOK {
		t.Fatalf("status %d", status)
	}
	for _, want := range []string{
		"leaky-slice\n  leaking at the end, leaking at worst; suspect after ", ", people told once; 147 readings, 0 failed, 0 restarts\n",
		"held by main.recordAudit", "examples/leaky/leaks.go:", "yes  trend ", "yes  plateau ", "yes  load ", "yes  watched ", "needs >= 3.5",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("want %q in\n%s", want, out)
		}
	}
	// What is healthy says why it is not leaking.
	if _, out, _ := call(t, "replay", "--explain", filepath.Join(recorded, "leaky-healthy")); !strings.Contains(out, "healthy at the end") || !strings.Contains(out, "no   ") {
		t.Errorf("no gate says what is missing:\n%s", out)
	}
}

func TestReplayComparesOtherSettingsWithTheDefaults(t *testing.T) {
	dir := filepath.Join(recorded, "leaky-map")
	status, out, _ := call(t, "replay", "--set", "leakThresholdBytes=99999999999", "--set", "significance=4", dir)
	if status != exitOK {
		t.Fatalf("status %d:\n%s", status, out)
	}
	for _, want := range []string{
		"suspect at the end, suspect at worst", "  by the defaults: leaking at the end",
		"With leakThresholdBytes=99999999999 significance=4, 1 of 1 recordings are judged differently.\n",
		"  leaky-map: suspect, nobody told; by the defaults leaking by main.(*sessionStore).remember, people told once\n",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("want %q in\n%s", want, out)
		}
	}
	_, out, _ = call(t, "replay", "--set", "significance=3.6", dir)
	if strings.Contains(out, "by the defaults") || !strings.Contains(out, "0 of 1 recordings are judged differently") {
		t.Errorf("a setting that changes nothing:\n%s", out)
	}
	if _, out, _ := call(t, "replay", dir); strings.Contains(out, "judged differently") {
		t.Errorf("a comparison without settings:\n%s", out)
	}
	status, out, _ = call(t, "replay", "--json", "--set", "leakThresholdBytes=99999999999", dir)
	var r agent.ReplayResult
	if err := json.Unmarshal([]byte(out), &r); err != nil || status != exitOK || r.FinalState != memwatch.Suspect {
		t.Errorf("--json is what the settings say and nothing else: %v\n%s", err, out)
	}
}

func TestReplayNamesABadSetting(t *testing.T) {
	for set, want := range map[string]string{
		"significanse=2":        `unknown setting significanse: did you mean "significance"?`,
		"horizonfactor=2":       `did you mean "horizonFactor"?`,
		"colour=2":              "allowed here are leakThresholdBytes, limitBytes, significance, horizonFactor",
		"significance=lots":     `"lots" is no number`,
		"significance":          "want key=value",
		"significance=0":        "significance is 0: want 1 to 20",
		"leakThresholdBytes=-1": "leakThresholdBytes is -1: want more than 0",
	} {
		if status, out, errOut := call(t, "replay", "--set", set, recorded); status != exitUsage || out != "" || !strings.Contains(errOut, want) {
			t.Errorf("--set %s: status %d, %q, want 2 and %q", set, status, errOut, want)
		}
	}
}

func TestReplayOfABrokenRecordingSaysWhere(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "samples.jsonl"), []byte("{\"t\":1700000000}\nwhat?\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if status, _, errOut := call(t, "replay", dir); status != exitFailed || !strings.Contains(errOut, "samples.jsonl line 2") {
		t.Errorf("status %d, %q: want 1 and the line", status, errOut)
	}
	if status, _, errOut := call(t, "replay", filepath.Join(dir, "gone")); status != exitUsage || !strings.Contains(errOut, "gone is not there") {
		t.Errorf("status %d, %q: want 2 and the path", status, errOut)
	}
}
