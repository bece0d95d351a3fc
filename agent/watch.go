package agent

import (
	"context"
	"errors"
	"time"

	"github.com/zupee/memwatch"
	"github.com/zupee/memwatch/detector"
	"github.com/zupee/memwatch/scraper"
)

// Target is what is watched, and how it is read.
type Target struct {
	memwatch.Target
	Scrape scraper.Config
}

// source is what a watch reads; scraper.Scraper is one.
type source interface {
	Sample(ctx context.Context) (memwatch.Sample, error)
	Trouble() []error
	Build() scraper.Build
	Profile(ctx context.Context, kind memwatch.ProfileKind) (*scraper.Profile, error)
}

// watch shows one target to its detector. It is used by one goroutine.
type watch struct {
	source source
	det    *detector.Detector
	guard  scraper.Guard
	times  times
	// gc is the GC cycle of the newest heap profile, -1 before the first: until
	// another completes, there is nothing new to see.
	gc   float64
	read map[memwatch.ProfileKind]time.Time // when it was read, or is known not to be served
	off  map[memwatch.ProfileKind]time.Time // until when not to ask for what is not served
}

func newWatch(src source, cfg detector.Config, share float64) *watch {
	return &watch{
		source: src, det: detector.New(cfg), guard: scraper.Guard{Share: share}, gc: -1,
		read: map[memwatch.ProfileKind]time.Time{}, off: map[memwatch.ProfileKind]time.Time{},
	}
}

// look is what one step saw.
type look struct {
	sample   memwatch.Sample
	profiles map[memwatch.ProfileKind]*scraper.Profile
	// troubles are endpoints that failed while others did not.
	troubles []error
	// build is which program the target is.
	build scraper.Build
	// was and is are the states before and after.
	was, is memwatch.State
	// restarted says that the target is another process than before.
	restarted bool
	// rushes says that memory is about to reach its limit; set by the runner.
	rushes bool
	// slowed says that profiles are read less often, to spare the target.
	slowed bool
}

// edge reports whether the state became this one just now.
func (l *look) edge(to memwatch.State) bool { return l.is == to && l.was != to }

// step takes one reading, and the profiles that are due. An error means that
// there is no reading.
func (w *watch) step(ctx context.Context) (*look, error) {
	sample, err := w.source.Sample(ctx)
	if err != nil {
		return nil, err
	}
	sample.Time = w.times.apart(sample.Time)
	l := &look{sample: sample, troubles: w.source.Trouble(), build: w.source.Build(), was: w.det.State(), profiles: map[memwatch.ProfileKind]*scraper.Profile{}}
	restarts := w.det.Restarts()
	w.det.Observe(&sample)
	if l.restarted = w.det.Restarts() > restarts; l.restarted {
		w.gc = -1
	}
	for _, kind := range w.due(l) {
		_ = w.profile(ctx, l, kind) // its trouble is in the look
	}
	l.is = w.det.State()
	return l, nil
}

// slowInterval between profiles is more than anybody wishes for: beyond it the
// target counts as slow.
const slowInterval = time.Minute

// due lists the profiles to read beside this sample.
func (w *watch) due(l *look) []memwatch.ProfileKind {
	var kinds []memwatch.ProfileKind
	wants := w.det.Wants()
	now := l.sample.Time
	every := func(kind memwatch.ProfileKind, interval time.Duration) bool {
		interval, slowed := w.guard.Interval(kind, interval)
		l.slowed = l.slowed || slowed && interval > slowInterval
		// A tenth of slack: a ticker's jitter must not cost a whole tick.
		return now.Sub(w.read[kind]) >= interval-interval/10 && !now.Before(w.off[kind])
	}
	if gc := l.sample.Or(memwatch.NumGC, -1); (gc < 0 || gc != w.gc) && every(memwatch.HeapProfile, wants.HeapEvery) {
		kinds = append(kinds, memwatch.HeapProfile)
	}
	if every(memwatch.GoroutineProfile, wants.GoroutinesEvery) {
		kinds = append(kinds, memwatch.GoroutineProfile)
	}
	if wants.GoroutineLeak && !now.Before(w.off[memwatch.GoroutineLeakProfile]) {
		kinds = append(kinds, memwatch.GoroutineLeakProfile)
	}
	return kinds
}

// notServedFor is how long a profile that the target does not serve is left alone.
const notServedFor = 5 * time.Minute

// profile reads one profile and shows it to the detector.
func (w *watch) profile(ctx context.Context, l *look, kind memwatch.ProfileKind) error {
	if l.profiles[kind] != nil {
		return nil
	}
	now := l.sample.Time
	w.read[kind] = now
	start := time.Now()
	p, err := w.source.Profile(ctx, kind)
	if err != nil {
		unsupported := errors.Is(err, scraper.ErrUnsupported)
		if unsupported || kind == memwatch.GoroutineLeakProfile { // the latter runs a GC: no insisting
			w.off[kind] = now.Add(notServedFor)
		}
		if !unsupported && ctx.Err() == nil {
			w.guard.Failed(kind, time.Since(start))
			l.troubles = append(l.troubles, err)
		}
		return err
	}
	w.guard.Took(kind, p.Took, len(p.Raw))
	if kind == memwatch.HeapProfile {
		w.gc = l.sample.Or(memwatch.NumGC, -1)
	}
	w.det.ObserveSites(p.Sites)
	p.Release() // what is left is evidence: the bytes, and their time
	l.profiles[kind] = p
	return nil
}
