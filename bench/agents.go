package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/zupee/memwatch"
	"github.com/zupee/memwatch/internal/ws"
	"github.com/zupee/memwatch/wire"
)

// agents play memwatchd to a hub over real WebSockets: each connection speaks
// for some targets and sends batches, the next when the last is confirmed.
type agents struct {
	connections, targets int
	// interval between the readings of a target; 0 is as fast as the hub confirms.
	interval time.Duration

	acked atomic.Int64 // readings that the hub has confirmed
}

// ticksABatch is how many readings of each target go together when there is no
// interval to wait for.
const ticksABatch = 10

const batchReadings = 500

// run sends until ctx ends.
func (a *agents) run(ctx context.Context, hubURL string) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	for i := range a.connections {
		wg.Go(func() {
			if err := a.connect(ctx, hubURL, i); err != nil && ctx.Err() == nil {
				cancel(err)
			}
		})
	}
	wg.Wait()
	if err := context.Cause(ctx); err != nil && ctx.Err() == nil {
		return err
	}
	return nil
}

func (a *agents) connect(ctx context.Context, hubURL string, number int) error {
	conn, _, err := ws.Dial(ctx, "ws"+hubURL[len("http"):]+"/ws/agent", ws.DialOptions{Subprotocols: []string{wire.Subprotocol}, MaxFrameBytes: 1 << 20}) //nolint:bodyclose // ws.Dial closes it
	if err != nil {
		return err
	}
	defer func() { _ = conn.CloseNow() }()
	r := rand.New(rand.NewPCG(1, uint64(number)))
	if a.interval > 0 { // spread over the interval
		pause(ctx, time.Duration(r.Int64N(int64(a.interval))))
	}
	began, ticks := time.Now(), 0
	for batch := 0; ctx.Err() == nil; batch++ {
		var messages []wire.Metrics
		for range max(1, ticksABatch*btoi(a.interval == 0)) {
			at := began.Add(time.Duration(ticks) * max(a.interval, time.Millisecond))
			if a.interval > 0 {
				at = time.Now()
			}
			ticks++
			for t := range a.targets {
				messages = append(messages, reading(r, fmt.Sprintf("service-%d-%d", number, t), at))
			}
		}
		for len(messages) > 0 {
			n := min(len(messages), batchReadings)
			if err := a.confirm(ctx, conn, fmt.Sprintf("%d-%d-%d", number, batch, len(messages)), messages[:n]); err != nil {
				return err
			}
			messages = messages[n:]
		}
		if a.interval > 0 {
			pause(ctx, time.Until(began.Add(time.Duration(ticks)*a.interval)))
		}
	}
	return nil
}

// confirm sends a batch and waits for its ack.
func (a *agents) confirm(ctx context.Context, conn *ws.Conn, id string, messages []wire.Metrics) error {
	frame, err := json.Marshal(wire.Batch{Type: wire.TypeBatch, V: wire.Version, ID: id, Messages: messages})
	if err != nil {
		return err
	}
	if err := conn.Write(ctx, ws.Text, frame, time.Minute); err != nil {
		return err
	}
	_, answer, err := conn.Read(ctx)
	if err != nil {
		return err
	}
	var ack wire.Ack
	if err := json.Unmarshal(answer, &ack); err != nil || ack.Type != wire.TypeAck || ack.ID != id {
		return fmt.Errorf("the hub answered %.200s, want the ack of %s", answer, id)
	}
	a.acked.Add(int64(len(messages)))
	return nil
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
