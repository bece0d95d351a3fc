package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// part is a Go benchmark's figure, beside another's where it has a peer.
type part struct {
	what, pkg, name, unit string
	per                   float64 // what the figure is divided by; 0 is 1
	peer                  string  // the benchmark to compare with
	goal                  string
	faster                bool // the goal is how many times faster than the peer
}

var parts = []part{
	{what: "detector: a healthy reading, µs", pkg: "./detector", name: "ObserveHealthy", unit: "ns/op", per: 1e3, goal: "≤ 5"},
	{what: "the same, allocations", pkg: "./detector", name: "ObserveHealthy", unit: "allocs/op", goal: "0"},
	{what: "state of a series, kB", pkg: "./detector", name: "State", unit: "B/series", per: 1e3, goal: "≤ 10"},
	{what: "state of a target with 5,000 sites, MB", pkg: "./detector", name: "State", unit: "B/target-5000-sites", per: 1e6, goal: "≤ 1"},
	{what: "a heap profile of 500 samples, ms; `profile.ParseData`", pkg: "./scraper/pprof", name: "Decode/memwatch/500", unit: "ns/op", per: 1e6, peer: "Decode/reference/500", goal: "–"},
	{what: "5,000 samples", pkg: "./scraper/pprof", name: "Decode/memwatch/5000", unit: "ns/op", per: 1e6, peer: "Decode/reference/5000", goal: "≤ 0.30"},
	{what: "20,000 samples", pkg: "./scraper/pprof", name: "Decode/memwatch/20000", unit: "ns/op", per: 1e6, peer: "Decode/reference/20000", goal: "≤ 0.30"},
	{what: "50,000 samples", pkg: "./scraper/pprof", name: "Decode/memwatch/50000", unit: "ns/op", per: 1e6, peer: "Decode/reference/50000", goal: "≤ 0.30"},
	{what: "20,000 samples; decompressing them alone (the floor)", pkg: "./scraper/pprof", name: "Decode/memwatch/20000", unit: "ns/op", per: 1e6, peer: "Decode/gunzip/20000", goal: "–"},
	{what: "20,000 samples, allocations", pkg: "./scraper/pprof", name: "Decode/memwatch/20000", unit: "allocs/op", goal: "≤ 2"},
	{what: "JSON of a reading, µs; encoding/json into a plain struct", pkg: "./wire", name: "UnmarshalMetrics/memwatch", unit: "ns/op", per: 1e3, peer: "UnmarshalMetrics/encoding-json", goal: "≤ 0.15"},
	{what: "storing a reading, µs; clustered rows", pkg: "./hub/store/sqlite", name: "Append/chunks", unit: "ns/reading", per: 1e3, peer: "Append/rows", goal: "≥ 5 × faster, ≤ 2.5 µs", faster: true},
	{what: "bytes written for it; clustered rows", pkg: "./hub/store/sqlite", name: "Append/chunks", unit: "B-written/reading", peer: "Append/rows", goal: "≤ 1,000"},
	{what: "bytes of disk for it; clustered rows", pkg: "./hub/store/sqlite", name: "Append/chunks", unit: "B-disk/reading", peer: "Append/rows", goal: "≤ 80"},
	{what: "reading a day of an instance, ms; clustered rows", pkg: "./hub/store/sqlite", name: "Readings/chunks/points=10000", unit: "ns/op", per: 1e6, peer: "Readings/rows", goal: "≤ 0.17"},
}

// suites are how the benchmarks of a package are run.
var suites = []struct{ pkg, run, time string }{
	{"./detector", "ObserveHealthy|State", "1s"},
	{"./scraper/pprof", "Decode/", "1s"},
	{"./wire", ".", "1s"},
	{"./hub/store/sqlite", "Append", "600x"},
	{"./hub/store/sqlite", "Readings", "100x"},
}

