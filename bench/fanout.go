package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/zupee/memwatch/internal/ws"
)

// fanout measures what a message to a browser costs the hub, beside a TCP server
// that writes as many bytes to as many clients and does nothing else.
func fanout(ctx context.Context, l *lab) (*table, error) {
	type arm struct {
		clients, rate int // messages a second to each
		raw           bool
		window        time.Duration
		cost          spread // µs a message
		last, kb      spread // ms until the last client has one; kilobytes a client
	}
	arms := []*arm{
		{clients: 1000, rate: 20, window: 10 * time.Millisecond},
		{clients: 1000, rate: 20, raw: true},
		{clients: 5000, rate: 4, window: 10 * time.Millisecond},
		{clients: 5000, rate: 4, raw: true},
		{clients: 1000, rate: 100, window: 100 * time.Millisecond},
	}
	size := 400
	for n := range l.pairs {
		for i, a := range arms {
			got, err := l.fan(ctx, fmt.Sprintf("fan-%d-%d", n, i), a.clients, a.rate, a.raw, a.window, size)
			if err != nil {
				return nil, err
			}
			a.cost, a.last, a.kb = append(a.cost, got.cost), append(a.last, got.last), append(a.kb, got.kb)
			if !a.raw {
				size = got.size
			}
		}
	}
	t := &table{{"what", "hub", "raw writes, a goroutine each", "ratio", "goal"}}
	for _, i := range []int{0, 2} {
		t.add(fmt.Sprintf("%d browsers, each message by itself: µs of CPU a message", arms[i].clients),
			arms[i].cost.say("%.1f"), arms[i+1].cost.say("%.1f"), arms[i].cost.per(arms[i+1].cost).say("%.2f"), "≤ 1.35")
	}
	together := arms[0].cost.per(arms[4].cost)
	t.add("1,000 browsers, ten messages a window of 100 ms: µs a message", arms[4].cost.say("%.1f"), "–", "cheaper by "+together.say("%.1f"), "≥ 3")
	t.add("5,000 browsers: memory of the hub for each, kB", arms[2].kb.say("%.1f"), arms[3].kb.say("%.1f"), arms[2].kb.per(arms[3].kb).say("%.1f"), "≤ 24 kB")
	t.add("5,000 browsers: a message is with the last of them after, ms", arms[2].last.say("%.0f"), arms[3].last.say("%.0f"), arms[2].last.per(arms[3].last).say("%.2f"), "≤ 1.3")
	return t, nil
}

// fanned is what a fan-out took.
type fanned struct {
	cost, last, kb float64
	size           int // bytes of a message
}

func (l *lab) fan(ctx context.Context, name string, clients, rate int, raw bool, window time.Duration, size int) (f fanned, err error) {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	server, err := l.fanServer(ctx, name, raw, rate, window, size)
	if err != nil {
		return f, err
	}
	defer server.stop()
	if !raw { // as many targets as messages a second, so that none replaces another in a window
		a := &agents{connections: rate, targets: 1, interval: time.Second}
		wg.Go(func() { _ = a.run(ctx, server.url) })
	}
	before, err := server.rss()
	if err != nil {
		return f, err
	}
	h := &heard{last: map[int64]int64{}}
	for range clients {
		if err := h.connect(ctx, &wg, server.url, raw, size); err != nil {
			return f, err
		}
	}
	pause(ctx, 2*time.Second)
	h.reset()
	cpu, err := used(ctx, l.length, server)
	if err != nil {
		return f, err
	}
	after, err := server.rss()
	if err != nil {
		return f, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.messages == 0 {
		return f, errors.New("no message came")
	}
	return fanned{cpu[0] * 1000 / float64(h.messages), h.slowest(), (after - before) * 1000 / float64(clients), h.bytes / h.messages}, nil
}

func (l *lab) fanServer(ctx context.Context, name string, raw bool, rate int, window time.Duration, size int) (*process, error) {
	if raw {
		return l.start(ctx, true, "raw", "-rate", fmt.Sprint(rate), "-bytes", fmt.Sprint(size))
	}
	config, err := json.Marshal(map[string]any{ // JSON is YAML too
		"listen": "127.0.0.1:0", "data": filepath.Join(l.dir, name), "live": map[string]any{"window": window.String(), "maxClients": 10_000},
	})
	if err != nil {
		return nil, err
	}
	path := filepath.Join(l.dir, name+".yaml")
	if err := os.WriteFile(path, config, 0o600); err != nil {
		return nil, err
	}
	return l.start(ctx, true, "memwatch-hub", "serve", "--config", path)
}

// heard counts what all clients receive.
type heard struct {
	mu              sync.Mutex
	messages, bytes int
	last            map[int64]int64 // by a message's own time, when the last client had it
}

func (h *heard) reset() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.messages, h.bytes = 0, 0
	clear(h.last)
}

// connect adds a client that reads until ctx ends.
func (h *heard) connect(ctx context.Context, wg *sync.WaitGroup, url string, raw bool, size int) error {
	if raw {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", url[len("http://"):])
		if err != nil {
			return err
		}
		context.AfterFunc(ctx, func() { _ = conn.Close() })
		wg.Go(func() {
			for frame := make([]byte, size); ; h.count(frame) {
				if _, err := io.ReadFull(conn, frame); err != nil {
					return
				}
			}
		})
		return nil
	}
	conn, _, err := ws.Dial(ctx, "ws"+url[len("http"):]+"/ws", ws.DialOptions{MaxFrameBytes: 64 << 20}) //nolint:bodyclose // ws.Dial closes it
	if err != nil {
		return err
	}
	wg.Go(func() {
		defer func() { _ = conn.CloseNow() }()
		for {
			_, frame, err := conn.Read(ctx)
			if err != nil {
				return
			}
			h.count(frame)
		}
	})
	return nil
}

// count looks for what matters alone: reading all of it would take the machine
// from those that are measured.
func (h *heard) count(frame []byte) {
	n := bytes.Count(frame, []byte(`"metricsUpdate"`))
	if n == 0 {
		return
	}
	now := time.Now().UnixMilli()
	_, rest, _ := bytes.Cut(frame, []byte(`"timestamp":`))
	digits, _, _ := bytes.Cut(rest, []byte(","))
	at, _ := strconv.ParseInt(string(digits), 10, 64)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.messages += n
	h.bytes += len(frame)
	h.last[at] = max(h.last[at], now)
}

// slowest is the median, over messages, of how long the last client waited, ms.
func (h *heard) slowest() float64 {
	var s spread
	for at, last := range h.last {
		s = append(s, float64(last-at))
	}
	return s.median()
}
