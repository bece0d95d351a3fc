package main

import (
	"encoding/json"
	"flag"
	"path/filepath"
	"strings"
	"testing"

	"github.com/zupee/memwatch"
	"github.com/zupee/memwatch/agent"
	"github.com/zupee/memwatch/config"
	"github.com/zupee/memwatch/internal/schematest"
	"github.com/zupee/memwatch/internal/version"
)

var update = flag.Bool("update", false, "write docs/schemas and docs/man anew")

func TestTheSchemasAreFresh(t *testing.T) {
	for file, want := range map[string][]byte{
		"version.schema.json":      schematest.Of[version.Info](t, "memwatchd version --output json, memwatch-hub version --output json"),
		"once.schema.json":         schematest.Of[onceOutput](t, "memwatchd once --output json"),
		"baseline.schema.json":     schematest.Of[baseline](t, "the file of memwatchd once --write-baseline"),
		"replay.schema.json":       schematest.Of[agent.ReplayResult](t, "a line of memwatchd replay --output json"),
		"record.schema.json":       schematest.Of[recordOutput](t, "memwatchd record --output json"),
		"config-check.schema.json": schematest.Of[checkOutput](t, "memwatchd config check --output json"),
		"verdict.schema.json":      schematest.Of[memwatch.Verdict](t, "a verdict: in answers, in messages, and verdict.json in evidence"),
		"reading.schema.json":      schematest.Of[memwatch.Sample](t, "a reading: in messages, and a line of readings.jsonl in evidence"),
	} {
		schematest.Fresh(t, *update, file, want)
	}
	b, err := config.Schema()
	if err != nil {
		t.Fatal(err)
	}
	schematest.Fresh(t, *update, "config.schema.json", b)
}

func TestWhatIsWrittenFitsItsSchema(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "rec")
	ctx, url := afterReadings(t, 3, target(t))
	for _, c := range []struct {
		file   string
		status int
		args   []string
	}{
		{"version.schema.json", exitOK, []string{"version"}},
		{"config-check.schema.json", exitOK, []string{"config", "check", "../../config.example.yaml"}},
		{"config-check.schema.json", exitUsage, []string{"config", "check", "../../config/testdata/all.yaml"}},
		{"config-check.schema.json", exitUsage, []string{"config", "check", "no-such-file.yaml"}},
		{"config.schema.json", exitOK, []string{"config", "show", "../../config.example.yaml"}},
		{"once.schema.json", exitUnjudged, []string{"once", "--for", "300ms", "--interval", "100ms", "--save", t.TempDir(), target(t), "--", "true"}},
		{"once.schema.json", exitUnjudged, []string{"once", "--for", "200ms", "--interval", "100ms", closed(t)}},
		{"record.schema.json", exitOK, []string{"record", url, "--for", "80s", "--interval", "100ms", "--out", dir}},
		{"replay.schema.json", exitOK, []string{"replay", filepath.Join(recorded, "leaky-map")}},
	} {
		args := []string{c.args[0], "--output", "json"}
		if c.args[0] == "config" {
			args = []string{"config", c.args[1], "--output", "json"}
			c.args = c.args[1:]
		}
		in := t.Context()
		if c.args[0] == "record" {
			in = ctx
		}
		status, out, errOut := callWith(in, nil, append(args, c.args[1:]...)...)
		if status != c.status || errOut != "" {
			t.Errorf("%v: status %d, want %d: %s", c.args, status, c.status, errOut)
			continue
		}
		schematest.Fits(t, c.file, []byte(out))
	}
	known := result(t, onceFlags{failOn: "leaking", expect: []string{"(*Cache).Put"}}, leak(), healthy(), nil)
	for i := range known.Targets { // the check and the detector say so always
		known.Targets[i].Evidence = []agent.SavedFile{}
		if v := known.Targets[i].Verdict; v != nil {
			v.LimitSource, v.Severity = memwatch.LimitAssumed, memwatch.SeverityInfo
			v.Gates, v.Culprits = []memwatch.Gate{}, append([]memwatch.Culprit{}, v.Culprits...)
		}
	}
	b, err := json.Marshal(known)
	if err != nil {
		t.Fatal(err)
	}
	schematest.Fits(t, "once.schema.json", b)
}

func TestConfigCheckNamesEachProblemForPrograms(t *testing.T) {
	_, out, _ := call(t, "config", "check", "--output", "json", "../../config/testdata/all.yaml")
	var got checkOutput
	if err := json.Unmarshal([]byte(out), &got); err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	if got.Good || len(got.Problems) != 8 || got.Problems[0].Line != 2 || got.Problems[0].Key != "checkInterval" || !strings.Contains(got.Problems[0].Message, "want a duration") {
		t.Errorf("got %+v", got)
	}
}

func TestAnUnknownOutputIsAMistake(t *testing.T) {
	for _, args := range [][]string{{"version"}, {"config", "check"}, {"config", "show"}, {"replay", recorded}, {"record", ":1", "--out", "x"}, {"once", ":1"}} {
		if status, _, errOut := call(t, append(args, "--output", "xml")...); status != exitUsage || !strings.Contains(errOut, "json") {
			t.Errorf("%v: status %d: %s", args, status, errOut)
		}
	}
}
