package main

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/zupee/memwatch"
	"github.com/zupee/memwatch/agent"
)

// leak is a verdict: two functions grow, by a byte a second for each percent of share.
func leak() *memwatch.Verdict {
	culprit := func(function, file string, line int, share float64) memwatch.Culprit {
		return memwatch.Culprit{
			Function: function, File: file, Line: line, Share: share, GrowthBytesPerSecond: 100 * share, Certainty: memwatch.Certain,
			Stack: []memwatch.Frame{{Function: function, File: file, Line: line}, {Function: "main.main", File: "/src/shop/main.go", Line: 9}},
		}
	}
	return &memwatch.Verdict{
		State: memwatch.Leaking, Kind: memwatch.KindHeap, Severity: memwatch.SeverityWarning, Since: 1e12,
		GrowthBytesPerSecond: memwatch.Interval{Estimate: 100, Low: 90, High: 110}, GrowthBytes: 6000,
		Summary: `It leaks | "quickly" <now> & here.`,
		Culprits: []memwatch.Culprit{
			culprit("example.com/shop.(*Cache).Put", "/src/shop/cache.go", 42, 0.6),
			culprit("example.com/shop/cart.Add", "example.com/shop/cart/a cart.go", 7, 0.35),
			culprit("main.tiny", "/elsewhere/tiny.go", 1, 0.01),
		},
	}
}

// result is one target of each outcome, as --fail-on leaking --expect Cache.Put judges it.
func result(t *testing.T, f onceFlags, verdicts ...*memwatch.Verdict) *onceOutput {
	t.Helper()
	r := &agent.CheckResult{StartedAt: 1e12, DurationSeconds: 60}
	for _, v := range verdicts {
		tr := agent.TargetResult{Service: "shop:6060", Instance: "shop:6060", URL: "http://shop:6060", Samples: 60, HeapProfiles: 9, Verdict: v, WorstState: memwatch.Leaking}
		if v == nil {
			tr.Samples, tr.Error = 0, &agent.Trouble{Endpoint: "/debug/vars", Reason: "refused", Message: "connection <refused> & | gone"}
		}
		r.Targets = append(r.Targets, tr)
	}
	out := &onceOutput{CheckResult: r, Targets: f.judge(r, nil), FailOn: f.failOn, Command: &loadOutcome{Args: []string{"./load.sh"}}}
	out.ExitStatus = exitStatus(out.Targets)
	return out
}

func healthy() *memwatch.Verdict {
	return &memwatch.Verdict{State: memwatch.Healthy, Kind: memwatch.KindNone, Summary: "It does not leak."}
}

func TestExpectedAndKnownGrowthDoesNotFail(t *testing.T) {
	known := func(function string, rate float64) knownGrowth {
		return knownGrowth{Kind: memwatch.KindHeap, Function: function, GrowthBytesPerSecond: memwatch.Interval{Estimate: rate, Low: 0.9 * rate, High: 1.1 * rate}}
	}
	const put, add = "example.com/shop.(*Cache).Put", "example.com/shop/cart.Add"
	for name, c := range map[string]struct {
		expect []string
		known  []knownGrowth
		want   outcome
		marks  []mark
	}{
		"nothing is said":             {nil, nil, failed, []mark{markNew, markNew}},
		"one of two is expected":      {[]string{"(*Cache).Put"}, nil, failed, []mark{markExpected, markNew}},
		"both are expected":           {[]string{"shop.(*Cache).Put", add}, nil, goodExpected, []mark{markExpected, markExpected}},
		"a part of a name is no name": {[]string{"ut", "art.Add"}, nil, failed, []mark{markNew, markNew}},
		"both are known":              {nil, []knownGrowth{known(put, 60), known(add, 35)}, goodKnown, []mark{markKnown, markKnown}},
		"one is expected, one known":  {[]string{put}, []knownGrowth{known(add, 35)}, goodKnown, []mark{markExpected, markKnown}},
		"one is faster":               {nil, []knownGrowth{known(put, 30), known(add, 35)}, failed, []mark{markFaster, markKnown}},
		"faster, within the error":    {nil, []knownGrowth{known(put, 52), known(add, 35)}, goodKnown, []mark{markKnown, markKnown}},
		"of another kind": {
			nil,
			[]knownGrowth{{Kind: memwatch.KindGoroutine, Function: put}, known(add, 35)},
			failed,
			[]mark{markNew, markKnown},
		},
		"the fastest of several counts": {nil, []knownGrowth{known(put, 1), known(put, 60), known(put, 2), known(add, 99)}, goodKnown, []mark{markKnown, markKnown}},
	} {
		r := &agent.CheckResult{Targets: []agent.TargetResult{{Samples: 60, Verdict: leak()}}}
		got := (&onceFlags{failOn: "leaking", expect: c.expect}).judge(r, &baseline{Version: 1, Growth: c.known})[0]
		marks := []mark{}
		for _, f := range got.Findings {
			marks = append(marks, f.Mark)
		}
		if got.Outcome != c.want || !slices.Equal(marks, c.marks) {
			t.Errorf("%s: %s %v, want %s %v", name, got.Outcome, marks, c.want, c.marks)
		}
	}
}

