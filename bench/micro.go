package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
)

// benchmarks are the Go benchmarks whose figures belong beside the others.
var benchmarks = []struct{ pkg, run, time string }{
	{"./detector", ".", "1s"},
	{"./scraper/pprof", ".", "1s"},
	{"./hub/store", "Append", "60x"},
	{"./hub/store", "Readings", "50x"},
	{"./hub/store/sqlite", "Append", "600x"},
	{"./hub/store/sqlite", "Readings", "100x"},
	{"./hub/store/chunk", ".", "1s"},
}

// micro runs Go benchmarks, each several times.
func micro(ctx context.Context, l *lab) (*table, error) {
	t := &table{{"package", "benchmark", "figures"}}
	for _, b := range benchmarks {
		cmd := exec.CommandContext(ctx, "go", "test", "-run", "^$", "-bench", b.run, "-benchtime", b.time, //nolint:gosec // the list above
			"-count", strconv.Itoa(l.pairs), "-benchmem", b.pkg)
		out, err := cmd.CombinedOutput()
		if err != nil {
			return nil, fmt.Errorf("go test -bench %s %s: %w\n%s", b.run, b.pkg, err, out)
		}
		names, figures := parseBenchmarks(out)
		for _, name := range names {
			var words []string
			for _, unit := range figures[name].units {
				words = append(words, figures[name].of[unit].say("%.4g")+" "+unit)
			}
			t.add("`"+b.pkg+"`", name, strings.Join(words, "; "))
		}
	}
	return t, nil
}

// measured are the figures of one benchmark, by unit in the order printed.
type measured struct {
	units []string
	of    map[string]spread
}

// parseBenchmarks reads what go test -bench prints.
func parseBenchmarks(out []byte) (names []string, figures map[string]*measured) {
	figures = map[string]*measured{}
	for lines := bufio.NewScanner(bytes.NewReader(out)); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) < 4 || !strings.HasPrefix(fields[0], "Benchmark") {
			continue
		}
		name := strings.TrimPrefix(fields[0], "Benchmark")
		if i := strings.LastIndexByte(name, '-'); i > 0 {
			name = name[:i]
		}
		m := figures[name]
		if m == nil {
			m = &measured{of: map[string]spread{}}
			figures[name] = m
			names = append(names, name)
		}
		for i := 2; i+1 < len(fields); i += 2 {
			v, err := strconv.ParseFloat(fields[i], 64)
			if err != nil {
				continue
			}
			if m.of[fields[i+1]] == nil {
				m.units = append(m.units, fields[i+1])
			}
			m.of[fields[i+1]] = append(m.of[fields[i+1]], v)
		}
	}
	return names, figures
}
