package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/zupee/memwatch"
	"github.com/zupee/memwatch/internal/version"
)

// The part of SARIF 2.1.0 that code-scanning pages read.
type (
	sarifLog struct {
		Schema  string     `json:"$schema"`
		Version string     `json:"version"`
		Runs    []sarifRun `json:"runs"`
	}
	sarifRun struct {
		Tool        sarifTool         `json:"tool"`
		Invocations []sarifInvocation `json:"invocations"`
		Results     []sarifResult     `json:"results"`
	}
	sarifTool struct {
		Driver sarifDriver `json:"driver"`
	}
	sarifDriver struct {
		Name           string      `json:"name"`
		Version        string      `json:"version"`
		InformationURI string      `json:"informationUri"`
		Rules          []sarifRule `json:"rules"`
	}
	sarifRule struct {
		ID               string    `json:"id"`
		Name             string    `json:"name"`
		ShortDescription sarifText `json:"shortDescription"`
		Help             sarifText `json:"help"`
	}
	sarifText struct {
		Text string `json:"text"`
	}
	sarifInvocation struct {
		ExecutionSuccessful bool                `json:"executionSuccessful"`
		ExitCode            int                 `json:"exitCode"`
		StartTimeUTC        string              `json:"startTimeUtc"`
		Notifications       []sarifNotification `json:"toolExecutionNotifications,omitempty"`
	}
	sarifNotification struct {
		Level   string    `json:"level"`
		Message sarifText `json:"message"`
	}
	sarifResult struct {
		RuleID        string             `json:"ruleId"`
		Level         string             `json:"level"`
		Message       sarifText          `json:"message"`
		Locations     []sarifLocation    `json:"locations"`
		Stacks        []sarifStack       `json:"stacks,omitempty"`
		Fingerprints  map[string]string  `json:"partialFingerprints"`
		BaselineState string             `json:"baselineState,omitempty"`
		Suppressions  []sarifSuppression `json:"suppressions,omitempty"`
	}
	sarifSuppression struct {
		Kind          string `json:"kind"`
		Justification string `json:"justification"`
	}
	sarifStack struct {
		Message sarifText    `json:"message"`
		Frames  []sarifFrame `json:"frames"`
	}
	sarifFrame struct {
		Location sarifLocation `json:"location"`
	}
	sarifLocation struct {
		Physical sarifPhysical  `json:"physicalLocation"`
		Logical  []sarifLogical `json:"logicalLocations,omitempty"`
	}
	sarifPhysical struct {
		File   sarifFile    `json:"artifactLocation"`
		Region *sarifRegion `json:"region,omitempty"`
	}
	sarifFile struct {
		URI string `json:"uri"`
	}
	sarifRegion struct {
		StartLine int `json:"startLine"`
	}
	sarifLogical struct {
		FullyQualifiedName string `json:"fullyQualifiedName"`
		Kind               string `json:"kind"`
	}
)

var sarifRules = []sarifRule{
	rule(memwatch.KindHeap, "HeapLeak", "Memory that this function allocates stays reachable, and there is ever more of it."),
	rule(memwatch.KindGoroutine, "GoroutineLeak", "Goroutines that are started here never end."),
	rule(memwatch.KindOffHeap, "OffHeapLeak", "Memory outside the Go heap grows: cgo, or mappings."),
	rule(memwatch.KindFragmentation, "Fragmentation", "The heap holds ever more space than what lives in it needs."),
}

func rule(kind memwatch.Kind, name, text string) sarifRule {
	return sarifRule{ruleID(kind), name, sarifText{text}, sarifText{text + " --save DIR keeps the profiles to compare with go tool pprof -diff_base."}}
}

func ruleID(kind memwatch.Kind) string { return "memwatch/" + string(kind) }

