package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/zupee/memwatch"
	"github.com/zupee/memwatch/internal/ws"
	"github.com/zupee/memwatch/wire"
)

// agents play memwatchd to hubs over real WebSockets: each connection speaks
// for some targets and sends batches, the next when the last is confirmed.
type agents struct {
	connections, targets int
	// interval between the readings of a target; 0 is as fast as the hub confirms.
	interval time.Duration
	// readings is how many each target sends in all; 0 is until the context ends.
	readings int
	// patience is how long a connection tries to find a hub again and to have a batch
	// confirmed, as memwatchd does for ever; at 0 the first failure ends the run.
	patience time.Duration
	// leakEach makes each so many-th target leak from its third reading on; 0 is none.
	leakEach int
	// books remember what was sent; nil remembers nothing.
	books *books
	// waits are how late readings were confirmed, by when they were due; nil keeps none.
	waits *lags

	acked  atomic.Int64 // readings that a hub has confirmed
	resent atomic.Int64 // batches that were sent more than once
}

// ticksABatch is how many readings of each target go together when there is no
// interval to wait for.
const ticksABatch = 10

const batchReadings = 500

// run sends until ctx ends, or all has been sent. Each connection begins with
// another of the hubs, and moves on to the next when it loses it.
func (a *agents) run(ctx context.Context, hubURLs ...string) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	for i := range a.connections {
		wg.Go(func() {
			p := &player{agents: a, number: i, hubs: hubURLs, hub: i, r: rand.New(rand.NewPCG(1, uint64(i)))}
			if err := p.play(ctx); err != nil && ctx.Err() == nil {
				cancel(err)
			}
		})
	}
	wg.Wait()
	if err := context.Cause(ctx); err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// player is one connection at a time.
type player struct {
	*agents
	number, hub int
	hubs        []string
	r           *rand.Rand
	conn        *ws.Conn
}

func (p *player) play(ctx context.Context) error {
	defer p.drop()
	if p.patience == 0 { // a hub that is not there is known at once
		if err := p.dial(ctx); err != nil {
			return err
		}
	}
	if p.interval > 0 { // spread over the interval
		pause(ctx, time.Duration(p.r.Int64N(int64(p.interval))))
	}
	together := max(1, ticksABatch*btoi(p.interval == 0))
	began := time.Now()
	for tick := 0; ctx.Err() == nil && (p.readings == 0 || tick < p.readings); tick += together {
		due := began.Add(time.Duration(tick) * p.interval)
		pause(ctx, time.Until(due))
		var messages []wire.Metrics
		for n := range together {
			at := due
			if p.interval == 0 {
				at = began.Add(time.Duration(tick+n) * time.Millisecond)
			}
			for t := range p.targets {
				messages = append(messages, p.message(t, tick+n, at))
			}
		}
		for len(messages) > 0 && ctx.Err() == nil {
			n := min(len(messages), batchReadings)
			if err := p.confirm(ctx, fmt.Sprintf("%d-%d-%d", p.number, tick, len(messages)), messages[:n]); err != nil {
				return err
			}
			if p.waits != nil {
				p.waits.add(time.Since(due), n)
			}
			messages = messages[n:]
		}
	}
	return nil
}

// message is the next reading of a target, with a verdict when that changed.
func (p *player) message(target, tick int, at time.Time) wire.Metrics {
	n := p.number*p.targets + target
	m := reading(p.r, serviceOf(n), at)
	if p.leakEach > 0 && n%p.leakEach == 0 && tick >= 2 && tick%30 == 2 {
		m = *wire.NewMetrics("", memwatch.Target{Service: m.Service, Instance: m.Instance}, m.Sample, leak(tick))
	}
	if p.books != nil {
		p.books.sent(n, &m)
	}
	return m
}

// serviceOf names the n-th target's service; it has one instance.
func serviceOf(n int) string { return fmt.Sprintf("service-%d", n) }

// confirm sends a batch until it is acked.
func (p *player) confirm(ctx context.Context, id string, messages []wire.Metrics) error {
	frame, err := json.Marshal(wire.Batch{Type: wire.TypeBatch, V: wire.Version, ID: id, Messages: messages})
	if err != nil {
		return err
	}
	for first := time.Now(); ; {
		again, err := p.exchange(ctx, id, frame)
		if err == nil {
			break
		}
		if ctx.Err() != nil {
			return nil //nolint:nilerr // the run is over
		}
		if time.Since(first) > p.patience {
			return err
		}
		p.resent.Add(1)
		pause(ctx, again/2+time.Duration(p.r.Int64N(int64(again))))
	}
	p.acked.Add(int64(len(messages)))
	if p.books != nil {
		p.books.confirmed(p.number*p.targets, p.targets, messages)
	}
	return nil
}

