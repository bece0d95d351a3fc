package agent

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"github.com/zupee/memwatch"
	"github.com/zupee/memwatch/capture"
	"github.com/zupee/memwatch/internal/version"
	"github.com/zupee/memwatch/spool"
	"github.com/zupee/memwatch/uplink"
)

// Run watches the targets until ctx ends. Then it stops reading, gives the hub
// what is waiting within cfg.Grace, and leaves the rest in the spool. What comes
// from reloads, which may be nil, takes effect meanwhile. An error means that it
// could not start, or lost its listener.
func Run(ctx context.Context, cfg Config, reloads <-chan Reload, log *slog.Logger) error {
	a := &agent{cfg: cfg, log: log, reloads: reloads, reloaded: reloaded{at: time.Now()}}
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
	reloads   <-chan Reload
	listener  net.Listener // nil when off
	endpoints endpoints
	spool     *spool.Spool   // nil without a hub
	captures  *capture.Store // nil without evidence
	out       *outbox
	keep      *keeper
	states    *states
	watching  sync.WaitGroup // of the runners
	finding   *finding       // nil before the first
	closers   []func() error // last in, first out

	// What others read while a reload may change it.
	mu       sync.Mutex
	runners  []*runner
	uplink   *uplink.Uplink // nil without a hub
	sending  func()         // ends the uplink and waits for it
	reloaded reloaded
}

func (a *agent) open(ctx context.Context) error {
	if err := a.listen(ctx); err != nil {
		return err
	}
	if len(a.cfg.Uplink.URLs) > 0 {
		if err := a.connect(); err != nil {
			return err
		}
		a.out = &outbox{put: a.spool.Put}
	}
	if err := a.keeper(); err != nil {
		return err
	}
	a.remember()
	a.endpoints.fill, a.endpoints.pprof = a.fill, a.cfg.Pprof
	return nil
}

// remember opens the states. Without them the agent forgets at its end, which is
// better than not to start.
func (a *agent) remember() {
	var err error
	if a.states, err = openStates(a.cfg.StateDir, a.log); err != nil {
		a.log.Error("what is known of the targets will be lost at the end", "error", err)
	}
	if a.states != nil {
		a.states.bound(a.cfg.Grace)
		a.closers = append(a.closers, a.states.close)
	}
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
	a.uplink, err = a.newUplink(a.cfg.Uplink)
	return err
}

func (a *agent) newUplink(cfg uplink.Config) (*uplink.Uplink, error) {
	cfg.Version = version.String()
	return uplink.New(cfg, a.spool.Queue(spool.Reading), a.spool.Queue(spool.Evidence), a.targets, a.log)
}

// targets are those that the hub is told of.
func (a *agent) targets() []memwatch.Target {
	a.mu.Lock()
	defer a.mu.Unlock()
	out := make([]memwatch.Target, len(a.runners))
	for i, r := range a.runners {
		out[i] = r.status.labelled(r.of.Target)
	}
	return out
}

// announce tells the hub of the targets anew.
func (a *agent) announce() {
	a.mu.Lock()
	up := a.uplink
	a.mu.Unlock()
	if up != nil {
		up.Announce()
	}
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
	a.finding = a.finding.next(a.cfg.Discover)
	a.finding.begin(ctx, a.log)
	defer func() { a.finding.end() }()
	if err := a.watch(ctx, a.cfg); err != nil {
		return err
	}
	a.send(after, a.uplink)
	defer func() { a.sending() }()

	a.log.Info("watching", "targets", len(a.cfg.Targets), "interval", a.cfg.Interval)
	a.obey(ctx)
	a.endpoints.stopping.Store(true)
	grace, ended := context.WithTimeout(after, a.cfg.Grace)
	defer ended()
	a.watching.Wait()
	a.drain(grace)
	if told.Err() != nil {
		return nil
	}
	return context.Cause(ctx)
}

// send starts an uplink; nil is none.
func (a *agent) send(ctx context.Context, up *uplink.Uplink) {
	stop := a.start(ctx, func(ctx context.Context) {
		if up != nil {
			_ = up.Run(ctx) // its only end is ctx's
		}
	})
	a.mu.Lock()
	defer a.mu.Unlock()
	a.uplink, a.sending = up, stop
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

// drain waits until the hub has everything, or the grace that is ctx's is over.
func (a *agent) drain(ctx context.Context) {
	if a.uplink == nil || a.cfg.Grace <= 0 {
		return
	}
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
	a.mu.Lock()
	runners, up, re := a.runners, a.uplink, a.reloaded
	a.mu.Unlock()
	re.fill(n)
	a.states.fill(n)
	n.gauge("memwatch_targets", "", float64(len(runners)))
	for _, r := range runners {
		r.status.fill(n)
	}
	if a.spool != nil {
		fillSpool(n, a.spool.Stats())
		fillUplink(n, up.Stats())
	}
	if a.captures != nil {
		fillCaptures(n, a.captures.Stats())
	}
}
