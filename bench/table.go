package main

import (
	"cmp"
	"fmt"
	"os"
	"slices"
	"strings"
)

// table is rows of words, the first of them the heading.
type table [][]string

func (t *table) add(cells ...string) { *t = append(*t, cells) }

func (t *table) markdown() string {
	var b strings.Builder
	for i, cells := range *t {
		fmt.Fprintf(&b, "| %s |\n", strings.Join(cells, " | "))
		if i == 0 {
			b.WriteString("|" + strings.Repeat("---|", len(cells)) + "\n")
		}
	}
	return b.String()
}

// writeSection puts a text between <!-- bench:NAME --> and <!-- /bench:NAME -->.
func writeSection(path, name, text string) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("write table: %w", err)
	}
	open, end := "<!-- bench:"+name+" -->\n", "<!-- /bench:"+name+" -->"
	before, rest, ok := strings.Cut(string(b), open)
	_, after, closed := strings.Cut(rest, end)
	if !ok || !closed {
		return fmt.Errorf("write table: %s has no markers %q and %q", path, strings.TrimSpace(open), end)
	}
	return os.WriteFile(path, []byte(before+open+"\n"+text+"\n"+end+after), 0o644)
}

// spread is the figures of several runs.
type spread []float64

func (s spread) median() float64 {
	if len(s) == 0 {
		return 0
	}
	v := slices.Sorted(slices.Values(s))
	return (v[(len(v)-1)/2] + v[len(v)/2]) / 2
}

// quantile is of figures in order; 0 when there are none.
func (s spread) quantile(q float64) float64 {
	if len(s) == 0 {
		return 0
	}
	return s[min(int(q*float64(len(s))), len(s)-1)]
}

// say is the median with the least and the most, as in "1.2 (1.1–1.4)".
func (s spread) say(format string) string {
	if len(s) == 0 {
		return "–"
	}
	one := func(v float64) string { return fmt.Sprintf(format, v) }
	return fmt.Sprintf("%s (%s–%s)", one(s.median()), one(slices.Min(s)), one(slices.Max(s)))
}

// three is a number in three digits, or in whole thousands.
func three(v float64) string {
	if v >= 1000 {
		return thousands(int(v))
	}
	return fmt.Sprintf("%.3g", v)
}

// over divides each by the same.
func (s spread) over(by float64) spread {
	var out spread
	for _, v := range s {
		out = append(out, v/cmp.Or(by, 1))
	}
	return out
}

// per divides pair by pair.
func (s spread) per(other spread) spread {
	var out spread
	for i := range min(len(s), len(other)) {
		if other[i] > 0 {
			out = append(out, s[i]/other[i])
		}
	}
	return out
}