// writeSARIF writes a report that puts each finding beside its line of code.
// root is the folder of the sources, which paths are made relative to.
func writeSARIF(w io.Writer, r *onceOutput, root string) error {
	run := sarifRun{
		Tool: sarifTool{sarifDriver{
			Name: "memwatchd", Version: version.String(), InformationURI: "https://github.com/zupee/memwatch", Rules: sarifRules,
		}},
		Invocations: []sarifInvocation{{ExecutionSuccessful: r.ExitStatus != exitUnjudged, ExitCode: r.ExitStatus, StartTimeUTC: at(r.StartedAt)}},
		Results:     []sarifResult{},
	}
	src := sources{root: root, module: moduleOf(root)}
	for i := range r.Targets {
		t := &r.Targets[i]
		if t.Outcome == unjudged {
			text := t.Service + ": " + headline(t)
			if t.Error != nil {
				text += ": " + t.Error.Message
			}
			run.Invocations[0].Notifications = append(run.Invocations[0].Notifications, sarifNotification{"error", sarifText{text}})
		}
		for j := range t.Findings {
			run.Results = append(run.Results, src.result(t, &t.Findings[j], r.compared))
		}
	}
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(sarifLog{"https://json.schemastore.org/sarif-2.1.0.json", "2.1.0", []sarifRun{run}})
}

// sources turns the paths that a compiler wrote down into those of a repository.
type sources struct{ root, module string }

func (s sources) result(t *onceTarget, f *finding, compared bool) sarifResult {
	sum := sha256.Sum256([]byte(string(t.Verdict.Kind) + "\x00" + f.Function))
	out := sarifResult{
		RuleID: ruleID(t.Verdict.Kind), Level: "note", Message: sarifText{t.Service + ": " + findingWords(f, t.Verdict)},
		Locations: []sarifLocation{}, Fingerprints: map[string]string{"memwatchFunction/v1": hex.EncodeToString(sum[:16])},
	}
	if f.fails() {
		out.Level = map[memwatch.State]string{memwatch.Leaking: "error", memwatch.Suspect: "warning"}[t.Verdict.State]
	}
	if compared {
		out.BaselineState = map[mark]string{markNew: "new", markFaster: "updated", markKnown: "unchanged"}[f.Mark]
	}
	if f.Mark == markExpected {
		out.Suppressions = []sarifSuppression{{"external", "--expect " + f.Function}}
	}
	if c := f.culprit; c != nil {
		out.Locations = append(out.Locations, s.location(memwatch.Frame{Function: c.Function, File: c.File, Line: c.Line}))
		stack := sarifStack{Message: sarifText{"where it is allocated"}}
		for _, frame := range c.Stack {
			stack.Frames = append(stack.Frames, sarifFrame{s.location(frame)})
		}
		if len(stack.Frames) > 0 {
			out.Stacks = []sarifStack{stack}
		}
	}
	return out
}

func (s sources) location(f memwatch.Frame) sarifLocation {
	l := sarifLocation{
		Physical: sarifPhysical{File: sarifFile{s.uri(f.File)}},
		Logical:  []sarifLogical{{f.Function, "function"}},
	}
	if f.Line > 0 {
		l.Physical.Region = &sarifRegion{f.Line}
	}
	return l
}

// uri is the path relative to the repository where the file is its own: below
// its folder, or below the module's name, which is what -trimpath leaves.
func (s sources) uri(file string) string {
	if below, err := filepath.Rel(s.root, file); err == nil && filepath.IsLocal(below) {
		return (&url.URL{Path: filepath.ToSlash(below)}).String()
	}
	if below, ok := strings.CutPrefix(file, s.module+"/"); ok && s.module != "" {
		return (&url.URL{Path: below}).String()
	}
	if filepath.IsAbs(file) {
		return (&url.URL{Scheme: "file", Path: filepath.ToSlash(file)}).String()
	}
	return (&url.URL{Path: filepath.ToSlash(file)}).String()
}

var moduleLine = regexp.MustCompile(`(?m)^module\s+"?([^\s"]+)`)

// moduleOf is the Go module in a folder, "" when there is none.
func moduleOf(root string) string {
	b, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		return ""
	}
	if m := moduleLine.FindSubmatch(b); m != nil {
		return string(m[1])
	}
	return ""
}
