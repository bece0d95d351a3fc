package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"

	"github.com/zupee/memwatch"
	"github.com/zupee/memwatch/agent"
)

// progressLine is one line on a terminal that says how far a check has come.
// Into a pipe or a file it writes nothing.
type progressLine struct {
	terminal *os.File // nil when there is none
	start    time.Time
	duration time.Duration // 0 while a command runs
	names    []string

	mu    sync.Mutex
	at    []agent.Progress
	drawn time.Time
}

func newProgressLine(w io.Writer, targets []agent.Target, duration time.Duration) *progressLine {
	p := &progressLine{start: time.Now(), duration: duration, at: make([]agent.Progress, len(targets))}
	if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		p.terminal = f
	}
	for i, t := range targets {
		p.names = append(p.names, t.Service)
		p.at[i].State = memwatch.Learning
	}
	return p
}

const redrawEvery = 200 * time.Millisecond

// show takes news from any goroutine.
func (p *progressLine) show(news agent.Progress) {
	if p.terminal == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.at[news.Target] = news
	if now := time.Now(); now.Sub(p.drawn) >= redrawEvery {
		p.drawn = now
		width, _, err := term.GetSize(int(p.terminal.Fd()))
		if err != nil || width < 20 {
			width = 80
		}
		_, _ = fmt.Fprintf(p.terminal, "\r\x1b[K%s", cut(p.text(now), width-1))
	}
}

func (p *progressLine) clear() {
	if p.terminal != nil {
		_, _ = fmt.Fprint(p.terminal, "\r\x1b[K")
	}
}

func (p *progressLine) text(now time.Time) string {
	var b strings.Builder
	b.WriteString(span(now.Sub(p.start).Seconds()))
	if p.duration > 0 {
		b.WriteString(" of " + span(p.duration.Seconds()))
	}
	for i, at := range p.at {
		fmt.Fprintf(&b, " · %s %s", p.names[i], at.State)
		if at.LiveHeapBytes > 0 {
			fmt.Fprintf(&b, ", live heap %s", size(at.LiveHeapBytes))
		}
		if at.Failed > 0 {
			fmt.Fprintf(&b, ", %d of %d failed", at.Failed, at.Failed+at.Samples)
		}
	}
	return b.String()
}

func cut(s string, width int) string {
	if r := []rune(s); len(r) > width {
		return string(r[:width-1]) + "…"
	}
	return s
}
