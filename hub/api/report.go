package api

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"html/template"
	"strings"
	"time"

	"github.com/zupee/memwatch"
)

//go:embed report.html
var reportText string

var reportPage = template.Must(template.New("report").Funcs(template.FuncMap{
	"bytes": bytesText, "time": timeText, "left": leftText, "percent": func(v float64) string { return fmt.Sprintf("%.0f %%", 100*v) },
}).Parse(reportText))

// reportPolicy: the report has no script, and needs nothing from anywhere.
const reportPolicy = "sandbox; default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

type pageReply struct {
	ContentType  string `header:"Content-Type"`
	Policy       string `header:"Content-Security-Policy"`
	CacheControl string `header:"Cache-Control"`
	Disposition  string `header:"Content-Disposition"`
	Body         []byte
}

type reportData struct {
	Alert         memwatch.Alert
	Made          time.Time
	Chart         *chart
	Profiles      []memwatch.Capture
	Flames        []bar
	FlameHeight   float64
	NewestID      string
	BaseID        string
	FlamesMissing string
}

// report tells an alert on one page.
func (s *Server) report(ctx context.Context, in *ByID) (*pageReply, error) {
	st, err := s.story(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	data := reportData{Alert: st.alert, Made: time.Now(), Profiles: st.profiles, Chart: draw(st)}
	if newest, base := st.compared(); newest != nil {
		data.NewestID = newest.ID
		if base != nil {
			data.BaseID = base.ID
		}
		f, err := s.flames(ctx, *newest, base, "")
		var p *Problem
		switch {
		case errors.As(err, &p):
			data.FlamesMissing = p.Detail
		case err != nil:
			return nil, err
		default:
			data.Flames = bars(f)
			data.FlameHeight = flameRow * float64(depth(data.Flames)+1)
		}
	}
	var b bytes.Buffer
	if err := reportPage.Execute(&b, data); err != nil {
		return nil, fmt.Errorf("write report: %w", err)
	}
	return &pageReply{
		ContentType: "text/html; charset=utf-8", Policy: reportPolicy, CacheControl: "no-store",
		Disposition: fmt.Sprintf("inline; filename=%q", "memwatch-"+fileWord(st.alert.Service)+"-"+fileWord(st.alert.ID)+".html"),
		Body:        b.Bytes(),
	}, nil
}

// bar is one call of a flame graph, root on top, in parts of the whole.
type bar struct {
	X, Y, Width float64
	Label, Full string
	Class       string
	Depth       int
}

const (
	flameRow   = 18.0
	flameWidth = 1000.0
	// leastBar is the narrowest bar, of flameWidth, that is drawn.
	leastBar = 1.5
	maxBars  = 4000
)

// bars lays a flame graph out. With a base, what grew is told by colour.
func bars(f Flamegraph) []bar {
	whole := float64(max(f.Total, f.BaseTotal))
	if f.Root == nil || whole <= 0 {
		return nil
	}
	var out []bar
	var lay func(n *Node, x float64, level int)
	lay = func(n *Node, x float64, level int) {
		width := flameWidth * float64(max(n.Value, n.Base)) / whole
		if width < leastBar || len(out) >= maxBars || level > 80 {
			return
		}
		full := fmt.Sprintf("%s: %s", n.Function, amount(n.Value, f.Unit))
		class := "plain"
		if f.Base != nil {
			full += ", before " + amount(n.Base, f.Unit)
			switch grown := n.Value - n.Base; {
			case grown > max(n.Value, n.Base)/2:
				class = "new"
			case grown > max(n.Value, n.Base)/10:
				class = "grown"
			case grown < 0:
				class = "less"
			}
		}
		label := ""
		if fits := int(width / 7); fits >= 3 {
			label = n.Function[strings.LastIndex(n.Function, "/")+1:]
			if r := []rune(label); len(r) > fits {
				label = string(r[:fits-1]) + "…"
			}
		}
		out = append(out, bar{X: x, Y: flameRow * float64(level), Width: width, Label: label, Full: full, Class: class, Depth: level})
		for _, c := range n.Children {
			lay(c, x, level+1)
			x += flameWidth * float64(max(c.Value, c.Base)) / whole
		}
	}
	lay(f.Root, 0, 0)
	return out
}

func depth(bars []bar) int {
	deepest := 0
	for _, b := range bars {
		deepest = max(deepest, b.Depth)
	}
	return deepest
}

func amount(v int64, unit string) string {
	if unit == "bytes" {
		return bytesText(v)
	}
	return fmt.Sprint(v)
}

func bytesText(v any) string {
	var b float64
	switch n := v.(type) {
	case int64:
		b = float64(n)
	case float64:
		b = n
	}
	for _, unit := range []string{"B", "KiB", "MiB", "GiB"} {
		if b < 1024 && b > -1024 {
			return strings.TrimSuffix(fmt.Sprintf("%.1f", b), ".0") + " " + unit
		}
		b /= 1024
	}
	return fmt.Sprintf("%.1f TiB", b)
}

func timeText(v any) string {
	switch t := v.(type) {
	case memwatch.UnixMilli:
		if t == 0 {
			return "unknown"
		}
		return t.Time().Format("2006-01-02 15:04:05 UTC")
	case time.Time:
		return t.UTC().Format("2006-01-02 15:04:05 UTC")
	}
	return ""
}

// leftText words a time to the limit.
func leftText(seconds *float64) string {
	if seconds == nil {
		return "not foreseeable"
	}
	d := time.Duration(min(*seconds, 1e9)) * time.Second
	switch {
	case d > 48*time.Hour:
		return fmt.Sprintf("%.0f days", d.Hours()/24)
	case d > 2*time.Hour:
		return fmt.Sprintf("%.0f hours", d.Hours())
	}
	return fmt.Sprintf("%.0f minutes", d.Minutes())
}
