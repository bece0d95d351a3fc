package hub

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/zupee/memwatch/hub/alert"
	"github.com/zupee/memwatch/hub/relay"
	"github.com/zupee/memwatch/wire"
)

// How long each part of a shutdown may take.
const (
	requestsGrace    = 3 * time.Second
	connectionsGrace = 3 * time.Second
)

// startGrace is how long after a start agents may take to come back before
// their instances count as disconnected: longer than their longest backoff.
const startGrace = time.Minute

// Run runs a hub until ctx ends, and then shuts it down: no new requests, agents
// and browsers are told, what was taken is stored, the database is closed. The
// configuration must be valid.
func Run(ctx context.Context, cfg Config, logger *slog.Logger) (err error) {
	h, err := open(ctx, cfg, logger)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, h.close()) }()
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", cfg.Listen)
	if err != nil {
		return fmt.Errorf("listen on %s: %w (is another hub running? choose an address with --listen)", cfg.Listen, err)
	}
	listener = h.bounded(listener)
	scheme := "http"
	if cfg.TLS.Cert != "" {
		files, err := newCertificates(cfg.TLS, logger)
		if err != nil {
			return errors.Join(err, listener.Close())
		}
		scheme, listener = "https", tls.NewListener(listener, files.serverConfig())
	}
	server := newServer(h.handler(), logger)
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()

	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	var wg sync.WaitGroup
	wg.Go(func() { h.tick(background) })
	wg.Go(func() { h.tidy(background) })
	if h.relay != nil {
		wg.Go(func() { h.follow(background) })
		wg.Go(func() { h.watch(background) })
	}
	defer wg.Wait()
	defer stop()

	url := scheme + "://" + listener.Addr().String()
	logger.Info("hub is ready", "url", url, "data", cfg.Data)
	h.invite(ctx, url)
	if cfg.Ready != nil {
		cfg.Ready(listener.Addr().String())
	}
	select {
	case <-ctx.Done():
		logger.Info("hub is stopping")
		h.shutdown(context.WithoutCancel(ctx), server)
		<-failed //nolint:errcheck // http.ErrServerClosed
		return nil
	case err := <-failed:
		h.shutdown(context.WithoutCancel(ctx), server)
		return fmt.Errorf("serve: %w", err)
	}
}

// newServer bounds what one connection may cost: who sends slowly, or much before
// it is clear what for, is cut off.
func newServer(handler http.Handler, logger *slog.Logger) *http.Server {
	return &http.Server{
		Handler: handler, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: time.Minute,
		WriteTimeout: 10 * time.Minute, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10,
		ErrorLog: slog.NewLogLogger(logger.Handler(), slog.LevelDebug),
	}
}

// invite says how the first user is made, while there is none.
func (h *hub) invite(ctx context.Context, url string) {
	users, err := h.access.Users(ctx)
	if err != nil {
		h.logger.Error("users cannot be read", "error", err)
		return
	}
	if path := h.gate.SetupPath(len(users)); path != "" {
		h.logger.Warn("there is no user yet: open this link once to make the first operator, or run memwatch-hub user add", "link", url+path)
	}
}

// shutdown ends requests first and connections after, each within its grace.
func (h *hub) shutdown(ctx context.Context, server *http.Server) {
	within := func(grace time.Duration, do func(context.Context)) {
		ctx, cancel := context.WithTimeout(ctx, grace)
		defer cancel()
		do(ctx)
	}
	within(requestsGrace, func(ctx context.Context) {
		if server.Shutdown(ctx) != nil {
			_ = server.Close() // whoever reads that slowly is cut off
		}
	})
	within(connectionsGrace, func(ctx context.Context) {
		var wg sync.WaitGroup
		wg.Go(func() { h.agents.Close(ctx) })
		wg.Go(func() { h.feed.Close(ctx) })
		wg.Wait()
	})
}

