package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/zupee/memwatch/internal/pgtest"
)

// replicas plays 10,000 instances to three hubs on one PostgreSQL, whose commits
// reach the disk. One is killed midway and comes back a minute later; another is
// stopped and started as an upgrade does it. Then the store is held against what
// was sent.
func replicas(ctx context.Context, l *lab) (_ *table, err error) {
	c, err := newCluster(ctx, l, "replicas", 3)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, c.end()) }()
	s := newSoak(l.soak, 200)
	s.browsers.again = true
	half := max(2, int(l.soak/time.Minute)/2)
	began, before := time.Now(), serverCPU(c.pid)
	err = s.run(ctx, l, c.hubs, func(minute int) error {
		switch minute {
		case half:
			fmt.Fprintln(l.out, "one hub is killed")
			c.hubs[1].kill()
		case half + 1:
			fmt.Fprintln(l.out, "it is started again")
			return c.again(ctx, 1)
		case half + 3:
			fmt.Fprintln(l.out, "another is stopped and started")
			c.hubs[2].stop()
			return c.again(ctx, 2)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	cores := (serverCPU(c.pid) - before) / time.Since(began).Seconds()
	found, alerts, err := s.check(ctx, c.hubs[1].url)
	if err != nil {
		return nil, err
	}
	t := s.table(found, alerts)
	t.add("cores of PostgreSQL, besides", fmt.Sprintf("%.2f", cores), "–")
	return t, nil
}

// scale measures what one, two and three hubs on one PostgreSQL take as fast as they
// confirm it, and what that costs.
func scale(ctx context.Context, l *lab) (*table, error) {
	t := &table{{"hubs", "readings/s", "CPU of the hubs, µs a reading", "of PostgreSQL", "goal"}}
	for n, goal := range []string{"≥ 30,000", "in proportion", "in proportion"} {
		var rate, hubs, server spread
		for i := range l.pairs {
			if err := l.fill(ctx, n+1, fmt.Sprintf("scale-%d-%d", n, i), &rate, &hubs, &server); err != nil {
				return nil, err
			}
		}
		t.add(fmt.Sprint(n+1), rate.say("%.0f"), hubs.say("%.1f"), server.say("%.1f"), goal)
	}
	return t, nil
}

// fill plays as fast as it goes to a new cluster of so many hubs.
func (l *lab) fill(ctx context.Context, n int, name string, rate, hubs, server *spread) (err error) {
	c, err := newCluster(ctx, l, name, n)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.end()) }()
	ctx, cancel := context.WithCancel(ctx)
	a := &agents{connections: 24, targets: 50, patience: time.Minute}
	var urls []string
	for _, h := range c.hubs {
		urls = append(urls, h.url)
	}
	failed := make(chan error, 1)
	var wg sync.WaitGroup
	wg.Go(func() { failed <- a.run(ctx, urls...) })
	defer wg.Wait()
	defer cancel()
	if err := waitAcked(ctx, a, 24_000, failed); err != nil {
		return err
	}
	acked, began, by := a.acked.Load(), time.Now(), serverCPU(c.pid)
	spent, err := used(ctx, l.length, c.hubs...)
	if err != nil {
		return err
	}
	took, readings := time.Since(began), float64(a.acked.Load()-acked)
	var total float64
	for _, ms := range spent {
		total += ms
	}
	*rate = append(*rate, readings/took.Seconds())
	*hubs = append(*hubs, 1000*total/readings)
	*server = append(*server, 1e6*(serverCPU(c.pid)-by)/readings)
	return nil
}

// cluster is some hubs on one database of a server of their own.
type cluster struct {
	*lab
	server         *pgtest.Server
	pid            int
	database, data string
	hubs           []*process
}

// newCluster starts so many hubs.
func newCluster(ctx context.Context, l *lab, name string, n int) (_ *cluster, err error) {
	c := &cluster{lab: l, data: filepath.Join(l.dir, name)}
	//nolint:contextcheck // it is ended by end
	if c.server, err = pgtest.Run("fsync=on", "max_wal_size=4GB", "shared_buffers=256MB"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.end())
		}
	}()
	if c.pid, err = c.server.PID(); err != nil {
		return nil, err
	}
	if c.database, err = c.server.Create(ctx); err != nil {
		return nil, err
	}
	for range n {
		h, err := c.begin(ctx, "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		c.hubs = append(c.hubs, h)
	}
	return c, nil
}

func (c *cluster) begin(ctx context.Context, listen string) (*process, error) {
	return c.start(ctx, true, "memwatch-hub", "serve", "--listen", listen, "--data", c.data, "--store", c.database)
}

// again starts a hub where it was.
func (c *cluster) again(ctx context.Context, i int) error {
	h, err := c.begin(ctx, strings.TrimPrefix(c.hubs[i].url, "http://"))
	if err == nil {
		c.hubs[i] = h
	}
	return err
}

func (c *cluster) end() error {
	for _, h := range c.hubs {
		h.stop()
	}
	return c.server.End()
}

// serverCPU is the CPU time that a server used so far, in seconds: of its processes,
// those that have ended too.
func serverCPU(pid int) (seconds float64) {
	seconds = ticks(pid, 13, 17) // with the children that it waited for
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if err != nil {
		return seconds
	}
	for _, child := range strings.Fields(string(b)) {
		if n, err := strconv.Atoi(child); err == nil {
			seconds += ticks(n, 13, 15)
		}
	}
	return seconds
}

// ticks adds up fields of /proc/PID/stat that count in hundredths of a second.
func ticks(pid, from, to int) (seconds float64) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:])) // from the third on
	for i := from - 2; i < to-2 && i < len(fields); i++ {
		v, _ := strconv.ParseFloat(fields[i], 64)
		seconds += v / 100
	}
	return seconds
}
