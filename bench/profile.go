package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/google/pprof/profile"
)

// profiles takes profiles of hubs at work into docs/profiles: of one that stores
// as much as it can, and of one with a large fleet at its usual pace.
func profiles(ctx context.Context, l *lab) (*table, error) {
	into, err := filepath.Abs("docs/profiles")
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(into, 0o750); err != nil {
		return nil, err
	}
	t := &table{{"profiles", "of", "CPU", "heap in use"}}
	for _, p := range []struct {
		name, words string
		agents      *agents
	}{
		{"hub", "1,000 instances, as fast as they are confirmed", &agents{connections: 20, targets: 50}},
		{"hub-fleet", "10,000 instances at 10 s", &agents{connections: 200, targets: 50, interval: 10 * time.Second}},
	} {
		cpu, heap, err := l.profiled(ctx, filepath.Join(into, p.name), p.agents)
		if err != nil {
			return nil, err
		}
		t.add(fmt.Sprintf("[CPU](profiles/%s-cpu.pb.gz), [heap](profiles/%s-heap.pb.gz)", p.name, p.name), p.words,
			fmt.Sprintf("%.1f s for %d readings", cpu/1e9, p.agents.acked.Load()), fmt.Sprintf("%.1f MB", heap/1e6))
	}
	return t, nil
}

func (l *lab) profiled(ctx context.Context, into string, a *agents) (cpu, heap float64, err error) {
	hub, err := l.start(ctx, true, "profiled", "-data", filepath.Join(l.dir, filepath.Base(into)+"-data"), "-into", into)
	if err != nil {
		return 0, 0, err
	}
	load, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() { _ = a.run(load, hub.url) })
	_, err = used(ctx, max(l.length, 2*a.interval), hub)
	hub.stop() // under load: the heap profile is of that
	cancel()
	wg.Wait()
	if err != nil {
		return 0, 0, err
	}
	if cpu, err = sum(into + "-cpu.pb.gz"); err != nil {
		return 0, 0, err
	}
	heap, err = sum(into + "-heap.pb.gz")
	return cpu, heap, err
}

// sum adds up the last sample type of a profile: CPU time in ns, or bytes in use.
func sum(path string) (float64, error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer func() { _ = f.Close() }()
	p, err := profile.Parse(f)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", path, err)
	}
	var total float64
	for _, s := range p.Sample {
		total += float64(s.Value[len(s.Value)-1])
	}
	return total, nil
}
