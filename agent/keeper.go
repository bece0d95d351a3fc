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

// lastGaspSeconds before the limit is the last chance to see a target.
const lastGaspSeconds = 60

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
	role := k.role(l, v)
	if role == "" || !k.store.Due(r.target, role, l.sample.Start, l.sample.Time) {
		return
	}
	e := capture.Evidence{Target: r.target, Role: role, Time: l.sample.Time, Life: l.sample.Start}
	if role != memwatch.RoleBaseline {
		e.Verdict, e.Readings = v, r.history.readings()
		for _, kind := range evidenceKinds {
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
	k.save(r, e)
}

// role is what the newest step would be evidence of, "" for nothing.
func (k *keeper) role(l *look, v *memwatch.Verdict) memwatch.Role {
	switch {
	case l.edge(memwatch.Leaking):
		return memwatch.RoleLeaking
	case l.is.Rank() >= memwatch.Suspect.Rank() && dying(v):
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
	return v != nil && v.LimitSource != "assumed" && v.TimeToLimitSeconds != nil && *v.TimeToLimitSeconds < lastGaspSeconds
}

func (k *keeper) save(r *runner, e capture.Evidence) {
	b, err := k.store.Save(e)
	if err != nil {
		if times, ok := r.logged.allow("evidence", e.Time); ok {
			r.log.Error("evidence was not saved", "role", string(e.Role), "error", err, "times", times)
		}
		return
	}
	r.status.captured(len(e.Profiles))
	if e.Role == memwatch.RoleBaseline || e.Role == memwatch.RoleSuspect {
		r.log.Debug("evidence saved", "role", string(e.Role), "dir", b.Dir)
		return // the hub gets them with the leak that they belong to, if there is one
	}
	r.log.Warn("evidence saved", "role", string(e.Role), "dir", b.Dir, "look", compareLine(b.Captures))
	for i := range b.Captures {
		c := &b.Captures[i]
		if err := k.out.capture(&c.Capture, c.Path); err != nil {
			r.drop(err)
		}
	}
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
	return nil
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
