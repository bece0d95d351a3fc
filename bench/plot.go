package main

import (
	"fmt"
	"html"
	"os"
	"strings"
)

// panel is some bars that are measured alike, drawn against the longest of them.
type panel struct {
	title, unit string
	bars        []bar
}

type bar struct {
	name  string
	value float64
	ours  bool
}

// Sizes of a drawing, in its own units.
const (
	plotWidth, plotMargin = 760, 24
	plotNames             = 250 // where bars begin
	plotLongest           = 400
	barHeight, barStep    = 16, 22
	titleHeight, panelGap = 24, 14
)

// draw makes an SVG of panels below each other, that says everything in words too.
func draw(title string, panels []panel) string {
	var body, said strings.Builder
	y := plotMargin + titleHeight
	text := func(x, y int, class, words string) {
		fmt.Fprintf(&body, `<text x="%d" y="%d" class="%s">%s</text>`+"\n", x, y, class, html.EscapeString(words))
	}
	text(plotMargin, plotMargin+10, "head", title)
	for _, p := range panels {
		y += panelGap
		text(plotMargin, y+12, "title", p.title)
		y += titleHeight
		fmt.Fprintf(&said, "%s: ", p.title)
		longest := 0.0
		for _, b := range p.bars {
			longest = max(longest, b.value)
		}
		for _, b := range p.bars {
			width, class := int(plotLongest*b.value/max(longest, 1e-9)), "other"
			if b.ours {
				class = "ours"
			}
			label := three(b.value) + " " + p.unit
			text(plotNames-8, y+12, "name", b.name)
			fmt.Fprintf(&body, `<rect x="%d" y="%d" width="%d" height="%d" rx="2" class="%s"/>`+"\n", plotNames, y, max(width, 2), barHeight, class)
			text(plotNames+max(width, 2)+6, y+12, "value", label)
			fmt.Fprintf(&said, "%s %s; ", b.name, label)
			y += barStep
		}
	}
	return fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" role="img" aria-labelledby="t d">
<title id="t">%s</title>
<desc id="d">%s</desc>
<style>
text { font: 13px system-ui, sans-serif; fill: #1f2937 }
.head { font-size: 16px; font-weight: 600 } .title { font-weight: 600 } .name { text-anchor: end; fill: #4b5563 }
.ours { fill: #0f766e } .other { fill: #9ca3af } .paper { fill: #ffffff }
@media (prefers-color-scheme: dark) { text { fill: #e5e7eb } .name { fill: #9ca3af } .ours { fill: #2dd4bf } .other { fill: #6b7280 } .paper { fill: #111827 } }
</style>
<rect class="paper" width="100%%" height="100%%"/>
%s</svg>
`, plotWidth, y+plotMargin, html.EscapeString(title), html.EscapeString(strings.TrimSpace(said.String())), body.String())
}

// writePlot puts a drawing beside the page.
func writePlot(path, title string, panels []panel) error {
	if err := os.WriteFile(path, []byte(draw(title, panels)), 0o644); err != nil {
		return fmt.Errorf("write plot: %w", err)
	}
	return nil
}
