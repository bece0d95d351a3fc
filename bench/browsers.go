package main

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/zupee/memwatch"
	"github.com/zupee/memwatch/internal/ws"
	"github.com/zupee/memwatch/wire"
)

// browsers watch everything over the hub's live WebSocket. A stalled one
// connects and never reads.
type browsers struct {
	late lags // from the time in a reading to its arrival
	// again makes them connect again when they are cut off, as a page does.
	again bool

	mu     sync.Mutex
	failed error
}

// watch starts so many and returns when they are connected.
func (b *browsers) watch(ctx context.Context, wg *sync.WaitGroup, hubURL string, reading, stalled int) error {
	for i := range reading + stalled {
		conn, _, err := ws.Dial(ctx, "ws"+hubURL[len("http"):]+"/ws", ws.DialOptions{MaxFrameBytes: 64 << 20}) //nolint:bodyclose // ws.Dial closes it
		if err != nil {
			return err
		}
		wg.Go(func() {
			defer func() { _ = conn.CloseNow() }()
			if i >= reading {
				<-ctx.Done()
				return
			}
			b.read(ctx, conn)
			for b.again && ctx.Err() == nil {
				pause(ctx, 500*time.Millisecond)
				if conn, _, err := ws.Dial(ctx, "ws"+hubURL[len("http"):]+"/ws", ws.DialOptions{MaxFrameBytes: 64 << 20}); err == nil { //nolint:bodyclose // ws.Dial closes it
					b.read(ctx, conn)
					_ = conn.CloseNow()
				}
			}
		})
	}
	return nil
}

func (b *browsers) read(ctx context.Context, conn *ws.Conn) {
	for {
		_, frame, err := conn.Read(ctx)
		now := memwatch.Milli(time.Now())
		if err != nil {
			b.mu.Lock()
			if b.failed == nil && ctx.Err() == nil {
				b.failed = err
			}
			b.mu.Unlock()
			return
		}
		b.count(frame, now)
	}
}

func (b *browsers) count(frame []byte, now memwatch.UnixMilli) {
	type event struct {
		Type      wire.Type          `json:"type"`
		Timestamp memwatch.UnixMilli `json:"timestamp"`
	}
	events := make([]event, 1)
	if frame[0] == '[' {
		_ = json.Unmarshal(frame, &events)
	} else {
		_ = json.Unmarshal(frame, &events[0])
	}
	for _, e := range events {
		if e.Type == wire.TypeMetricsUpdate {
			b.late.add(time.Duration(now-e.Timestamp)*time.Millisecond, 1)
		}
	}
}

// take is how late readings were since it was last asked, in order.
func (b *browsers) take() spread { return b.late.take() }

// err is why a browser was cut off.
func (b *browsers) err() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.failed != nil {
		return fmt.Errorf("a browser was cut off: %w", b.failed)
	}
	return nil
}
