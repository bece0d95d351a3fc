package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/zupee/memwatch"
	"github.com/zupee/memwatch/capture"
	"github.com/zupee/memwatch/scraper"
)

// keeper decides when evidence is saved and what of it the hub is sent. A nil
// one keeps nothing.
type keeper struct {
	store *capture.Store
	out   *outbox
}

// evidenceKinds are the profiles that belong into evidence.
var evidenceKinds = []memwatch.ProfileKind{memwatch.HeapProfile, memwatch.GoroutineProfile}

// fetched are the profiles to read for evidence of v. The one of leaked
// goroutines costs the target a GC: it is read where goroutines are the matter.
func fetched(v *memwatch.Verdict) []memwatch.ProfileKind {
	if v.Kind == memwatch.KindGoroutine {
		return append(slices.Clone(evidenceKinds), memwatch.GoroutineLeakProfile)
	}
	return evidenceKinds
}

// look saves what the newest step calls for; v is its verdict, nil when the
// state is healthy and nothing changed.
func (k *keeper) look(ctx context.Context, r *runner, l *look, v *memwatch.Verdict) {
	if k == nil {
		return
	}
	if l.edge(memwatch.Healthy) {
		if err := k.store.Resolve(r.target, l.sample.Time); err != nil {
			r.log.Error("evidence", "error", err)
		}
	}
	k.second(ctx, r, l)
	role := k.role(l, v)
	if role == memwatch.RoleLastGasp && v == nil {
		v = r.watch.det.Verdict()
	}
	if role == "" || !k.store.Due(r.target, role, l.sample.Start, l.sample.Time) {
		return
	}
	e := capture.Evidence{Target: r.target, Role: role, Time: l.sample.Time, Life: l.sample.Start, Build: l.build}
	if role != memwatch.RoleBaseline {
		e.Verdict, e.Readings = v, r.history.readings()
		for _, kind := range fetched(v) {
			if l.sample.Time.Before(r.watch.off[kind]) || l.sample.Time.Equal(r.watch.read[kind]) {
				continue // it is not served, or was asked for in this step
			}
			if err := r.watch.profile(ctx, l, kind); err != nil && !errors.Is(err, scraper.ErrUnsupported) {
				r.trouble(err, false)
			}
		}
	}
	for _, kind := range append(slices.Clone(evidenceKinds), memwatch.GoroutineLeakProfile) {
		if p := l.profiles[kind]; p != nil {
			e.Profiles = append(e.Profiles, capture.Profile{Kind: kind, Time: p.Sites.Time, Data: p.Raw})
		}
	}
	b := k.save(r, e)
	if b == nil || !role.Incident() {
		return
	}
	gc, counted := l.sample.Get(memwatch.NumGC)
	if l.profiles[memwatch.HeapProfile] == nil {
		gc, counted = -1, true // it failed: at the next step it may not
	}
	if counted {
		r.stale = &stale{bundle: b.ID, gc: gc, until: l.sample.Time.Add(secondWithin)}
	}
}

// stale is evidence whose heap profile is to be followed by another one: a heap
// profile shows the heap as of a GC that may be long past, so that what was
// allocated since is missing from it. Or there is none yet.
type stale struct {
	bundle string
	gc     float64 // NumGC when it was read, or asked for in vain; -1 to ask at the next step
	until  time.Time
}

// secondWithin is how long to wait for the GC that makes a second profile worth
// reading; a process that collects more rarely hardly allocates.
const secondWithin = 10 * time.Minute

// second adds a heap profile from after the next GC to the newest evidence.
func (k *keeper) second(ctx context.Context, r *runner, l *look) {
	s := r.stale
	switch {
	case s == nil:
		return
	case l.restarted || l.sample.Time.After(s.until):
		r.stale = nil
		return
	case l.sample.Or(memwatch.NumGC, 0) <= s.gc:
		return
	}
	r.stale = nil
	if err := r.watch.profile(ctx, l, memwatch.HeapProfile); err != nil {
		if !errors.Is(err, scraper.ErrUnsupported) {
			r.trouble(err, false)
			s.gc = l.sample.Or(memwatch.NumGC, 0) // again after another one
			r.stale = s
		}
		return
	}
	p := l.profiles[memwatch.HeapProfile]
	c, err := k.store.Add(r.target, s.bundle, capture.Profile{Kind: memwatch.HeapProfile, Time: p.Sites.Time, Data: p.Raw})
	if err != nil {
		if times, ok := r.logged.allow("evidence", l.sample.Time); ok {
			r.log.Error("second profile was not saved", "error", err, "times", times)
		}
		return
	}
	r.status.captured(1)
	r.log.Info("evidence completed: a heap profile from after another GC", "file", c.Path)
	if err := k.out.capture(&c.Capture, c.Path); err != nil {
		r.drop(err)
	}
}

