package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// Both sidecars read expvar each second and a heap profile each sixth time,
// which is memwatchd's habit of 10 s and a minute, ten times faster.
const (
	sidecarInterval = time.Second
	sidecarEach     = 6
	targetStacks    = 3000
)

// sidecar compares memwatchd, everything on (detector, evidence, spool, uplink
// to a real hub), with the straightforward sidecar.
func sidecar(ctx context.Context, l *lab) (*table, error) {
	t := &table{{"targets", "who", "CPU a heap profile and six readings, ms", "RSS, MB", "CPU ratio", "RSS ratio"}}
	for _, n := range []int{1, 20, 100} {
		targets, err := l.targets(ctx, n)
		if err != nil {
			return nil, err
		}
		ours, plain, err := l.race(ctx, targets)
		for _, p := range targets {
			p.stop()
		}
		if err != nil {
			return nil, err
		}
		t.add(fmt.Sprint(n), "memwatchd", ours.cpu.say("%.2f"), ours.rss.say("%.1f"), ours.cpu.per(plain.cpu).say("%.2f"), ours.rss.per(plain.rss).say("%.2f"))
		t.add(fmt.Sprint(n), "straightforward", plain.cpu.say("%.2f"), plain.rss.say("%.1f"), "1", "1")
	}
	if err := l.prometheus(ctx, t); err != nil {
		return nil, err
	}
	return t, nil
}

func (l *lab) targets(ctx context.Context, n int) ([]*process, error) {
	var out []*process
	for range n {
		p, err := l.start(ctx, true, "target", "-stacks", fmt.Sprint(targetStacks))
		if err != nil {
			return nil, err
		}
		out = append(out, p)
	}
	return out, nil
}

// figures are what one sidecar used: milliseconds a profile, megabytes.
type figures struct{ cpu, rss spread }

// race runs the two in turn over the same targets.
func (l *lab) race(ctx context.Context, targets []*process) (ours, plain figures, err error) {
	hub, err := l.start(ctx, true, "memwatch-hub", "serve", "--listen", "127.0.0.1:0", "--data", filepath.Join(l.dir, fmt.Sprintf("hub-%d", len(targets))))
	if err != nil {
		return ours, plain, err
	}
	defer hub.stop()
	for range l.pairs {
		for _, one := range []struct {
			into *figures
			run  func() (*process, error)
		}{
			{&ours, func() (*process, error) { return l.memwatchd(ctx, hub, targets, sidecarInterval) }},
			{&plain, func() (*process, error) { return l.plain(ctx, targets) }},
		} {
			p, err := one.run()
			if err != nil {
				return ours, plain, err
			}
			err = l.weigh(ctx, p, targets, one.into)
			p.stop()
			if err != nil {
				return ours, plain, err
			}
		}
	}
	return ours, plain, nil
}

// weigh lets a sidecar warm up and measures it over one run.
func (l *lab) weigh(ctx context.Context, p *process, targets []*process, into *figures) error {
	if _, err := used(ctx, sidecarEach*sidecarInterval, p); err != nil {
		return err
	}
	before, err := profilesServed(targets)
	if err != nil {
		return err
	}
	cpu, err := used(ctx, l.length, p)
	if err != nil {
		return err
	}
	after, err := profilesServed(targets)
	if err != nil {
		return err
	}
	rss, err := p.rss()
	if err != nil {
		return err
	}
	if after == before {
		return fmt.Errorf("%s read no profile in %s", p.cmd.Path, l.length)
	}
	into.cpu = append(into.cpu, cpu[0]/float64(after-before))
	into.rss = append(into.rss, rss)
	return nil
}

func (l *lab) memwatchd(ctx context.Context, hub *process, targets []*process, interval time.Duration) (*process, error) {
	dir, err := os.MkdirTemp(l.dir, "agent-")
	if err != nil {
		return nil, err
	}
	var urls []map[string]string
	for i, t := range targets {
		urls = append(urls, map[string]string{"service": fmt.Sprintf("target-%d", i), "url": t.url})
	}
	config, err := json.Marshal(map[string]any{ // JSON is YAML too
		"dashboardUrl": "ws" + hub.url[len("http"):], "checkInterval": interval.String(), "profileShare": 1, "listen": "",
		"snapshotPath": filepath.Join(dir, "snapshots"), "stateDir": filepath.Join(dir, "state"), "spool": map[string]string{"dir": filepath.Join(dir, "spool")}, "targets": urls,
	})
	if err != nil {
		return nil, err
	}
	path := filepath.Join(dir, "config.yaml")
	if err := os.WriteFile(path, config, 0o600); err != nil {
		return nil, err
	}
	return l.start(ctx, false, "memwatchd", "run", "--config", path)
}

func (l *lab) plain(ctx context.Context, targets []*process) (*process, error) {
	args := []string{"-interval", sidecarInterval.String(), "-profile-each", fmt.Sprint(sidecarEach)}
	for _, t := range targets {
		args = append(args, t.url)
	}
	return l.start(ctx, false, "plain", args...)
}

// profilesServed asks targets how many heap profiles they have served.
func profilesServed(targets []*process) (int, error) {
	total := 0
	for _, t := range targets {
		var counts struct{ Heap int }
		resp, err := http.Get(t.url + "/counts") //nolint:noctx // answers at once, on loopback
		if err != nil {
			return 0, err
		}
		err = json.NewDecoder(resp.Body).Decode(&counts)
		_ = resp.Body.Close()
		if err != nil {
			return 0, err
		}
		total += counts.Heap
	}
	return total, nil
}

// prometheus adds what Prometheus, where Debian's package is installed, uses to
// scrape the metrics of 20 such targets each second: it reads no profile.
func (l *lab) prometheus(ctx context.Context, t *table) error {
	program, err := exec.LookPath("prometheus")
	if err != nil {
		t.add("20", "Prometheus", "not installed here", "–", "–", "–")
		return nil //nolint:nilerr // the table says so
	}
	targets, err := l.targets(ctx, 20)
	if err != nil {
		return err
	}
	defer func() {
		for _, p := range targets {
			p.stop()
		}
	}()
	config := "global: {scrape_interval: 1s}\nscrape_configs:\n  - job_name: bench\n    static_configs:\n      - targets: ["
	for _, p := range targets {
		config += p.url[len("http://"):] + ", "
	}
	path := filepath.Join(l.dir, "prometheus.yml")
	if err := os.WriteFile(path, []byte(config+"]\n"), 0o600); err != nil {
		return err
	}
	var cpu, rss spread
	for range l.pairs {
		p, err := l.start(ctx, false, program, "--config.file", path, "--storage.tsdb.path", filepath.Join(l.dir, "tsdb"), "--web.listen-address", "127.0.0.1:0")
		if err != nil {
			return err
		}
		_, err = used(ctx, sidecarEach*sidecarInterval, p)
		var spent []float64
		if err == nil {
			spent, err = used(ctx, l.length, p)
		}
		if err == nil {
			var mb float64
			mb, err = p.rss()
			rss = append(rss, mb)
		}
		p.stop()
		if err != nil {
			return err
		}
		cpu = append(cpu, spent[0]/(l.length.Seconds()*20)*sidecarEach)
	}
	t.add("20", "Prometheus (six scrapes of metrics, no profile)", cpu.say("%.2f"), rss.say("%.1f"), "–", "–")
	return nil
}