// exchange sends a batch once and waits for the answer. On an error it says when
// to send it again; a connection that failed is given up for the next hub.
func (p *player) exchange(ctx context.Context, id string, frame []byte) (again time.Duration, err error) {
	const moveOn = 200 * time.Millisecond
	if p.conn == nil {
		if err := p.dial(ctx); err != nil {
			p.hub++
			return moveOn, err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	err = p.conn.Write(ctx, ws.Text, frame, time.Minute)
	var answer []byte
	if err == nil {
		_, answer, err = p.conn.Read(ctx)
	}
	if err != nil {
		p.drop()
		p.hub++
		return moveOn, err
	}
	var said wire.Error // an ack has its first fields
	if err := json.Unmarshal(answer, &said); err != nil || said.Type != wire.TypeAck || said.ID != id {
		again = max(moveOn, time.Duration(said.RetryAfterMs)*time.Millisecond)
		return again, fmt.Errorf("the hub answered %.200s, want the ack of %s", answer, id)
	}
	return 0, nil
}

func (p *player) dial(ctx context.Context) (err error) {
	url := p.hubs[p.hub%len(p.hubs)]
	p.conn, _, err = ws.Dial(ctx, "ws"+url[len("http"):]+"/ws/agent", ws.DialOptions{Subprotocols: []string{wire.Subprotocol}, MaxFrameBytes: 1 << 20}) //nolint:bodyclose // ws.Dial closes it
	return err
}

func (p *player) drop() {
	if p.conn != nil {
		_ = p.conn.CloseNow()
	}
	p.conn = nil
}

// reading makes up one of a Go service at work.
func reading(r *rand.Rand, service string, at time.Time) wire.Metrics {
	s := memwatch.Sample{Time: at, Start: at.Truncate(time.Hour)}
	live := float64(80<<20 + r.IntN(8<<20))
	gc := float64(at.UnixMilli() / 700)
	for _, v := range []struct {
		sig   memwatch.Signal
		value float64
	}{
		{memwatch.LiveHeapBytes, live},
		{memwatch.HeapAllocBytes, live + float64(r.IntN(60<<20))},
		{memwatch.HeapInuseBytes, 1.4 * live},
		{memwatch.HeapIdleBytes, 40 << 20},
		{memwatch.HeapReleasedBytes, 30 << 20},
		{memwatch.HeapSysBytes, 190 << 20},
		{memwatch.HeapObjects, float64(800_000 + r.IntN(90_000))},
		{memwatch.StackInuseBytes, 3 << 20},
		{memwatch.SysBytes, 220 << 20},
		{memwatch.NextGCBytes, 2 * live},
		{memwatch.NumGC, gc},
		{memwatch.TotalAllocBytes, gc * 70e6},
		{memwatch.Mallocs, gc * 900_000},
		{memwatch.Frees, gc*900_000 - 800_000},
		{memwatch.Goroutines, float64(100 + r.IntN(40))},
		{memwatch.RSSBytes, float64(210<<20 + r.IntN(1<<20))},
		{memwatch.LimitBytes, 512 << 20},
		{memwatch.ScrapeSeconds, 0.002},
	} {
		s.Set(v.sig, v.value)
	}
	return *wire.NewMetrics("", memwatch.Target{Service: service, Instance: service + "-1"}, &s, nil)
}

// leak is the verdict on a target that leaks; its words change with the time.
func leak(tick int) *memwatch.Verdict {
	return &memwatch.Verdict{
		State: memwatch.Leaking, Kind: memwatch.KindHeap, Severity: memwatch.SeverityWarning,
		GrowthBytesPerSecond: memwatch.Interval{Estimate: 1000, Low: 900, High: 1100}, GrowthBytes: float64(60<<20 + tick*10_000),
		Culprits: []memwatch.Culprit{{Function: "main.(*Cart).Add", Leaf: "main.(*Cart).Add", Certainty: memwatch.Certain, Stack: []memwatch.Frame{}}},
		Gates:    []memwatch.Gate{}, Summary: fmt.Sprintf("leaks in main.(*Cart).Add, seen for %d readings", tick),
	}
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}