// role is what the newest step would be evidence of, "" for nothing.
func (k *keeper) role(l *look, v *memwatch.Verdict) memwatch.Role {
	switch {
	case l.edge(memwatch.Leaking):
		return memwatch.RoleLeaking
	case l.rushes || l.is.Rank() >= memwatch.Suspect.Rank() && dying(v):
		return memwatch.RoleLastGasp
	case l.edge(memwatch.Suspect) && l.was != memwatch.Leaking:
		return memwatch.RoleSuspect
	case l.is.Rank() < memwatch.Suspect.Rank() && l.profiles[memwatch.HeapProfile] != nil:
		return memwatch.RoleBaseline
	}
	return ""
}

// dying reports whether the limit, one that somebody set, is about to be reached.
func dying(v *memwatch.Verdict) bool {
	return v != nil && v.LimitSource != memwatch.LimitAssumed && v.TimeToLimitSeconds != nil && *v.TimeToLimitSeconds < lastGaspSeconds
}

// save returns what it saved, nil when it could not.
func (k *keeper) save(r *runner, e capture.Evidence) *capture.Bundle {
	b, err := k.store.Save(e)
	if err != nil {
		if times, ok := r.logged.allow("evidence", e.Time); ok {
			r.log.Error("evidence was not saved", "role", string(e.Role), "error", err, "times", times)
		}
		return nil
	}
	r.status.captured(len(e.Profiles))
	if e.Role == memwatch.RoleBaseline || e.Role == memwatch.RoleSuspect {
		r.log.Debug("evidence saved", "role", string(e.Role), "dir", b.Dir)
		return b // the hub gets them with the leak that they belong to, if there is one
	}
	r.log.Warn("evidence saved", "role", string(e.Role), "dir", b.Dir, "look", compareLine(b.Captures))
	for i := range b.Captures {
		c := &b.Captures[i]
		if err := k.out.capture(&c.Capture, c.Path); err != nil {
			r.drop(err)
		}
	}
	return b
}

// compareLine is what to type to see the growth, "" without a heap profile.
func compareLine(saved []capture.Saved) string {
	var heap *capture.Saved
	for i := range saved {
		if saved[i].Kind == memwatch.HeapProfile {
			heap = &saved[i]
		}
	}
	if heap == nil {
		return ""
	}
	for i := range saved {
		if saved[i].ID == heap.BaseID {
			return fmt.Sprintf("go tool pprof -top -sample_index=inuse_space -diff_base %s %s", saved[i].Path, heap.Path)
		}
	}
	return "go tool pprof -top -sample_index=inuse_space " + heap.Path
}

// keeper opens the evidence on disk. Leaks of targets that are watched no more
// are over as far as we can tell.
func (a *agent) keeper() error {
	if !a.cfg.Evidence {
		return nil
	}
	var pinned func(string) bool
	if a.spool != nil {
		pinned = a.spool.Pinned
	}
	store, err := capture.Open(a.cfg.Capture, pinned, a.log)
	if err != nil {
		return err
	}
	a.captures = store
	a.closers = append(a.closers, store.Close)
	a.keep = &keeper{store: store, out: a.out}
	a.keep.offer(a.cfg.Targets, pinned, a.log)
	return nil
}

// offeredFor is how long evidence of a leak that is over is offered again.
const offeredFor = 24 * time.Hour

// offer tells the hub of the evidence of leaks that lies on disk. A crash
// between saving it and telling, or a hub that was restored from an older
// backup, would cost it otherwise; one that has it already says so, and no bytes
// go over the line.
func (k *keeper) offer(targets []Target, waiting func(path string) bool, log *slog.Logger) {
	if k == nil || k.out == nil {
		return
	}
	for _, t := range targets {
		for _, b := range k.store.Bundles(t.Target) {
			if !b.Role.Incident() || !b.Resolved.IsZero() && time.Since(b.Time) > offeredFor {
				continue
			}
			for i := range b.Captures {
				c := &b.Captures[i]
				if waiting(c.Path) {
					continue
				}
				if err := k.out.capture(&c.Capture, c.Path); err != nil {
					log.Error("evidence is not offered to the hub", "file", c.Path, "error", err)
				}
			}
		}
	}
}

// over ends the leaks of targets that are not among those watched.
func (k *keeper) over(watched []Target, log *slog.Logger) {
	if k == nil {
		return
	}
	for _, t := range k.store.Unresolved() {
		if slices.ContainsFunc(watched, func(w Target) bool { return w.Service == t.Service && w.Instance == t.Instance }) {
			continue
		}
		if err := k.store.Resolve(t, time.Now()); err != nil {
			log.Error("evidence", "error", err)
		}
	}
}
