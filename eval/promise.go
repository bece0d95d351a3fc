package main

import (
	"fmt"
	"strings"
)

// promise is one thing that is said of the detector, with what was measured.
type promise struct {
	what  string
	value float64
	// least or most: which way the value must lie of the need.
	least bool
	need  float64
}

func (p *promise) holds() bool {
	if p.least {
		return p.value >= p.need
	}
	return p.value <= p.need
}

// verify lists the promises and reports whether one is broken.
func verify(all []promise) (list string, broken bool) {
	var b strings.Builder
	b.WriteString("| promised of memwatch | needed | measured | |\n|---|---|---|---|\n")
	for i := range all {
		p := &all[i]
		sign, mark := "≤", "holds"
		if p.least {
			sign = "≥"
		}
		if !p.holds() {
			mark, broken = "**BROKEN**", true
		}
		fmt.Fprintf(&b, "| %s | %s %.3g | %.4g | %s |\n", p.what, sign, p.need, p.value, mark)
	}
	return b.String(), broken
}
