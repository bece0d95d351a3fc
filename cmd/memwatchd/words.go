package main

import (
	"fmt"
	"io"
	"math"
	"path/filepath"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/zupee/memwatch"
)

// size writes bytes as people read them.
func size(bytes float64) string {
	if bytes < 0 {
		return "-" + size(-bytes)
	}
	unit := 0
	for ; bytes >= 1023.5 && unit < len(sizeUnits)-1; unit++ {
		bytes /= 1024
	}
	if unit > 0 && bytes < 9.95 {
		return fmt.Sprintf("%.1f %s", bytes, sizeUnits[unit])
	}
	return fmt.Sprintf("%.0f %s", bytes, sizeUnits[unit])
}

var sizeUnits = []string{"B", "KiB", "MiB", "GiB", "TiB", "PiB"}

// span writes seconds in the two largest units that matter.
func span(seconds float64) string {
	d := time.Duration(seconds * float64(time.Second))
	switch {
	case seconds >= 100*365*24*3600:
		return "over 100 years"
	case d < time.Minute:
		return fmt.Sprintf("%.0f s", seconds)
	case d < time.Hour:
		return two(d, time.Minute, "min", time.Second, "s")
	case d < 48*time.Hour:
		return two(d, time.Hour, "h", time.Minute, "min")
	default:
		return two(d, 24*time.Hour, "days", time.Hour, "h")
	}
}

func two(d, large time.Duration, name string, small time.Duration, smallName string) string {
	d = d.Round(small)
	n, rest := d/large, d%large/small
	if rest == 0 || n >= 10 {
		return fmt.Sprintf("%d %s", int64(math.Round(float64(d)/float64(large))), name)
	}
	return fmt.Sprintf("%d %s %d %s", n, name, rest, smallName)
}

func growth(v *memwatch.Verdict) string {
	g := v.GrowthBytesPerSecond
	return fmt.Sprintf("%s/s (%s to %s), %s since %s", size(g.Estimate), size(g.Low), size(g.High),
		size(v.GrowthBytes), v.Since.Time().Local().Format(time.TimeOnly))
}

func limit(v *memwatch.Verdict) string {
	if v.LimitBytes <= 0 {
		return "unknown: --limit says one"
	}
	s := fmt.Sprintf("%s (%s)", size(float64(v.LimitBytes)), v.LimitSource)
	if v.TimeToLimitSeconds == nil {
		return s
	}
	s += ", reached in about " + span(*v.TimeToLimitSeconds)
	low, high := v.TimeToLimitLowSeconds, v.TimeToLimitHighSeconds
	switch {
	case low != nil && high != nil:
		s += fmt.Sprintf(" (%s to %s)", span(*low), span(*high))
	case low != nil:
		s += fmt.Sprintf(" (%s or later)", span(*low))
	}
	return s
}

func writeCulprits(w io.Writer, culprits []memwatch.Culprit) {
	if len(culprits) == 0 {
		return
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(t, "    share\tgrowth\tholds\tfunction\twhere")
	for i := range culprits {
		c := &culprits[i]
		if i > 0 && c.Share < 0.02 {
			continue // there, and of no matter
		}
		function := c.Function
		if c.Certainty == memwatch.Likely {
			function += " (likely)"
		}
		_, _ = fmt.Fprintf(t, "    %.0f %%\t%s/s\t%s\t%s\t%s:%d\n", c.Share*100, size(c.GrowthBytesPerSecond), size(float64(c.LiveBytes)), function, shortFile(c.File), c.Line)
	}
	_ = t.Flush()
}

// shortFile keeps the end of a path, which is what tells files apart.
func shortFile(path string) string {
	parts := strings.Split(filepath.ToSlash(path), "/")
	if len(parts) > 3 {
		parts = parts[len(parts)-3:]
	}
	return strings.Join(parts, "/")
}

func writeGates(w io.Writer, gates []memwatch.Gate) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, g := range gates {
		mark, value := "no", "unknown"
		if g.Passed {
			mark = "yes"
		}
		if g.Value != nil {
			value = gateNumber(g.Name, *g.Value)
		}
		_, _ = fmt.Fprintf(t, "    %s\t%s\t%s\t%s\t%s\n", mark, g.Name, value, gateNeed(&g), g.Detail)
	}
	_ = t.Flush()
}

// gateNumber writes what a gate measures in its unit.
func gateNumber(name string, v float64) string {
	switch name {
	case "growth", "new":
		return size(v)
	case "watched", "horizon":
		return span(v)
	case "ending", "lately", "load":
		return fmt.Sprintf("%.0f %%", 100*v)
	case "proof":
		return fmt.Sprintf("%.0f goroutines", v)
	}
	return fmt.Sprintf("%.4g", v)
}

// gateNeed writes what a gate needs. One may pass without: its detail says why.
func gateNeed(g *memwatch.Gate) string {
	sign, rest, _ := strings.Cut(g.Need, " ")
	number, or, _ := strings.Cut(rest, ", ")
	need, err := strconv.ParseFloat(number, 64)
	if err != nil {
		return "needs " + g.Need
	}
	out := "needs " + sign + " " + gateNumber(g.Name, need)
	if or != "" {
		out += ", " + or
	}
	if g.Passed && or == "" && g.Value != nil && !compare(*g.Value, sign, need) {
		out = "usually " + out
	}
	return out
}

func compare(v float64, sign string, need float64) bool {
	switch sign {
	case ">":
		return v > need
	case ">=":
		return v >= need
	case "<":
		return v < need
	case "<=":
		return v <= need
	}
	return false
}

// words joins what is allowed as people list it: "a, b or c".
func words(list []string) string {
	last := len(list) - 1
	return strings.Join(list[:last], ", ") + " or " + list[last]
}
