package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/zupee/memwatch"
	"github.com/zupee/memwatch/agent"
)

// writeOnce writes one block for each target, the answer first.
func writeOnce(w io.Writer, r *onceOutput, verbose bool) error {
	var b strings.Builder
	for i := range r.Targets {
		if i > 0 {
			b.WriteByte('\n')
		}
		writeTarget(&b, &r.Targets[i], verbose)
	}
	if r.Command != nil {
		fmt.Fprintf(&b, "\nload: %s\n", r.Command)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func writeTarget(b *strings.Builder, t *onceTarget, verbose bool) {
	line := func(name, format string, args ...any) {
		fmt.Fprintf(b, "  %-10s %s\n", name, fmt.Sprintf(format, args...))
	}
	fmt.Fprintf(b, "%s: %s\n", t.URL, headline(t))
	if t.Samples > 0 {
		v := t.Verdict
		fmt.Fprintf(b, "  %s\n", v.Summary)
		if v.State.Rank() >= memwatch.Suspect.Rank() {
			line("growth", "%s", growth(v))
			line("limit", "%s", limit(v))
		}
		if len(v.Culprits) > 0 {
			b.WriteString("  culprits\n")
			writeCulprits(b, v.Culprits)
		}
		for j := range t.Findings {
			if f := &t.Findings[j]; f.Mark != markNew {
				line(string(f.Mark), "%s", findingWords(f, v))
			}
		}
		if verbose && len(v.Gates) > 0 {
			b.WriteString("  gates\n")
			writeGates(b, v.Gates)
		}
	}
	line("readings", "%d, %d failed; %d heap profiles", t.Samples, t.ScrapeErrors, t.HeapProfiles)
	if t.Error != nil {
		line("last error", "%s", t.Error.Message)
	}
	for _, f := range t.Evidence {
		role := string(f.Role)
		if role == "" {
			role = "nothing judged"
		}
		line("evidence", "%s (%s, %s)", f.Path, f.Kind, role)
	}
	if next := nextCommand(t.TargetResult); next != "" {
		line("next", "%s", next)
	}
}

func headline(t *onceTarget) string {
	switch {
	case t.GaveUp:
		return fmt.Sprintf("COULD NOT BE READ: no answer in %d tries, given up", t.ScrapeErrors)
	case t.Samples == 0:
		return "COULD NOT BE READ"
	case !t.Judged():
		return "TOO LITTLE WAS SEEN TO JUDGE; give --for more time: every third reading waits for a garbage collection, which a large or idle heap has seldom"
	}
	s := strings.ToUpper(string(t.Verdict.State))
	if t.Outcome == goodExpected || t.Outcome == goodKnown {
		s += " AS " + strings.ToUpper(string(t.Outcome))
	}
	if t.Verdict.State != memwatch.Leaking {
		return s
	}
	return fmt.Sprintf("%s (%s, severity %s)", s, t.Verdict.Kind, t.Verdict.Severity)
}

// nextCommand is what to type to see more, "" when there is nothing to see.
func nextCommand(t *agent.TargetResult) string {
	if t.Samples == 0 || t.Verdict.State.Rank() < memwatch.Suspect.Rank() {
		return ""
	}
	kind := memwatch.HeapProfile
	if t.Verdict.Kind == memwatch.KindGoroutine {
		kind = memwatch.GoroutineProfile
	}
	var files []string
	for _, f := range t.Evidence {
		if f.Kind == kind {
			files = append(files, f.Path)
		}
	}
	switch {
	case len(files) >= 2:
		flag := ""
		if kind == memwatch.HeapProfile {
			flag = "-sample_index=inuse_space "
		}
		return fmt.Sprintf("go tool pprof -top %s-diff_base %s %s", flag, files[0], files[len(files)-1])
	case len(files) == 1:
		return "go tool pprof -top " + files[0]
	}
	return "again with --save DIR, which keeps the profiles to compare"
}
