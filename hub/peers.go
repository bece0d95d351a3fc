package hub

import (
	"context"
	"sync"
	"time"

	"github.com/zupee/memwatch"
	"github.com/zupee/memwatch/hub/relay"
)

// Which hubs there are, and which of them has which agents.

// watch follows which hubs there are, and tells them which agents have left.
func (h *hub) watch(ctx context.Context) {
	defer h.sending.Wait()
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		h.look(ctx)
		h.tellLeft(ctx)
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// look finds hubs that came and went.
func (h *hub) look(ctx context.Context) {
	hubs, err := h.relay.Hubs(ctx)
	if err != nil {
		return // told by follow
	}
	before := h.hubs.Swap(&hubs)
	alive := func(hubs *[]relay.Hub, id int64) bool {
		for _, o := range *hubs {
			if o.ID == id {
				return o.Alive
			}
		}
		return false
	}
	came := false
	for _, o := range hubs {
		if o.ID == h.relay.ID() {
			continue
		}
		if o.Alive && !alive(before, o.ID) {
			came = true
			h.logger.Info("a hub is there", "hub", o.ID, "address", o.Address, "version", o.Version)
		}
	}
	for _, o := range *before {
		if o.ID != h.relay.ID() && o.Alive && !alive(&hubs, o.ID) {
			h.logger.Info("a hub is gone", "hub", o.ID, "address", o.Address)
			h.fleet.drop(o.ID)
		}
	}
	if came {
		h.send(ctx, &news{Calls: true}, func() {})
	}
}

// tellLeft tells the others which targets nobody here speaks for any more; who comes
// back meanwhile is told of after it.
func (h *hub) tellLeft(ctx context.Context) {
	h.presence.Lock()
	defer h.presence.Unlock()
	if left := h.fleet.unheld(h.leaving.take()); len(left) > 0 {
		h.send(ctx, &news{Lets: left}, func() { h.leaving.add(left) })
	}
}

// targets is a set that waits to be told.
type targets struct {
	mu  sync.Mutex
	set []memwatch.Target
}

func (s *targets) add(ts []memwatch.Target) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.set = append(s.set, ts...)
}

func (s *targets) take() (ts []memwatch.Target) {
	s.mu.Lock()
	defer s.mu.Unlock()
	ts, s.set = s.set, nil
	return ts
}

// hold tells the others for which targets this hub has connections.
func (h *hub) hold(ctx context.Context) {
	const together = 2000
	h.presence.Lock()
	defer h.presence.Unlock()
	held := h.fleet.held()
	for len(held) > 0 {
		n := min(len(held), together)
		h.send(ctx, &news{Holds: held[:n]}, func() {})
		held = held[n:]
	}
}
