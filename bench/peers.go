package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Where the peers are that no package brings: the path of the program.
const (
	parcaPath     = "MEMWATCH_BENCH_PARCA"
	pyroscopePath = "MEMWATCH_BENCH_PYROSCOPE"
)

const peerTargets = 20

// peers measures programs that keep every profile, queryable, which memwatch does
// not: CPU a heap profile of 3,000 stacks, and memory, with 20 targets.
func peers(ctx context.Context, l *lab) (*table, error) {
	targets, err := l.targets(ctx, peerTargets)
	if err != nil {
		return nil, err
	}
	defer func() {
		for _, p := range targets {
			p.stop()
		}
	}()
	t := &table{{"who, 20 targets", "CPU a heap profile, ms", "RSS, MB"}}
	for _, p := range []struct {
		words, env string
		run        func(ctx context.Context, program, dir string, targets []*process) (*process, func(context.Context) error, error)
	}{
		{"Parca, which scrapes and keeps them all", parcaPath, l.parca},
		{"Pyroscope, which is sent them and keeps them all", pyroscopePath, l.pyroscope},
	} {
		program := os.Getenv(p.env)
		if program == "" {
			t.add(p.words, "not measured: "+p.env+" names no program", "–")
			continue
		}
		var f figures
		for n := range l.pairs {
			dir := filepath.Join(l.dir, fmt.Sprintf("%s-%d", p.env, n))
			if err := os.MkdirAll(dir, 0o750); err != nil {
				return nil, err
			}
			peer, send, err := p.run(ctx, program, dir, targets)
			if err != nil {
				return nil, err
			}
			sending, stop := context.WithCancel(ctx)
			sent := make(chan error, 1)
			go func() { sent <- send(sending) }()
			err = l.weigh(ctx, peer, targets, &f)
			stop()
			if e := <-sent; err == nil {
				err = e
			}
			peer.stop()
			if err != nil {
				return nil, fmt.Errorf("%s: %w", program, err)
			}
		}
		t.add(p.words, f.cpu.say("%.1f"), f.rss.say("%.0f"))
	}
	return t, nil
}

// parca scrapes the heap profiles each six seconds, as the sidecars do.
func (l *lab) parca(ctx context.Context, program, dir string, targets []*process) (*process, func(context.Context) error, error) {
	var hosts []string
	for _, t := range targets {
		hosts = append(hosts, t.url[len("http://"):])
	}
	config := fmt.Sprintf(`object_storage: {bucket: {type: FILESYSTEM, config: {directory: %q}}}
scrape_configs:
  - job_name: bench
    scrape_interval: %s
    scrape_timeout: 5s
    static_configs: [{targets: [%s]}]
    profiling_config:
      pprof_config:
        memory: {enabled: true, path: /debug/pprof/heap}
        block: {enabled: false}
        goroutine: {enabled: false}
        mutex: {enabled: false}
        process_cpu: {enabled: false}
`, dir, sidecarEach*sidecarInterval, strings.Join(hosts, ", "))
	path := filepath.Join(dir, "parca.yaml")
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		return nil, nil, err
	}
	p, err := l.start(ctx, false, program, "--config-path", path, "--http-address", "127.0.0.1:0")
	return p, func(context.Context) error { return nil }, err
}

// pyroscope is sent the profiles, which are fetched here: what that takes is not counted.
func (l *lab) pyroscope(ctx context.Context, program, dir string, targets []*process) (*process, func(context.Context) error, error) {
	port, err := freePort(ctx)
	if err != nil {
		return nil, nil, err
	}
	p, err := l.start(ctx, false, program, "-server.http-listen-address=127.0.0.1", fmt.Sprintf("-server.http-listen-port=%d", port),
		"-storage.backend=filesystem", "-storage.filesystem.dir="+filepath.Join(dir, "blocks"), "-pyroscopedb.data-path="+filepath.Join(dir, "data"))
	return p, func(ctx context.Context) error {
		tick := time.NewTicker(sidecarEach * sidecarInterval / peerTargets)
		defer tick.Stop()
		for n := 0; ; n++ {
			select {
			case <-ctx.Done():
				return nil
			case <-tick.C:
			}
			if err := push(ctx, targets[n%peerTargets].url, fmt.Sprintf("http://127.0.0.1:%d/ingest?name=target-%d&format=pprof", port, n%peerTargets)); err != nil && ctx.Err() == nil && n > peerTargets {
				return err // the first may come before it listens
			}
		}
	}, err
}

func push(ctx context.Context, from, to string) error {
	var body bytes.Buffer
	if err := fetchInto(ctx, from+"/debug/pprof/heap", &body); err != nil {
		return err
	}
	now := time.Now().Unix()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, fmt.Sprintf("%s&from=%d&until=%d", to, now-int64(sidecarEach), now), &body)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("%s answered %s", to, resp.Status)
	}
	return nil
}

func fetchInto(ctx context.Context, url string, into io.Writer) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	_, err = io.Copy(into, resp.Body)
	return err
}

func freePort(ctx context.Context) (int, error) {
	ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer func() { _ = ln.Close() }()
	return ln.Addr().(*net.TCPAddr).Port, nil //nolint:errcheck,forcetypeassert // it listens on TCP
}
