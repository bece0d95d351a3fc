package agent

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"sync"

	"github.com/VictoriaMetrics/metrics"

	"github.com/zupee/memwatch"
	"github.com/zupee/memwatch/capture"
	"github.com/zupee/memwatch/internal/version"
	"github.com/zupee/memwatch/scraper"
	"github.com/zupee/memwatch/spool"
	"github.com/zupee/memwatch/uplink"
)

// Run watches the targets until ctx ends. Then it stops reading, gives the hub
// what is waiting within cfg.Grace, and leaves the rest in the spool. An error
// means that it could not start, or lost its listener.
func Run(ctx context.Context, cfg Config, log *slog.Logger) error {
	a := &agent{cfg: cfg, log: log}
	defer a.close()
	if err := a.open(ctx); err != nil {
		return err
	}
	return a.run(ctx)
}

// agent is one Run.
type agent struct {
	cfg       Config
	log       *slog.Logger
	listener  net.Listener // nil when off
	endpoints endpoints
	spool     *spool.Spool   // nil without a hub
	uplink    *uplink.Uplink // nil without a hub
	captures  *capture.Store // nil without evidence
	runners   []*runner
	closers   []func() error // last in, first out
}

func (a *agent) open(ctx context.Context) error {
	if err := a.listen(ctx); err != nil {
		return err
	}
	var out *outbox
	if len(a.cfg.Uplink.URLs) > 0 {
		if err := a.connect(); err != nil {
			return err
		}
		out = &outbox{put: a.spool.Put}
	}
	keep, err := a.keeper(out)
	if err != nil {
		return err
	}
	for _, t := range a.cfg.Targets {
		if err := a.add(t, out, keep); err != nil {
			return err
		}
	}
	a.endpoints.fill = a.fill
	return nil
}

func (a *agent) listen(ctx context.Context) error {
	if a.cfg.Listen == "" {
		return nil
	}
	ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", a.cfg.Listen)
	if err != nil {
		return fmt.Errorf("own endpoints: %w: choose another listen, or an empty one for none", err)
	}
	a.listener = ln
	a.log.Info("own endpoints: /healthz, /readyz, /metrics", "url", "http://"+ln.Addr().String())
	return nil
}

func (a *agent) connect() (err error) {
	if a.spool, err = spool.Open(a.cfg.Spool, a.log); err != nil {
		return err
	}
	a.closers = append(a.closers, a.spool.Close)
	up := a.cfg.Uplink
	up.Version = version.String()
	a.uplink, err = uplink.New(up, a.spool.Queue(spool.Reading), a.spool.Queue(spool.Evidence), a.targets, a.log)
	return err
}

func (a *agent) targets() []memwatch.Target {
	out := make([]memwatch.Target, len(a.cfg.Targets))
	for i, t := range a.cfg.Targets {
		out[i] = t.Target
	}
	return out
}

func (a *agent) add(t Target, out *outbox, keep *keeper) error {
	s, err := scraper.New(t.Scrape)
	if err != nil {
		return err
	}
	a.closers = append(a.closers, func() error { s.Close(); return nil })
	det := a.cfg.Detector
	det.LimitBytes = t.Scrape.LimitBytes
	a.runners = append(a.runners, &runner{
		target: t.Target, interval: a.cfg.Interval,
		watch:  newWatch(s, det, a.cfg.ProfileShare),
		status: newStatus(t.Target), out: out, keep: keep,
		log:     a.log.With("service", t.Service, "instance", t.Instance, "target", t.Scrape.URL),
		history: newHistory(a.cfg.History),
		logged:  newThrottle(logEvery), sent: newThrottle(sendEvery),
	})
	return nil
}

// run starts everything and ends it in the opposite order: first the targets,
// then the way to the hub, last the endpoints that tell how it goes.
func (a *agent) run(told context.Context) error {
	ctx, cancel := context.WithCancelCause(told)
	defer cancel(nil)
	after := context.WithoutCancel(ctx)

	stopServing := a.start(after, func(ctx context.Context) {
		if a.listener == nil {
			return
		}
		if err := a.endpoints.serve(ctx, a.listener); err != nil {
			cancel(err)
		}
	})
	defer stopServing()
	stopSending := a.start(after, func(ctx context.Context) {
		if a.uplink != nil {
			_ = a.uplink.Run(ctx) // its only end is ctx's
		}
	})
	defer stopSending()

	a.log.Info("watching", "targets", len(a.runners), "interval", a.cfg.Interval)
	var watching sync.WaitGroup
	for _, r := range a.runners {
		watching.Go(func() { r.run(ctx) })
	}
	<-ctx.Done()
	a.endpoints.stopping.Store(true)
	watching.Wait()
	a.drain(after)
	if told.Err() != nil {
		return nil
	}
	return context.Cause(ctx)
}

// start runs f beside us; the function it returns ends it and waits.
func (a *agent) start(ctx context.Context, f func(context.Context)) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		f(ctx)
	}()
	return func() {
		cancel()
		<-done
	}
}

func (a *agent) drain(ctx context.Context) {
	if a.uplink == nil || a.cfg.Grace <= 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, a.cfg.Grace)
	defer cancel()
	if err := a.uplink.Drain(ctx); err != nil {
		a.log.Warn("ended before the hub had everything; the rest is sent after the next start", "error", err)
		return
	}
	a.log.Info("ended; the hub has everything")
}

func (a *agent) close() {
	if a.listener != nil {
		_ = a.listener.Close() // closed already, unless starting failed
	}
	for i := len(a.closers) - 1; i >= 0; i-- {
		if err := a.closers[i](); err != nil {
			a.log.Error("end", "error", err)
		}
	}
}

// fill writes the numbers of the whole agent.
func (a *agent) fill(set *metrics.Set) {
	n := numbers{set}
	n.gauge("memwatch_build_info", labels("version", version.String()), 1)
	n.gauge("memwatch_targets", "", float64(len(a.runners)))
	for _, r := range a.runners {
		r.status.fill(n)
	}
	if a.spool != nil {
		fillSpool(n, a.spool.Stats())
		fillUplink(n, a.uplink.Stats())
	}
	if a.captures != nil {
		fillCaptures(n, a.captures.Stats())
	}
}
