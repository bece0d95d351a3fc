package main

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/zupee/memwatch"
)

// The part of the JUnit format that CI systems read: a suite, a case for each target.
type junitSuites struct {
	XMLName xml.Name     `xml:"testsuites"`
	Suites  []junitSuite `xml:"testsuite"`
}

type junitSuite struct {
	Name      string      `xml:"name,attr"`
	Tests     int         `xml:"tests,attr"`
	Failures  int         `xml:"failures,attr"`
	Errors    int         `xml:"errors,attr"`
	Skipped   int         `xml:"skipped,attr"`
	Time      string      `xml:"time,attr"`
	Timestamp string      `xml:"timestamp,attr"`
	Cases     []junitCase `xml:"testcase"`
}

type junitCase struct {
	Name      string        `xml:"name,attr"`
	ClassName string        `xml:"classname,attr"`
	Time      string        `xml:"time,attr"`
	Failure   *junitTrouble `xml:"failure"`
	Error     *junitTrouble `xml:"error"`
	SystemOut *junitText    `xml:"system-out"`
}

type junitText struct {
	Text string `xml:",cdata"`
}

type junitTrouble struct {
	Message string `xml:"message,attr"`
	Type    string `xml:"type,attr"`
	Text    string `xml:",cdata"`
}

// writeJUnit writes a report that shows a leak as a failed test and a target
// that could not be judged as one with an error.
func writeJUnit(w io.Writer, r *onceOutput) error {
	seconds := fmt.Sprintf("%.3f", r.DurationSeconds)
	suite := junitSuite{
		Name: "memwatchd once", Tests: len(r.Targets), Time: seconds,
		Timestamp: r.StartedAt.Time().Format("2006-01-02T15:04:05"),
	}
	for i := range r.Targets {
		t := &r.Targets[i]
		c := junitCase{Name: t.Service, ClassName: "memwatch", Time: seconds}
		var text strings.Builder
		writeTarget(&text, t, false)
		switch t.Outcome {
		case failed:
			suite.Failures++
			c.Failure = &junitTrouble{failMessage(t), string(t.Verdict.State), text.String()}
		case unjudged:
			suite.Errors++
			c.Error = &junitTrouble{headline(t), "unjudged", text.String()}
		default:
			c.SystemOut = &junitText{text.String()}
		}
		suite.Cases = append(suite.Cases, c)
	}
	return writeXML(w, junitSuites{Suites: []junitSuite{suite}})
}

func writeXML(w io.Writer, doc any) error {
	b, err := xml.MarshalIndent(doc, "", "  ")
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "%s%s\n", xml.Header, b)
	return err
}

// failMessage is one line that says what is wrong: all that many a CI system shows.
func failMessage(t *onceTarget) string {
	for i := range t.Findings {
		if f := &t.Findings[i]; f.fails() {
			return fmt.Sprintf("%s: %s", t.Verdict.State, findingWords(f, t.Verdict))
		}
	}
	return t.Verdict.Summary
}

// findingWords says one finding in words, on one line.
func findingWords(f *finding, v *memwatch.Verdict) string {
	what := "growth that no function accounts for"
	if f.culprit != nil {
		what = fmt.Sprintf("%s (%s:%d)", f.Function, shortFile(f.culprit.File), f.culprit.Line)
	}
	s := fmt.Sprintf("%s: %s, %s/s", what, v.Kind, size(f.GrowthBytesPerSecond.Estimate))
	switch f.Mark {
	case markExpected:
		s += ", expected"
	case markKnown:
		s += fmt.Sprintf(", in the baseline with %s/s", size(*f.KnownBytesPerSecond))
	case markFaster:
		s += fmt.Sprintf(", faster than the %s/s of the baseline", size(*f.KnownBytesPerSecond))
	case markNew:
	}
	return s
}

// at is a time as reports have it.
func at(m memwatch.UnixMilli) string { return m.Time().Format(time.RFC3339) }
