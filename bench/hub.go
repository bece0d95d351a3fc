package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"
)

// central measures the hub: readings through it as fast as it confirms them,
// at the pace of a large fleet, and on to browsers.
func central(ctx context.Context, l *lab) (*table, error) {
	t := &table{{"what", "figures", "goal"}}
	full := measuredLoad{agents: 20, targets: 50}
	fleet := measuredLoad{agents: 200, targets: 50, interval: 10 * time.Second}
	sidecars := measuredLoad{agents: 10_000, targets: 1, interval: 10 * time.Second}
	small := measuredLoad{agents: 20, targets: 1, interval: 10 * time.Second}
	if err := l.repeat(ctx, &full, &fleet, &sidecars, &small); err != nil {
		return nil, err
	}
	t.add("WebSocket → durable → live, 1,000 instances, readings/s and core", full.perCore.say("%.0f"), "≥ 40,000")
	t.add("the same, bytes handed to the disk a reading", full.written.say("%.0f"), "≤ 1,000")
	t.add("10,000 instances at 10 s, 50 an agent: cores", fleet.cores.say("%.2f"), "≤ 0.5")
	t.add("the same, RSS, MB", fleet.rss.say("%.0f"), "≤ 400")
	t.add("10,000 instances at 10 s, each with an agent of its own: cores", sidecars.cores.say("%.2f"), "≤ 0.5")
	t.add("the same, RSS, MB", sidecars.rss.say("%.0f"), "≤ 400")
	t.add("20 agents at 10 s: RSS, MB", small.rss.say("%.0f"), "≤ 45")
	return t, l.live(ctx, t)
}

// measuredLoad is agents at work on a hub, and what that took.
type measuredLoad struct {
	agents, targets int
	interval        time.Duration

	perCore, written, cores, rss spread
}

// repeat runs the loads in turn, each on a new hub.
func (l *lab) repeat(ctx context.Context, loads ...*measuredLoad) error {
	for n := range l.pairs {
		for i, m := range loads {
			if err := l.load(ctx, m, fmt.Sprintf("load-%d-%d", n, i)); err != nil {
				return err
			}
		}
	}
	return nil
}

func (l *lab) load(ctx context.Context, m *measuredLoad, name string) error {
	hub, err := l.start(ctx, true, "memwatch-hub", "serve", "--listen", "127.0.0.1:0", "--data", filepath.Join(l.dir, name))
	if err != nil {
		return err
	}
	defer hub.stop()
	ctx, cancel := context.WithCancel(ctx)
	a := &agents{connections: m.agents, targets: m.targets, interval: m.interval}
	failed := make(chan error, 1)
	var wg sync.WaitGroup
	wg.Go(func() { failed <- a.run(ctx, hub.url) })
	defer wg.Wait()
	defer cancel()

	// All targets have been heard once before anything is measured.
	if err := waitAcked(ctx, a, int64(m.agents*m.targets), failed); err != nil {
		return err
	}
	ackedBefore, wroteBefore := a.acked.Load(), wrote(hub)
	began := time.Now()
	cpu, err := used(ctx, max(l.length, m.interval), hub)
	if err != nil {
		return err
	}
	took := time.Since(began)
	rss, err := hub.rss()
	if err != nil {
		return err
	}
	readings := float64(a.acked.Load() - ackedBefore)
	if readings == 0 {
		return fmt.Errorf("the hub confirmed nothing in %s", took)
	}
	m.perCore = append(m.perCore, readings/(cpu[0]/1000))
	m.written = append(m.written, (wrote(hub)-wroteBefore)/readings)
	m.cores = append(m.cores, cpu[0]/1000/took.Seconds())
	m.rss = append(m.rss, rss)
	return nil
}

func waitAcked(ctx context.Context, a *agents, n int64, failed chan error) error {
	for a.acked.Load() < n {
		select {
		case err := <-failed:
			return fmt.Errorf("agents ended: %w", err)
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
	return nil
}

// wrote is how many bytes a process has handed to write(2).
func wrote(p *process) float64 {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/io", p.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, "wchar:"); ok {
			v, _ := strconv.ParseFloat(strings.TrimSpace(rest), 64)
			return v
		}
	}
	return 0
}

// live measures how late readings of 1,000 instances reach 100 browsers, and
// whether ten that never read hold back the others.
func (l *lab) live(ctx context.Context, t *table) error {
	var p50, p99, p99stalled spread
	for n := range l.pairs {
		for _, stalled := range []int{0, 10} {
			late, err := l.lateness(ctx, stalled, fmt.Sprintf("live-%d-%d", n, stalled))
			if err != nil {
				return err
			}
			if stalled > 0 {
				p99stalled = append(p99stalled, late.quantile(0.99))
				continue
			}
			p50, p99 = append(p50, late.quantile(0.5)), append(p99, late.quantile(0.99))
		}
	}
	t.add("reading → browser, 1,000 instances at 10 s, 100 browsers, p50 ms", p50.say("%.0f"), "≤ 100")
	t.add("the same, p99 ms", p99.say("%.0f"), "≤ 500")
	t.add("the same with 10 more that never read, p99 as a ratio", p99stalled.per(p99).say("%.2f"), "≤ 1.1")
	return nil
}

func (l *lab) lateness(ctx context.Context, stalled int, name string) (spread, error) {
	hub, err := l.start(ctx, true, "memwatch-hub", "serve", "--listen", "127.0.0.1:0", "--data", filepath.Join(l.dir, name))
	if err != nil {
		return nil, err
	}
	defer hub.stop()
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	var b browsers
	if err := b.watch(ctx, &wg, hub.url, 100, stalled); err != nil {
		return nil, err
	}
	a := &agents{connections: 100, targets: 10, interval: 10 * time.Second}
	failed := make(chan error, 1)
	wg.Go(func() { failed <- a.run(ctx, hub.url) })
	pause(ctx, l.length)
	if err := b.err(); err != nil {
		return nil, err
	}
	late := b.take()
	if len(late) == 0 {
		return nil, fmt.Errorf("no reading reached a browser in %s", l.length)
	}
	return late, nil
}
