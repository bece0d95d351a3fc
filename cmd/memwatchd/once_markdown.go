package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/zupee/memwatch"
)

// writeMarkdown writes a report for a job's summary or a comment on a change.
func writeMarkdown(w io.Writer, r *onceOutput) error {
	var b strings.Builder
	fmt.Fprintf(&b, "### memwatch: %s\n\n", onceWords(r.ExitStatus))
	b.WriteString("| | service | verdict | growth | limit |\n|---|---|---|---|---|\n")
	for i := range r.Targets {
		t := &r.Targets[i]
		grows, until := "–", "–"
		if t.Samples > 0 && t.Verdict.State.Rank() >= memwatch.Suspect.Rank() {
			grows, until = growth(t.Verdict), limit(t.Verdict)
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", outcomeSigns[t.Outcome], cell(t.Service), cell(headline(t)), cell(grows), cell(until))
	}
	for i := range r.Targets {
		markdownTarget(&b, &r.Targets[i])
	}
	if r.Command != nil {
		fmt.Fprintf(&b, "\nLoad: %s.\n", cell(r.Command.String()))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

var outcomeSigns = map[outcome]string{good: "✅", failed: "❌", goodExpected: "☑️ expected", goodKnown: "☑️ known", unjudged: "❔"}

func markdownTarget(b *strings.Builder, t *onceTarget) {
	if t.Error != nil {
		fmt.Fprintf(b, "\n%s: %s\n", cell(t.Service), cell(t.Error.Message))
	}
	if len(t.Findings) == 0 {
		return
	}
	fmt.Fprintf(b, "\n**%s**: %s\n\n| growth | share | function | where | |\n|---:|---:|---|---|---|\n", cell(t.Service), cell(t.Verdict.Summary))
	for i := range t.Findings {
		f := &t.Findings[i]
		share, name, where := "", "no function accounts for it", ""
		if c := f.culprit; c != nil {
			share, name, where = fmt.Sprintf("%.0f %%", c.Share*100), "`"+c.Function+"`", fmt.Sprintf("`%s:%d`", shortFile(c.File), c.Line)
		}
		fmt.Fprintf(b, "| %s/s | %s | %s | %s | %s |\n", size(f.GrowthBytesPerSecond.Estimate), share, cell(name), cell(where), f.Mark)
	}
	if next := nextCommand(t.TargetResult); strings.HasPrefix(next, "go ") {
		fmt.Fprintf(b, "\n```sh\n%s\n```\n", next)
	}
}

// onceWords says an exit status in words.
func onceWords(status int) string {
	switch status {
	case exitOK:
		return "no leak"
	case exitFailed:
		return "memory leaks"
	}
	return "could not be judged"
}

// cell makes a text safe in a table's cell.
func cell(s string) string {
	return strings.NewReplacer("|", `\|`, "\n", " ", "<", "&lt;").Replace(s)
}
