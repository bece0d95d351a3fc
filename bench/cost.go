package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

// target measures what being read costs the watched service: each call by
// itself, what that makes at the default intervals, and what requests feel.
func target(ctx context.Context, l *lab) (*table, error) {
	t := &table{{"what", "500 stacks", "3,000", "5,000", "20,000"}}
	vars := []string{"`/debug/vars`, CPU ms a call"}
	heap := []string{"`/debug/pprof/heap`, CPU ms a call"}
	share := []string{"at the defaults (six readings and a profile a minute), % of a core"}
	for _, stacks := range []int{500, 3000, 5000, 20000} {
		p, err := l.start(ctx, true, "target", "-stacks", fmt.Sprint(stacks), "-churn", "0")
		if err != nil {
			return nil, err
		}
		v, err := l.callCost(ctx, p, "/debug/vars", 200)
		var h spread
		if err == nil {
			h, err = l.callCost(ctx, p, "/debug/pprof/heap", 10)
		}
		p.stop()
		if err != nil {
			return nil, err
		}
		vars, heap = append(vars, v.say("%.2f")), append(heap, h.say("%.1f"))
		share = append(share, fmt.Sprintf("%.3f", (6*v.median()+h.median())/60_000*100))
	}
	t.add(vars...)
	t.add(heap...)
	t.add(share...)
	alone, watched, err := l.latency(ctx)
	if err != nil {
		return nil, err
	}
	t.add("p99 of a service with 3,000 stacks at 800 requests/s, ms", "", "unread "+alone.say("%.2f"), "watched "+watched.say("%.2f"), "ratio "+watched.per(alone).say("%.2f"))
	return t, nil
}

// callCost is the target's CPU time a call of path, in milliseconds.
func (l *lab) callCost(ctx context.Context, p *process, path string, calls int) (spread, error) {
	var out spread
	for range l.pairs + 1 {
		before, err := p.cpu()
		if err != nil {
			return nil, err
		}
		for range calls {
			if err := get(ctx, http.DefaultClient, p.url+path); err != nil {
				return nil, err
			}
		}
		after, err := p.cpu()
		if err != nil {
			return nil, err
		}
		out = append(out, (after-before)/float64(calls))
	}
	return out[1:], nil // the first warms up
}

func get(ctx context.Context, client *http.Client, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, resp.Body)
	_ = resp.Body.Close()
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s answered %s", url, resp.Status)
	}
	return err
}

// latency is the 99th percentile of requests to a service, in turn unread and
// watched by memwatchd at its defaults, in milliseconds.
func (l *lab) latency(ctx context.Context) (alone, watched spread, err error) {
	p, err := l.start(ctx, true, "target", "-stacks", fmt.Sprint(targetStacks))
	if err != nil {
		return nil, nil, err
	}
	defer p.stop()
	hub, err := l.start(ctx, true, "memwatch-hub", "serve", "--listen", "127.0.0.1:0", "--data", filepath.Join(l.dir, "hub-latency"))
	if err != nil {
		return nil, nil, err
	}
	defer hub.stop()
	for range l.pairs {
		ms, err := l.p99(ctx, p)
		if err != nil {
			return nil, nil, err
		}
		alone = append(alone, ms)
		agent, err := l.memwatchd(ctx, hub, []*process{p}, 10*time.Second)
		if err != nil {
			return nil, nil, err
		}
		ms, err = l.p99(ctx, p)
		agent.stop()
		if err != nil {
			return nil, nil, err
		}
		watched = append(watched, ms)
	}
	return alone, watched, nil
}

// p99 sends 800 requests a second, on time whatever the answers do: a slow
// answer does not hold back the next request.
func (l *lab) p99(ctx context.Context, p *process) (float64, error) {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 256}}
	defer client.CloseIdleConnections()
	var mu sync.Mutex
	var took []float64
	var failed error
	var wg sync.WaitGroup
	tick := time.NewTicker(time.Second / 800)
	defer tick.Stop()
	for end := time.Now().Add(l.length); time.Now().Before(end); {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return 0, ctx.Err()
		}
		wg.Go(func() {
			start := time.Now()
			err := get(ctx, client, p.url+"/work")
			ms := float64(time.Since(start)) / 1e6
			mu.Lock()
			defer mu.Unlock()
			took = append(took, ms)
			if err != nil {
				failed = err
			}
		})
	}
	wg.Wait()
	if failed != nil {
		return 0, failed
	}
	slices.Sort(took)
	return took[len(took)*99/100], nil
}