// recheckEvery is how soon the connections of a token that was revoked are closed.
const recheckEvery = 3 * time.Second

// tick notices what happens by itself: who is gone, and what that means.
func (h *hub) tick(ctx context.Context) {
	every := min(time.Second, max(h.cfg.Presence.Grace/4, 20*time.Millisecond))
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	failing := false
	var checked time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		if !h.back.Load() && time.Since(h.started) >= max(h.cfg.Presence.Grace, min(startGrace, 4*h.cfg.Presence.Grace)) {
			h.back.Store(true) // whoever did not come back since the start is gone
			h.turn(h.fleet.absent)
		}
		h.turn(func() []wire.ServiceUpdate { return h.fleet.sweep(h.heardUntil()) })
		h.forget()
		if time.Since(checked) >= recheckEvery {
			checked = time.Now()
			h.gate.Recheck(ctx)
		}
		err := h.alerts.observe(ctx, func(e *alert.Engine) []alert.Event { return e.Tick(time.Now()) })
		if err != nil && !failing && ctx.Err() == nil {
			h.logger.Error("alerts cannot be saved; they are tried again every second", "error", err)
		}
		failing = err != nil
	}
}

func (h *hub) forget() {
	for _, t := range h.fleet.forget() {
		h.alerts.later(func(e *alert.Engine) []alert.Event { return e.Forget(t.Service, t.Instance, time.Now()) })
		h.logger.Info("instance forgotten", "service", t.Service, "instance", t.Instance)
	}
}

// tidyEvery is how often what is too old, or too much, is removed.
const tidyEvery = 5 * time.Minute

// uploadPatience is how long an unfinished profile waits for the rest, and a whole
// one for a capture that names it.
const uploadPatience = 24 * time.Hour

func (h *hub) tidy(ctx context.Context) {
	ticker := time.NewTicker(tidyEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		if !h.leads() {
			continue
		}
		if err := h.prune(ctx); err != nil && ctx.Err() == nil {
			h.logger.Error("cannot remove what is too old; it is tried again in 5 minutes", "error", err)
		}
	}
}

func (h *hub) prune(ctx context.Context) error {
	now := time.Now()
	pruned, err := h.store.Prune(ctx, now)
	errs := []error{err, h.gate.Tidy(ctx)}
	profiles, err := h.pruneProfiles(ctx, now)
	errs = append(errs, err)
	_, err = h.blobs.Sweep(ctx, now.Add(-uploadPatience))
	errs = append(errs, err)
	if h.relay != nil {
		errs = append(errs, h.relay.Tidy(ctx, relay.Keep))
	}
	if pruned.Chunks+pruned.Rolled+pruned.Alerts+profiles+pruned.Instances > 0 {
		h.logger.Info("old data removed", "chunks", pruned.Chunks, "rolled up", pruned.Rolled, "alerts", pruned.Alerts, "profiles", profiles, "instances", pruned.Instances)
	}
	return errors.Join(errs...)
}

// pruneProfiles removes captures beyond the retention, and bytes that none names:
// of those, and what a crash left.
func (h *hub) pruneProfiles(ctx context.Context, now time.Time) (removed int, err error) {
	old, err := h.blobs.Old(ctx, now.Add(-uploadPatience)) // before agents wait for the lock
	errs := []error{err}
	err = h.guarded(ctx, true, func() error {
		var orphans []string
		var err error
		removed, orphans, err = h.store.PruneCaptures(ctx, now)
		errs := []error{err}
		named, err := h.store.Blobs(ctx)
		errs = append(errs, err)
		if err == nil {
			orphans = append(orphans, slices.DeleteFunc(old, func(sha256 string) bool { return named[sha256] })...)
		}
		for _, sha256 := range orphans {
			errs = append(errs, h.blobs.Delete(ctx, sha256))
		}
		return errors.Join(errs...)
	})
	return removed, errors.Join(append(errs, err)...)
}
