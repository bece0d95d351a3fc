package hub

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/zupee/memwatch"
	"github.com/zupee/memwatch/hub/alert"
	"github.com/zupee/memwatch/hub/store"
	"github.com/zupee/memwatch/wire"
)

// sink is the hub as agents' connections see it.
type sink struct{ *hub }

// Join implements ingest.Sink. Hubs that share a database hear of it with what the
// agent says next.
func (s sink) Join(t memwatch.Target) (err error) {
	s.turn(func() []wire.ServiceUpdate {
		if err = s.fleet.join(t); err != nil || s.relay != nil {
			return nil
		}
		return s.fleet.hold(alone, t)
	})
	return err
}

// Leave implements ingest.Sink. Who is gone is found by the next sweeps.
func (s sink) Leave(targets []memwatch.Target) {
	left := s.fleet.leave(targets)
	if s.relay == nil {
		s.fleet.release(alone, left)
		return
	}
	s.leaving.add(left)
}

// Register implements ingest.Sink.
func (s sink) Register(ctx context.Context, r wire.Registration) error {
	now := time.Now()
	err := s.store.UpsertInstance(ctx, store.Instance{
		Service: r.Service, Instance: r.Instance, Labels: r.Labels, Agent: r.Agent, FirstSeen: now, LastSeen: now,
	})
	if err != nil {
		return err
	}
	return s.publish(ctx, &news{Registration: &r})
}

// Readings implements ingest.Sink.
func (s sink) Readings(ctx context.Context, messages []wire.Metrics) error {
	readings := make([]store.Reading, 0, len(messages))
	for i := range messages {
		if m := &messages[i]; m.ScrapeError == nil {
			readings = append(readings, store.Reading{Service: m.Service, Instance: m.Instance, Sample: m.Reading()})
		}
	}
	if len(readings) > 0 {
		result, err := s.store.Append(ctx, readings)
		if err != nil {
			return err
		}
		s.readings.Add(int64(result.Stored))
	}
	return s.publish(ctx, &news{Readings: messages})
}

// versionOf is what a target's labels say it is; "" when they do not.
func versionOf(labels map[string]string) string {
	for _, key := range []string{"version", "app.kubernetes.io/version", "service.version"} {
		if v := labels[key]; v != "" {
			return v
		}
	}
	return ""
}

func judge(m *wire.Metrics) alert.Reading {
	sample := m.Reading()
	return alert.Reading{
		Sample:  &sample,
		Service: m.Service, Instance: m.Instance, At: m.Timestamp.Time(), Verdict: m.Verdict,
		Legacy: m.V == 0, LeakDetected: m.LeakDetected, HeapUsedMB: m.HeapUsedMB, MemoryGrowthMB: m.MemoryGrowthMB,
	}
}

// saveVerdicts saves them side by side, so that they share few commits.
func (h *hub) saveVerdicts(ctx context.Context, verdicts map[name]*wire.Metrics) error {
	const together = 64
	slots := make(chan struct{}, together)
	var wg sync.WaitGroup
	var mu sync.Mutex
	var errs []error
	for _, m := range verdicts {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			if err := h.store.SaveVerdict(ctx, m.Service, m.Instance, m.Timestamp.Time(), m.Verdict); err != nil {
				mu.Lock()
				errs = append(errs, err)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// errBytesGone is seen when retention removed a profile's bytes just now.
var errBytesGone = errors.New("the profile's bytes were removed meanwhile")

// Snapshot implements ingest.Sink.
func (s sink) Snapshot(ctx context.Context, m wire.Snapshot) error {
	said := &news{Snapshot: &m}
	if m.Capture != nil {
		created, err := s.saveCapture(ctx, *m.Capture)
		if err != nil {
			return err
		}
		if created {
			said.Profile = m.Capture
		}
	}
	return s.publish(ctx, said)
}

func (h *hub) saveCapture(ctx context.Context, c memwatch.Capture) (created bool, err error) {
	err = h.guarded(ctx, false, func() error {
		has, err := h.blobs.Has(ctx, c.SHA256)
		if err != nil {
			return err
		}
		if !has {
			return fmt.Errorf("save capture %s: %w", c.ID, errBytesGone)
		}
		created, err = h.store.SaveCapture(ctx, c)
		return err
	})
	return created && err == nil, err
}

// guarded keeps a profile from being removed, by this hub or another, between the
// check that its bytes are there and the moment when a capture names them. Who
// removes is alone.
func (h *hub) guarded(ctx context.Context, alone bool, do func() error) error {
	h.captures.Lock()
	defer h.captures.Unlock()
	if h.relay == nil {
		return do()
	}
	return h.relay.Guard(ctx, alone, do)
}
