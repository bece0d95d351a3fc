package agent

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/zupee/memwatch/detector"
	"github.com/zupee/memwatch/scraper"
	"github.com/zupee/memwatch/uplink"
)

// Reload is a configuration to go on with, or why there is none.
type Reload struct {
	Config Config
	// Err says that what was found is no configuration; the present one stays.
	Err error
}

// reloaded is how reloads went.
type reloaded struct {
	good, bad uint64
	failed    bool      // the newest one
	at        time.Time // of the configuration in effect
}

func (r *reloaded) fill(n numbers) {
	n.gauge("memwatch_config_last_reload_successful", "", flag(!r.failed))
	n.gauge("memwatch_config_last_reload_success_timestamp_seconds", "", float64(r.at.Unix()))
	n.counter("memwatch_config_reloads_total", labels("result", "good"), r.good)
	n.counter("memwatch_config_reloads_total", labels("result", "bad"), r.bad)
}

// obey takes reloads until ctx ends.
func (a *agent) obey(ctx context.Context) {
	for {
		select {
		case r := <-a.reloads:
			a.reload(ctx, r)
		case f := <-a.finding.news:
			a.discovered(ctx, f)
		case <-ctx.Done():
			return
		}
	}
}

// reload goes over to another configuration, whole or not at all.
func (a *agent) reload(ctx context.Context, r Reload) {
	err := r.Err
	if err == nil {
		err = a.take(ctx, r.Config)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.reloaded.failed = err != nil; a.reloaded.failed {
		a.reloaded.bad++
		a.log.Error("configuration not reloaded: the one before stays in effect", "error", err)
		return
	}
	a.reloaded.good++
	a.reloaded.at = time.Now()
	a.log.Info("configuration reloaded", "targets", len(a.runners), "interval", r.Config.Interval)
}

// take makes cfg the configuration. What only a start can change stays as it
// is, and is said.
func (a *agent) take(ctx context.Context, cfg Config) error {
	fixed := a.fixed(&cfg)
	var up *uplink.Uplink
	if a.spool != nil && !reflect.DeepEqual(cfg.Uplink, a.cfg.Uplink) {
		var err error
		if up, err = a.newUplink(cfg.Uplink); err != nil {
			return err
		}
	}
	before := a.finding
	a.finding = before.next(cfg.Discover)
	if err := a.watch(ctx, cfg); err != nil {
		a.finding = before
		return err
	}
	if a.finding != before {
		before.end()
		a.finding.begin(ctx, a.log)
	}
	a.cfg = cfg
	a.states.bound(cfg.Grace)
	switch {
	case up != nil:
		a.sending()
		a.send(context.WithoutCancel(ctx), up)
	case a.uplink != nil:
		a.uplink.Announce()
	}
	if len(fixed) > 0 {
		a.log.Warn("these take effect at the next start only", "keys", strings.Join(fixed, ", "))
	}
	return nil
}

// fixed puts back what only a start can change, and names it.
func (a *agent) fixed(cfg *Config) (keys []string) {
	old := a.cfg
	keep := func(key string, value, was any) {
		v, w := reflect.ValueOf(value).Elem(), reflect.ValueOf(was).Elem()
		if !reflect.DeepEqual(v.Interface(), w.Interface()) {
			keys = append(keys, key)
			v.Set(w)
		}
	}
	keep("listen", &cfg.Listen, &old.Listen)
	keep("pprof", &cfg.Pprof, &old.Pprof)
	keep("spool", &cfg.Spool, &old.Spool)
	keep("enableHeapSnapshots", &cfg.Evidence, &old.Evidence)
	keep("snapshotPath, capture", &cfg.Capture, &old.Capture)
	keep("stateDir", &cfg.StateDir, &old.StateDir)
	if (len(cfg.Uplink.URLs) > 0) != (len(old.Uplink.URLs) > 0) {
		keep("dashboardUrl", &cfg.Uplink, &old.Uplink)
	}
	return keys
}

// change is what a runner is told between two readings.
type change struct {
	of       Target
	scraper  *scraper.Scraper // nil when the present one stays
	interval time.Duration
	detector detector.Config
	share    float64
	history  int
}

func changeTo(t Target, cfg *Config) change {
	c := change{of: t, interval: cfg.Interval, detector: cfg.Detector, share: cfg.ProfileShare, history: cfg.History}
	c.detector.LimitBytes = t.Scrape.LimitBytes
	return c
}

// apply is called between two readings, by the runner's goroutine.
func (r *runner) apply(c change) {
	r.target = c.of.Target
	if c.scraper != nil {
		r.scraper.Close()
		r.scraper, r.watch.source = c.scraper, c.scraper
	}
	r.watch.det.Configure(c.detector)
	r.watch.guard.Share = c.share
	r.history.resize(c.history)
}

// watch makes cfg's targets, and those that were found, the ones that are watched, in cfg's way: whole, or not
// at all when one cannot be. Who stays the same target, by name and URL, keeps
// what the detector knows of it. It returns when all of it is in effect.
func (a *agent) watch(ctx context.Context, cfg Config) error {
	cfg.Targets = a.all(&cfg)
	next := make([]*runner, len(cfg.Targets))
	changes := make(map[*runner]change, len(cfg.Targets))
	for i, t := range cfg.Targets {
		c, present := changeTo(t, &cfg), a.find(t)
		if present == nil || !reflect.DeepEqual(present.of.Scrape, t.Scrape) {
			s, err := scraper.New(t.Scrape)
			if err != nil {
				for _, c := range changes {
					c.close()
				}
				return fmt.Errorf("target %s %s: %w", t.Service, t.Instance, err)
			}
			c.scraper = s
		}
		if next[i] = present; present == nil {
			next[i] = a.runner(t)
		}
		changes[next[i]] = c
	}
	a.retire(next)
	a.mu.Lock()
	for r, c := range changes {
		r.of = c.of
	}
	a.runners = next
	a.mu.Unlock()
	if a.finding.whole() {
		a.keep.over(cfg.Targets, a.log)
	}

	var told sync.WaitGroup
	for r, c := range changes {
		if r.stop == nil {
			a.begin(ctx, r, c)
			continue
		}
		told.Go(func() { r.tell(ctx, c) })
	}
	told.Wait()
	return nil
}

func (c *change) close() {
	if c.scraper != nil {
		c.scraper.Close()
	}
}

// find returns the runner of the same target, by name and URL.
func (a *agent) find(t Target) *runner {
	i := slices.IndexFunc(a.runners, func(r *runner) bool {
		return r.of.Service == t.Service && r.of.Instance == t.Instance && r.of.Scrape.URL == t.Scrape.URL
	})
	if i < 0 {
		return nil
	}
	return a.runners[i]
}

// retire ends the runners that are not among next, and waits: whoever follows
// under the same name must not read beside them.
func (a *agent) retire(next []*runner) {
	var gone []*runner
	for _, r := range a.runners {
		if !slices.Contains(next, r) {
			r.stop()
			gone = append(gone, r)
		}
	}
	for _, r := range gone {
		<-r.done
	}
}

func (a *agent) runner(t Target) *runner {
	return &runner{
		of: t, done: make(chan struct{}), changes: make(chan change),
		status: newStatus(t.Target), out: a.out, keep: a.keep, announce: a.announce, states: a.states,
		log:    a.log.With("service", t.Service, "instance", t.Instance, "target", t.Scrape.URL),
		logged: newThrottle(logEvery), troubles: newThrottle(logEvery), sent: newThrottle(sendEvery),
	}
}

// begin starts a new runner.
func (a *agent) begin(ctx context.Context, r *runner, c change) {
	ctx, r.stop = context.WithCancel(ctx)
	r.target, r.url, r.interval, r.scraper = c.of.Target, c.of.Scrape.URL, c.interval, c.scraper
	r.watch = newWatch(c.scraper, c.detector, c.share)
	r.history = newHistory(c.history)
	r.saved = time.Now().Add(-phase(r.target, stateEvery)) // each target its own turn
	if det := a.states.restore(r.target, r.url, c.detector, r.history, time.Now()); det != nil {
		r.watch.det = det
		r.status.judged(det.Verdict())
	}
	a.watching.Go(func() { r.run(ctx) })
}

// tell waits until the runner has taken the change, or ended.
func (r *runner) tell(ctx context.Context, c change) {
	select {
	case r.changes <- c:
	case <-r.done:
		c.close()
	case <-ctx.Done():
		c.close()
	}
}