func TestGrowthThatNoFunctionAccountsForIsAFindingOfItsOwn(t *testing.T) {
	v := leak()
	v.Culprits = v.Culprits[1:2]
	f := onceFlags{failOn: "leaking", expect: []string{"cart.Add"}}
	got := result(t, f, v).Targets[0]
	if got.Outcome != failed || len(got.Findings) != 2 || got.Findings[1].Function != "" || got.Findings[1].GrowthBytesPerSecond.Estimate != 65 {
		t.Errorf("an expected function that makes 35 %% of the growth hid the rest: %+v", got)
	}
	v.Kind, v.Culprits = memwatch.KindOffHeap, nil
	if got := result(t, f, v).Targets[0]; got.Outcome != failed || len(got.Findings) != 1 || got.Findings[0].GrowthBytesPerSecond.Estimate != 100 {
		t.Errorf("growth outside the heap: %+v", got)
	}
}

func TestABaselineIsReadAsItWasWritten(t *testing.T) {
	file := filepath.Join(t.TempDir(), "leaks.json")
	f := onceFlags{failOn: "leaking"}
	if err := writeBaseline(file, result(t, f, leak(), healthy(), nil).Targets); err != nil {
		t.Fatal(err)
	}
	known, err := readBaseline(file)
	if err != nil || len(known.Growth) != 2 {
		t.Fatalf("%v: %+v", err, known)
	}
	r := &agent.CheckResult{Targets: []agent.TargetResult{{Samples: 60, Verdict: leak()}}}
	if got := f.judge(r, known)[0]; got.Outcome != goodKnown {
		t.Errorf("the same leak again: %+v", got)
	}
	if err := os.WriteFile(file, []byte(`{"version":2,"growth":[]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := readBaseline(file); err == nil || !strings.Contains(err.Error(), "version is 2: want 1") {
		t.Errorf("another version: %v", err)
	}
	if err := writeBaseline(filepath.Join(t.TempDir(), "no", "such", "folder"), nil); err == nil {
		t.Error("a baseline that cannot be written is no error")
	}
}

// TestSARIFMatchesItsSchema checks against the schema that OASIS publishes; a
// tool that we build from tools/go.mod brings it along.
func TestSARIFMatchesItsSchema(t *testing.T) {
	known := &baseline{Version: 1, Growth: []knownGrowth{{Kind: memwatch.KindHeap, Function: "example.com/shop/cart.Add", GrowthBytesPerSecond: memwatch.Interval{Estimate: 99, High: 99}}}}
	f := onceFlags{failOn: "leaking", expect: []string{"(*Cache).Put"}}
	r := result(t, f, leak(), healthy(), nil)
	r.Targets, r.compared = f.judge(r.CheckResult, known), true
	root := t.TempDir()
	if err := os.WriteFile(filepath.Join(root, "go.mod"), []byte("module example.com/shop\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r.Targets[0].Findings[0].culprit.File = filepath.Join(root, "cache.go")
	var b bytes.Buffer
	if err := writeSARIF(&b, r, root); err != nil {
		t.Fatal(err)
	}
	validate(t, sarifSchema(t), b.Bytes())
	for _, want := range []string{
		`"uri": "cache.go"`, `"uri": "cart/a%20cart.go"`, `"uri": "file:///src/shop/main.go"`, `"baselineState": "unchanged"`,
		`"justification": "--expect example.com/shop.(*Cache).Put"`, `"level": "note"`, "COULD NOT BE READ",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("want %s in\n%s", want, b.String())
		}
	}
	b.Reset()
	if err := writeSARIF(&b, result(t, onceFlags{failOn: "leaking"}, leak()), root); err != nil || !strings.Contains(b.String(), `"level": "error"`) {
		t.Errorf("a leak is no error: %v\n%s", err, b.String())
	}
	validate(t, sarifSchema(t), b.Bytes())
}

func sarifSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "mod", "download", "-json", "github.com/securego/gosec/v2")
	cmd.Dir = "../../tools"
	out, err := cmd.Output()
	var module struct{ Dir string }
	if err != nil || json.Unmarshal(out, &module) != nil {
		t.Fatalf("find the module that has the schema: %v\n%s", err, out)
	}
	c := jsonschema.NewCompiler()
	schema, err := c.Compile(filepath.Join(module.Dir, "report/sarif/testdata/sarif-schema-2.1.0.json"))
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

func validate(t *testing.T, schema *jsonschema.Schema, doc []byte) {
	t.Helper()
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(doc))
	if err == nil {
		err = schema.Validate(value)
	}
	if err != nil {
		t.Errorf("%v in\n%s", err, doc)
	}
}

// TestJUnitHasTheShapeThatCISystemsRead holds the report against what the
// format's schemas allow: which elements stand where, with which attributes.
func TestJUnitHasTheShapeThatCISystemsRead(t *testing.T) {
	allowed := map[string][]string{
		"/testsuites":                               {},
		"/testsuites/testsuite":                     {"name", "tests", "failures", "errors", "skipped", "time", "timestamp"},
		"/testsuites/testsuite/testcase":            {"name", "classname", "time"},
		"/testsuites/testsuite/testcase/failure":    {"message", "type"},
		"/testsuites/testsuite/testcase/error":      {"message", "type"},
		"/testsuites/testsuite/testcase/system-out": {},
	}
	var b bytes.Buffer
	if err := writeJUnit(&b, result(t, onceFlags{failOn: "leaking"}, leak(), healthy(), nil)); err != nil {
		t.Fatal(err)
	}
	path, seen := "", map[string]int{}
	for dec := xml.NewDecoder(bytes.NewReader(b.Bytes())); ; {
		token, err := dec.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("%v in\n%s", err, b.String())
		}
		switch e := token.(type) {
		case xml.StartElement:
			path += "/" + e.Name.Local
			seen[path]++
			names := []string{}
			for _, a := range e.Attr {
				names = append(names, a.Name.Local)
			}
			if want, ok := allowed[path]; !ok || !slices.Equal(names, want) {
				t.Errorf("%s has %v, want %v", path, names, want)
			}
		case xml.EndElement:
			path = path[:strings.LastIndex(path, "/")]
		}
	}
	if seen["/testsuites/testsuite/testcase"] != 3 || seen["/testsuites/testsuite/testcase/failure"] != 1 || seen["/testsuites/testsuite/testcase/error"] != 1 {
		t.Errorf("seen %v in\n%s", seen, b.String())
	}
	for _, want := range []string{
		`tests="3" failures="1" errors="1" skipped="0" time="60.000" timestamp="2001-09-09T01:46:40"`,
		`message="leaking: example.com/shop.(*Cache).Put (src/shop/cache.go:42): heap, 60 B/s"`, "connection <refused> & | gone",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("want %s in\n%s", want, b.String())
		}
	}
}

func TestMarkdownKeepsItsTablesWhole(t *testing.T) {
	var b strings.Builder
	if err := writeMarkdown(&b, result(t, onceFlags{failOn: "leaking", expect: []string{"cart.Add"}}, leak(), healthy(), nil)); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"### memwatch: memory leaks\n", "| ❌ | shop:6060 | LEAKING (heap, severity warning) | 100 B/s (90 B to 110 B), ",
		"| ✅ | shop:6060 | HEALTHY | – | – |", "| ❔ | shop:6060 | COULD NOT BE READ | – | – |",
		`**shop:6060**: It leaks \| "quickly" &lt;now> & here.`, "connection &lt;refused> & \\| gone",
		"| 35 B/s | 35 % | `example.com/shop/cart.Add` | `shop/cart/a cart.go:7` | expected |", "Load: ./load.sh ended with status 0.",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("want %s in\n%s", want, b.String())
		}
	}
}

func TestOnceWritesABaselineOfWhatLeaks(t *testing.T) {
	t.Parallel()
	ctx, url := enough(t, startLeaky(t, "--intensity", "6", "--simulate-leak", "map"))
	file := filepath.Join(t.TempDir(), "leaks.json")
	status, out, errOut := callWith(ctx, nil, "once", "--for", "80s", "--interval", "100ms", "--output", "sarif", "--write-baseline", file, url)
	if status != exitFailed || !strings.Contains(out, "remember") {
		t.Fatalf("status %d, want 1:\n%s\n%s", status, out, errOut)
	}
	validate(t, sarifSchema(t), []byte(out))
	known, err := readBaseline(file)
	if err != nil || len(known.Growth) == 0 || !strings.Contains(known.Growth[0].Function, "remember") {
		t.Fatalf("%v: %+v", err, known)
	}
}

func TestOnceWithABaselinePassesWhatIsKnown(t *testing.T) {
	t.Parallel()
	ctx, url := enough(t, startLeaky(t, "--intensity", "6", "--simulate-leak", "map"))
	file := filepath.Join(t.TempDir(), "leaks.json")
	const known = `{"version":1,"growth":[{"service":"shop","kind":"heap","function":"main.(*sessionStore).remember",
		"growthBytesPerSecond":{"estimate":1e9,"low":1e9,"high":1e9}}]}`
	if err := os.WriteFile(file, []byte(known), 0o600); err != nil {
		t.Fatal(err)
	}
	status, out, errOut := callWith(ctx, nil, "once", "--for", "80s", "--interval", "100ms", "--output", "junit", "--baseline", file, url)
	if status != exitOK || !strings.Contains(out, `failures="0"`) || !strings.Contains(out, "in the baseline with") {
		t.Errorf("status %d, want 0:\n%s\n%s", status, out, errOut)
	}
}
