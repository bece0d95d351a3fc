package agent

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"reflect"
	"slices"
	"strings"
	"sync"

	"github.com/zupee/memwatch/discovery"
	"github.com/zupee/memwatch/scraper"
)

// Discover is a source of targets.
type Discover struct {
	Find discovery.Config
	// Like is how its targets are read, and what they are called where their
	// labels do not say.
	Like Target
	// Host is this machine's name, which stands for localhost in that of an instance.
	Host string
}

// found is what one source has found.
type found struct {
	source  int
	targets []discovery.Target
}

// finding is the sources at work.
type finding struct {
	sources []Discover
	news    chan found
	found   map[int][]discovery.Target
	stop    context.CancelFunc
	ended   sync.WaitGroup
}

// next is what finds by these sources, the present one when they are the same.
// A source that only looks at another pace, or has its targets read in another
// way, keeps what it has found.
func (f *finding) next(sources []Discover) *finding {
	if f != nil && reflect.DeepEqual(f.sources, sources) {
		return f
	}
	n := &finding{sources: sources, news: make(chan found), found: map[int][]discovery.Target{}}
	for i, source := range sources {
		if before, ok := f.of(source); ok {
			n.found[i] = before
		}
	}
	return n
}

// begin sets the sources to work, until end.
func (f *finding) begin(ctx context.Context, log *slog.Logger) {
	ctx, f.stop = context.WithCancel(ctx)
	for i, source := range f.sources {
		f.ended.Go(func() {
			discovery.Run(ctx, source.Find, func(targets []discovery.Target) {
				select {
				case f.news <- found{i, targets}:
				case <-ctx.Done():
				}
			}, log)
		})
	}
}

// of is what a source has found; ok is false before its first look.
func (f *finding) of(source Discover) (targets []discovery.Target, ok bool) {
	if f == nil {
		return nil, false
	}
	i := slices.IndexFunc(f.sources, func(s Discover) bool {
		s.Find.Every = source.Find.Every
		return reflect.DeepEqual(s.Find, source.Find)
	})
	targets, ok = f.found[i]
	return targets, ok
}

// whole reports whether every source has looked: until then, nobody knows who
// is watched no more.
func (f *finding) whole() bool { return f == nil || len(f.found) == len(f.sources) }

func (f *finding) end() {
	if f != nil {
		f.stop()
		f.ended.Wait()
	}
}

// discovered watches what was found from now on.
func (a *agent) discovered(ctx context.Context, f found) {
	a.finding.found[f.source] = f.targets
	if err := a.watch(ctx, a.cfg); err != nil {
		a.log.Error("what was found is not watched: the targets stay as they were", "error", err)
		return
	}
	a.log.Info("targets found", "found", len(f.targets), "watched", len(a.runners))
	a.announce()
}

// all are the targets of the configuration and those that were found. Of two
// with one name the first is watched; one that cannot be is said, and left out.
func (a *agent) all(cfg *Config) []Target {
	out := append([]Target(nil), cfg.Targets...)
	named := make(map[string]bool, len(out))
	for _, t := range out {
		named[t.Service+"\x00"+t.Instance] = true
	}
	for _, source := range cfg.Discover {
		targets, _ := a.finding.of(source)
		for _, d := range targets {
			t, err := source.at(d)
			if name := t.Service + "\x00" + t.Instance; err == nil && named[name] {
				err = fmt.Errorf("service %q has an instance %q already", t.Service, t.Instance)
			} else {
				named[name] = true
			}
			if err != nil {
				a.log.Warn("a target that was found is left out", "target", d.URL, "error", err)
				continue
			}
			out = append(out, t)
		}
	}
	return out
}

// maxLabels is what the hub takes of them.
const maxLabels = 64

// at is a target of the source at the place that was found. The label service, or
// Prometheus's job, names it; its address tells the instances apart.
func (s Discover) at(d discovery.Target) (Target, error) {
	t := s.Like
	labels := map[string]string{}
	maps.Copy(labels, t.Labels)
	maps.Copy(labels, d.Labels)
	for _, key := range []string{"job", "service"} {
		if name := labels[key]; name != "" {
			t.Service = name
		}
	}
	delete(labels, "service")
	t.Labels = labels
	t.Scrape.URL = d.URL
	u, err := scraper.ParseURL(d.URL)
	if err != nil {
		return t, err
	}
	t.Instance = scraper.Instance(u, s.Host)
	for k, v := range labels {
		if k == "" || plain(k) != k || plain(v) != v || len(k) > maxLabel || len(v) > maxLabel {
			return t, fmt.Errorf("label %.60q with %.60q: want at most %d bytes each, in one line", k, v, maxLabel)
		}
	}
	switch {
	case len(labels) > maxLabels:
		return t, fmt.Errorf("%d labels: want at most %d", len(labels), maxLabels)
	case t.Service == "" || len(t.Service) > maxLabel || strings.ContainsAny(t.Service, "\x00\n"):
		return t, fmt.Errorf("service %.60q: want 1 to %d bytes", t.Service, maxLabel)
	}
	return t, t.Scrape.Validate()
}

// maxLabel is what the hub takes of one name or value.
const maxLabel = 200
