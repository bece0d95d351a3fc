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

// Join implements ingest.Sink.
func (s sink) Join(t memwatch.Target) (err error) {
	s.turn(func() (updates []wire.ServiceUpdate) {
		updates, err = s.fleet.join(t)
		return updates
	})
	return err
}

// Leave implements ingest.Sink. Who is gone is found by the next sweeps.
func (s sink) Leave(targets []memwatch.Target) { s.fleet.leave(targets) }

// Register implements ingest.Sink.
func (s sink) Register(ctx context.Context, r wire.Registration) error {
	now := time.Now()
	err := s.store.UpsertInstance(ctx, store.Instance{
		Service: r.Service, Instance: r.Instance, Labels: r.Labels, Agent: r.Agent, FirstSeen: now, LastSeen: now,
	})
	if err != nil {
		return err
	}
	s.fleet.describe(r)
	if r.Labels == nil { // nothing is said about them
		return nil
	}
	s.alerts.later(func(e *alert.Engine) []alert.Event {
		e.Describe(r.Service, r.Instance, versionOf(r.Labels))
		return nil
	})
	return nil
}

// Readings implements ingest.Sink. A verdict counts as stored only after what it
// means for the alerts is, so that a crash in between loses no alert: the agent
// sends it again.
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
	verdicts := map[name]*wire.Metrics{}
	var fresh []wire.Metrics
	for i := range messages {
		m := &messages[i]
		var now seen
		s.turn(func() []wire.ServiceUpdate { now = s.fleet.see(*m); return now.updates })
		if m.ScrapeError != nil {
			continue
		}
		s.alerts.later(func(e *alert.Engine) []alert.Event { return e.Reading(judge(m)) })
		if m.Verdict != nil {
			verdicts[name{m.Service, m.Instance}] = m
		}
		if now.fresh {
			fresh = append(fresh, now.metrics)
		}
	}
	if err := s.alerts.save(ctx); err != nil {
		return err
	}
	for i := range fresh {
		s.feed.Reading(fresh[i])
	}
	return s.saveVerdicts(ctx, verdicts)
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
func (s sink) saveVerdicts(ctx context.Context, verdicts map[name]*wire.Metrics) error {
	const together = 64
	slots := make(chan struct{}, together)
	var wg sync.WaitGroup
	var mu sync.Mutex
	var errs []error
	for _, m := range verdicts {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			if err := s.store.SaveVerdict(ctx, m.Service, m.Instance, m.Timestamp.Time(), m.Verdict); err != nil {
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
	if m.Capture == nil {
		return s.alerts.observe(ctx, func(e *alert.Engine) []alert.Event {
			return e.Snapshot(m.Service, m.Instance, m.Filename, m.Timestamp.Time())
		})
	}
	created, err := s.saveCapture(ctx, *m.Capture)
	if err != nil {
		return err
	}
	err = s.alerts.observe(ctx, func(e *alert.Engine) []alert.Event { return e.Capture(*m.Capture) })
	if err != nil {
		return err
	}
	if created {
		s.feed.Profile(*m.Capture)
	}
	return nil
}

func (s sink) saveCapture(ctx context.Context, c memwatch.Capture) (created bool, err error) {
	s.captures.Lock()
	defer s.captures.Unlock()
	has, err := s.blobs.Has(ctx, c.SHA256)
	if err != nil {
		return false, err
	}
	if !has {
		return false, fmt.Errorf("save capture %s: %w", c.ID, errBytesGone)
	}
	return s.store.SaveCapture(ctx, c)
}

// turn does something to the fleet, and tells browsers and the alerts who came
// and went by it.
func (h *hub) turn(do func() []wire.ServiceUpdate) {
	h.presence.Lock()
	defer h.presence.Unlock()
	for _, u := range do() {
		h.feed.Status(u)
		if u.Instance == "" {
			continue
		}
		status := alert.Status{
			Service: u.Service, Instance: u.Instance, At: time.Now(),
			Connected: u.Status == wire.Connected, Unread: !h.fleet.read(name{u.Service, u.Instance}),
		}
		if u.Status == wire.Unreachable {
			status.Reason = u.Reason
		}
		h.alerts.later(func(e *alert.Engine) []alert.Event { return e.Status(status) })
	}
}
