package agent

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/zupee/memwatch"
	"github.com/zupee/memwatch/detector"
	"github.com/zupee/memwatch/scraper"
)

// CheckConfig is for Check.
type CheckConfig struct {
	Targets  []Target
	Interval time.Duration
	Detector detector.Config
	// SaveDir keeps the first and last profiles of each target; "" keeps none.
	SaveDir string
	// GiveUp ends the check of a target that never answered in so long, and in
	// leastTries readings; 0 never does.
	GiveUp time.Duration
	// Progress is told of every reading, from several goroutines; nil tells nobody.
	Progress func(Progress)
}

// Progress is how far a check has come with one target.
type Progress struct {
	Target  int // index in CheckConfig.Targets
	Samples int
	Failed  int
	State   memwatch.State
	// LiveHeapBytes is the newest; 0 when unknown.
	LiveHeapBytes float64
}

// leastTries are made before a target is given up.
const leastTries = 3

// checkShare of one core of the target is what profiles may take: a check is
// short, and somebody waits for it.
const checkShare = 0.05

// Check watches the targets until ctx ends and says what was found. That ctx
// ended is no error; an unreadable target is not one either, but its result
// says so.
func Check(ctx context.Context, cfg CheckConfig) (*CheckResult, error) {
	start := time.Now()
	checks := make([]*check, len(cfg.Targets))
	for i, t := range cfg.Targets {
		s, err := scraper.New(t.Scrape)
		if err != nil {
			return nil, err
		}
		defer s.Close()
		det := cfg.Detector
		det.LimitBytes = t.Scrape.LimitBytes
		checks[i] = &check{
			cfg: &cfg, index: i, watch: newWatch(s, det, checkShare),
			result: TargetResult{Service: t.Service, Instance: t.Instance, URL: t.Scrape.URL, WorstState: memwatch.Learning, Evidence: []SavedFile{}},
		}
	}
	var wg sync.WaitGroup
	errs := make([]error, len(checks))
	for i, c := range checks {
		wg.Go(func() { errs[i] = c.run(ctx) })
	}
	wg.Wait()
	r := &CheckResult{StartedAt: memwatch.Milli(start), DurationSeconds: time.Since(start).Seconds()}
	for _, c := range checks {
		r.Targets = append(r.Targets, c.result)
	}
	return r, errors.Join(errs...)
}

// check is one target's part.
type check struct {
	cfg    *CheckConfig
	index  int
	watch  *watch
	result TargetResult
}

func (c *check) run(ctx context.Context) error {
	tick := time.NewTicker(c.cfg.Interval)
	defer tick.Stop()
	start := time.Now()
	for {
		if err := c.step(ctx); err != nil {
			return err
		}
		if c.hopeless(time.Since(start)) {
			c.result.GaveUp = true
			return c.finish(ctx)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return c.finish(context.WithoutCancel(ctx))
		}
	}
}

func (c *check) step(ctx context.Context) error {
	l, err := c.watch.step(ctx)
	if err != nil {
		if ctx.Err() == nil {
			c.result.ScrapeErrors++
			c.result.Error = troubleOf(err)
			c.progress(memwatch.Learning, 0)
		}
		return nil
	}
	c.result.Samples++
	for _, err := range l.troubles {
		c.result.Error = troubleOf(err)
	}
	if l.is.Rank() > c.result.WorstState.Rank() {
		c.result.WorstState = l.is
	}
	c.progress(l.is, l.sample.Or(memwatch.LiveHeapBytes, 0))
	return c.keep(l)
}

// hopeless reports whether a target never answered, for long enough.
func (c *check) hopeless(tried time.Duration) bool {
	return c.cfg.GiveUp > 0 && c.result.Samples == 0 && c.result.ScrapeErrors >= leastTries && tried >= c.cfg.GiveUp
}

func (c *check) progress(state memwatch.State, live float64) {
	if c.cfg.Progress != nil {
		c.cfg.Progress(Progress{c.index, c.result.Samples, c.result.ScrapeErrors, state, live})
	}
}

// finish takes the last profiles, which are the ones to compare, and the verdict.
func (c *check) finish(ctx context.Context) error {
	c.result.Verdict = c.watch.det.Verdict()
	defer c.name()
	if c.result.Samples == 0 || c.cfg.SaveDir == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	l := &look{sample: memwatch.Sample{Time: time.Now()}, profiles: map[memwatch.ProfileKind]*scraper.Profile{}}
	for _, kind := range []memwatch.ProfileKind{memwatch.HeapProfile, memwatch.GoroutineProfile} {
		if err := c.watch.profile(ctx, l, kind); err != nil && !errors.Is(err, scraper.ErrUnsupported) {
			c.result.Error = troubleOf(err)
		}
	}
	return c.keep(l)
}

// keep counts the profiles, and saves them: the first of a kind as the
// baseline, each later one in place of the one before.
func (c *check) keep(l *look) error {
	if l.profiles[memwatch.HeapProfile] != nil {
		c.result.HeapProfiles++
	}
	if c.cfg.SaveDir == "" {
		return nil
	}
	for _, kind := range []memwatch.ProfileKind{memwatch.HeapProfile, memwatch.GoroutineProfile} {
		if p := l.profiles[kind]; p != nil {
			if err := c.save(kind, p); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *check) save(kind memwatch.ProfileKind, p *scraper.Profile) error {
	name := "baseline"
	if slices.ContainsFunc(c.result.Evidence, func(f SavedFile) bool { return f.Kind == kind }) {
		name = "last"
	}
	dir := filepath.Join(c.cfg.SaveDir, fileName(c.result.Instance))
	path := filepath.Join(dir, fmt.Sprintf("%s-%s.pb.gz", kind, name))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("save evidence: %w", err)
	}
	if err := os.WriteFile(path, p.Raw, 0o600); err != nil {
		return fmt.Errorf("save evidence: %w", err)
	}
	file := SavedFile{Kind: kind, Role: memwatch.RoleBaseline, Path: path, Time: memwatch.Milli(p.Sites.Time)}
	if i := slices.IndexFunc(c.result.Evidence, func(f SavedFile) bool { return f.Path == path }); i >= 0 {
		c.result.Evidence[i] = file
		return nil
	}
	c.result.Evidence = append(c.result.Evidence, file)
	return nil
}

// name says of the files what they are evidence of, now that it is known: of
// nothing, where nothing could be judged.
func (c *check) name() {
	if c.result.Verdict.State == memwatch.Learning {
		for i := range c.result.Evidence {
			c.result.Evidence[i].Role = ""
		}
		return
	}
	role := map[memwatch.State]memwatch.Role{memwatch.Suspect: memwatch.RoleSuspect, memwatch.Leaking: memwatch.RoleLeaking}[c.result.Verdict.State]
	seen := map[memwatch.ProfileKind]bool{}
	for i := range c.result.Evidence {
		f := &c.result.Evidence[i]
		if seen[f.Kind] && role != "" {
			f.Role = role
		}
		seen[f.Kind] = true
	}
}

// fileName makes a name that is safe on every file system.
func fileName(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '-' || r == '.' || r == '_' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' {
			return r
		}
		return '_'
	}, strings.TrimLeft(s, "."))
}

func troubleOf(err error) *Trouble {
	t := &Trouble{Reason: string(scraper.Local), Message: err.Error()}
	var e *scraper.Error
	if errors.As(err, &e) {
		t.Endpoint, t.Reason = e.Endpoint, string(e.Reason)
	}
	return t
}