// micro runs Go benchmarks, all of them in turn and then again.
func micro(ctx context.Context, l *lab) (*table, error) {
	figures := map[string]spread{} // by package, benchmark and unit
	for range l.pairs {
		for _, s := range suites {
			cmd := exec.CommandContext(ctx, "go", "test", "-run", "^$", "-bench", s.run, "-benchtime", s.time, "-benchmem", s.pkg) //nolint:gosec // the list above
			out, err := cmd.CombinedOutput()
			if err != nil {
				return nil, fmt.Errorf("go test -bench %s %s: %w\n%s", s.run, s.pkg, err, out)
			}
			parseBenchmarks(out, s.pkg, figures)
		}
	}
	if l.plots != "" {
		if err := writePlot(filepath.Join(l.plots, "benchmarks.svg"), "What parts of memwatch cost, beside the usual way (less is better)", micropanels(figures)); err != nil {
			return nil, err
		}
	}
	t := &table{{"what; beside what", "memwatch", "the other", "ratio", "goal"}}
	for _, p := range parts {
		ours := figures[p.pkg+" "+p.name+" "+p.unit].over(p.per)
		if len(ours) == 0 {
			return nil, fmt.Errorf("%s has no benchmark %s with %s", p.pkg, p.name, p.unit)
		}
		other, ratio := "–", "–"
		if p.peer != "" {
			peer := figures[p.pkg+" "+p.peer+" "+p.unit].over(p.per)
			other, ratio = peer.say(digits(peer)), ours.per(peer).say("%.2f")
			if p.faster {
				ratio = peer.per(ours).say("%.1f")
			}
		}
		t.add(p.what, ours.say(digits(ours)), other, ratio, p.goal)
	}
	return t, nil
}

// digits is how figures are best printed.
func digits(s spread) string {
	if s.median() >= 1000 {
		return "%.0f"
	}
	return "%.3g"
}

// parseBenchmarks adds what go test -bench prints.
func parseBenchmarks(out []byte, pkg string, figures map[string]spread) {
	for lines := bufio.NewScanner(bytes.NewReader(out)); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) < 4 || !strings.HasPrefix(fields[0], "Benchmark") {
			continue
		}
		name := strings.TrimPrefix(fields[0], "Benchmark")
		if i := strings.LastIndexByte(name, '-'); i > 0 { // the number of processors
			name = name[:i]
		}
		for i := 2; i+1 < len(fields); i += 2 {
			if v, err := strconv.ParseFloat(fields[i], 64); err == nil {
				key := pkg + " " + name + " " + fields[i+1]
				figures[key] = append(figures[key], v)
			}
		}
	}
}

// micropanels are the figures that are worth a look.
func micropanels(figures map[string]spread) []panel {
	bars := func(title, unit, pkg, of string, by float64, names ...[2]string) panel {
		p := panel{title: title, unit: unit}
		for i, n := range names {
			p.bars = append(p.bars, bar{n[0], figures[pkg+" "+n[1]+" "+of].over(by).median(), i == 0})
		}
		return p
	}
	return []panel{
		bars("Reading a heap profile of 20,000 samples", "ms", "./scraper/pprof", "ns/op", 1e6,
			[2]string{"memwatch", "Decode/memwatch/20000"}, [2]string{"profile.ParseData", "Decode/reference/20000"}, [2]string{"decompressing it alone", "Decode/gunzip/20000"}),
		bars("Reading the JSON of a reading", "µs", "./wire", "ns/op", 1e3,
			[2]string{"memwatch", "UnmarshalMetrics/memwatch"}, [2]string{"encoding/json", "UnmarshalMetrics/encoding-json"}),
		bars("Storing a reading, 1,000 instances interleaved", "µs", "./hub/store/sqlite", "ns/reading", 1e3,
			[2]string{"memwatch: chunks", "Append/chunks"}, [2]string{"rows, clustered by instance", "Append/rows"}),
		bars("Bytes handed to the disk for it", "B", "./hub/store/sqlite", "B-written/reading", 1,
			[2]string{"memwatch: chunks", "Append/chunks"}, [2]string{"rows, clustered by instance", "Append/rows"}),
		bars("Reading back a day of one instance", "ms", "./hub/store/sqlite", "ns/op", 1e6,
			[2]string{"memwatch: chunks", "Readings/chunks/points=10000"}, [2]string{"rows, clustered by instance", "Readings/rows"}),
	}
}
