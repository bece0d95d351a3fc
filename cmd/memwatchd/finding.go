package main

import (
	"slices"
	"strings"

	"github.com/zupee/memwatch"
	"github.com/zupee/memwatch/agent"
)

// outcome is what a target's verdict comes to, with --fail-on, --expect and
// --baseline considered.
type outcome string

const (
	good         outcome = "pass"     // nothing at or above --fail-on
	failed       outcome = "fail"     // at or above it, and neither expected nor known
	goodExpected outcome = "expected" // all that grows is expected
	goodKnown    outcome = "known"    // all that grows is expected, or in the baseline and no faster
	unjudged     outcome = "unjudged" // it could not be read, or too little was seen
)

// mark says how one part of the growth compares with what was known before.
type mark string

const (
	markNew      mark = "new"
	markFaster   mark = "faster"
	markKnown    mark = "known"
	markExpected mark = "expected"
)

// finding is one part of a target's growth.
type finding struct {
	// Function is the culprit's; "" is growth that no function accounts for.
	Function string `json:"function"`
	Mark     mark   `json:"mark"`
	// GrowthBytesPerSecond is this part's own.
	GrowthBytesPerSecond memwatch.Interval `json:"growthBytesPerSecond"`
	// KnownBytesPerSecond is what the baseline says, nil where it says nothing.
	KnownBytesPerSecond *float64 `json:"knownBytesPerSecond,omitempty"`
	culprit             *memwatch.Culprit
}

// fails reports whether it is a reason to fail.
func (f *finding) fails() bool { return f.Mark == markNew || f.Mark == markFaster }

// onceTarget is one target's result and what it comes to.
type onceTarget struct {
	*agent.TargetResult
	Outcome  outcome   `json:"outcome"`
	Findings []finding `json:"findings"`
}

const (
	// mattersShare is the part of the growth below which a culprit is no finding:
	// there, and of no matter.
	mattersShare = 0.1
	// restShare of the growth must be accounted for by functions; else the rest
	// is a finding of its own.
	restShare = 0.5
)

// judge compares what was found with what is expected and known.
func (f *onceFlags) judge(r *agent.CheckResult, known *baseline) []onceTarget {
	out := make([]onceTarget, len(r.Targets))
	for i := range r.Targets {
		t := onceTarget{TargetResult: &r.Targets[i], Outcome: good, Findings: []finding{}}
		switch {
		case !t.Judged():
			t.Outcome = unjudged
		case t.Verdict.State.Rank() >= memwatch.Suspect.Rank():
			t.Findings = f.findings(t.Verdict, known)
			if f.failOn != "never" && t.Verdict.State.Rank() >= memwatch.State(f.failOn).Rank() {
				t.Outcome = worst(t.Findings)
			}
		}
		out[i] = t
	}
	return out
}

func (f *onceFlags) findings(v *memwatch.Verdict, known *baseline) []finding {
	out := []finding{}
	accounted := 0.0
	for i := range v.Culprits {
		c := &v.Culprits[i]
		accounted += c.Share
		if i > 0 && c.Share < mattersShare {
			continue
		}
		out = append(out, finding{Function: c.Function, GrowthBytesPerSecond: part(v, c), culprit: c})
	}
	if accounted < restShare {
		rest := v.GrowthBytesPerSecond
		for i := range out {
			rest.Estimate -= out[i].GrowthBytesPerSecond.Estimate
			rest.Low -= out[i].GrowthBytesPerSecond.Low
			rest.High -= out[i].GrowthBytesPerSecond.High
		}
		out = append(out, finding{GrowthBytesPerSecond: rest})
	}
	for i := range out {
		f.mark(&out[i], v.Kind, known)
	}
	return out
}

// part is a culprit's growth with the interval of the whole's, in proportion.
func part(v *memwatch.Verdict, c *memwatch.Culprit) memwatch.Interval {
	whole, g := v.GrowthBytesPerSecond, c.GrowthBytesPerSecond
	if whole.Estimate <= 0 {
		return memwatch.Interval{Estimate: g, Low: g, High: g}
	}
	return memwatch.Interval{Estimate: g, Low: g * whole.Low / whole.Estimate, High: g * whole.High / whole.Estimate}
}

func (f *onceFlags) mark(found *finding, kind memwatch.Kind, known *baseline) {
	if found.Function != "" && slices.ContainsFunc(f.expect, func(want string) bool { return isFunction(found.Function, want) }) {
		found.Mark = markExpected
		return
	}
	before, ok := known.growth(kind, found.Function)
	if !ok {
		found.Mark = markNew
		return
	}
	found.KnownBytesPerSecond = &before.Estimate
	found.Mark = markKnown
	if faster(found.GrowthBytesPerSecond, before) {
		found.Mark = markFaster
	}
}

// isFunction reports whether want names the function: whole, or its end from a
// package or a type on, as (*Cache).Put and shop.(*Cache).Put do.
func isFunction(function, want string) bool {
	return function == want || strings.HasSuffix(function, "/"+want) || strings.HasSuffix(function, "."+want)
}

// worst is the outcome of a target that has these findings, one at least.
func worst(findings []finding) outcome {
	out := goodExpected
	for i := range findings {
		switch {
		case findings[i].fails():
			return failed
		case findings[i].Mark == markKnown:
			out = goodKnown
		}
	}
	return out
}
