// Package discovery finds targets outside of a pod: in target files as
// Prometheus's file_sd reads them, and by names in DNS.
//
// A Config enters; the whole list of what is there leaves, each time that it
// changes. What cannot be read stays as it was, and is said: a broken file or a
// name server that is away must not end the watch of anybody. The room knows
// addresses and labels; how a target is read is others' to say.
package discovery

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Config is one source of targets.
type Config struct {
	// Files are target files, in YAML or JSON; a name may be a pattern such as
	// targets/*.yaml.
	Files []string `yaml:"files"`
	// DNS are names: _pprof._tcp.shop.svc is asked for SRV records, any other name
	// for its addresses, which are read at Port.
	DNS  []string `yaml:"dns"`
	Port int      `yaml:"port"`
	// Scheme and Path make an address a URL.
	Scheme string `yaml:"scheme"`
	Path   string `yaml:"path"`
	// Every is the time between looks.
	Every time.Duration `yaml:"every"`
}

// DefaultConfig finds nothing yet.
func DefaultConfig() Config { return Config{Port: 6060, Scheme: "http", Every: 30 * time.Second} }

// Validate names the field that is wrong, its value and what is allowed.
func (c Config) Validate() error {
	for _, pattern := range c.Files {
		if _, err := filepath.Match(pattern, ""); err != nil || pattern == "" {
			return fmt.Errorf("files has %q: want a file, or a pattern such as targets/*.yaml", pattern)
		}
	}
	for _, name := range c.DNS {
		if name == "" || strings.ContainsAny(name, " /:") {
			return fmt.Errorf("dns has %q: want a name such as shop.prod.svc or _pprof._tcp.shop.prod.svc, without scheme and port", name)
		}
	}
	switch {
	case len(c.Files)+len(c.DNS) == 0:
		return fmt.Errorf("files and dns are both empty: want one of them")
	case c.Port < 1 || c.Port > 65535:
		return fmt.Errorf("port is %d: want 1 to 65535", c.Port)
	case c.Scheme != "http" && c.Scheme != "https":
		return fmt.Errorf("scheme is %q: want http or https", c.Scheme)
	case c.Path != "" && !strings.HasPrefix(c.Path, "/"):
		return fmt.Errorf("path is %q: want one that begins with /", c.Path)
	case c.Every < time.Second || c.Every > time.Hour:
		return fmt.Errorf("every is %v: want 1s to 1h", c.Every)
	}
	return nil
}

// Target is one that was found.
type Target struct {
	URL    string
	Labels map[string]string
}

// MaxTargets is what one source may come to; what is beyond is not taken.
const MaxTargets = 5000

// Run looks for targets until ctx ends and gives found all of them, sorted,
// after the first look and whenever they changed.
func Run(ctx context.Context, cfg Config, found func([]Target), log *slog.Logger) {
	f := finder{cfg: cfg, dns: system{}, log: log, known: map[string][]Target{}, failing: map[string]bool{}}
	tick := time.NewTicker(cfg.Every)
	defer tick.Stop()
	var last []Target
	for first := true; ; first = false {
		now := f.look(ctx)
		if ctx.Err() != nil {
			return
		}
		if first || !slices.EqualFunc(now, last, same) {
			found(now)
			last = now
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

func same(a, b Target) bool { return a.URL == b.URL && maps.Equal(a.Labels, b.Labels) }

// finder looks again and again.
type finder struct {
	cfg Config
	dns resolver
	log *slog.Logger
	// known is what each file and name last gave; failing are those that gave
	// nothing new since.
	known   map[string][]Target
	failing map[string]bool
	cut     bool // there were more than MaxTargets
}

// look asks everything once.
func (f *finder) look(ctx context.Context) []Target {
	before, files := f.known, f.files()
	f.known = make(map[string][]Target, len(before))
	for _, file := range files {
		f.keep("file "+file, before, func() ([]Target, error) { return f.readFile(file) })
	}
	for _, name := range f.cfg.DNS {
		f.keep("name "+name, before, func() ([]Target, error) { return f.resolve(ctx, name) })
	}
	byURL, cut := map[string]Target{}, false
	for _, from := range slices.Sorted(maps.Keys(f.known)) {
		for _, t := range f.known[from] {
			if _, twice := byURL[t.URL]; twice {
				continue
			}
			if cut = len(byURL) == MaxTargets; cut {
				break
			}
			byURL[t.URL] = t
		}
	}
	if cut && !f.cut {
		f.log.Error("more targets are found than one source may have: the rest is not watched; make it several sources", "max", MaxTargets)
	}
	f.cut = cut
	out := make([]Target, 0, len(byURL))
	for _, url := range slices.Sorted(maps.Keys(byURL)) {
		out = append(out, byURL[url])
	}
	return out
}

// keep takes what a source gives, or what it gave before when it fails. It says
// so when that begins and when it ends.
func (f *finder) keep(source string, before map[string][]Target, ask func() ([]Target, error)) {
	targets, err := ask()
	if err != nil {
		targets = before[source]
		if !f.failing[source] {
			f.log.Error("targets cannot be found: those known before stay", "source", source, "known", len(targets), "error", err)
		}
	} else if f.failing[source] {
		f.log.Info("targets are found again", "source", source, "targets", len(targets))
	}
	f.failing[source] = err != nil
	f.known[source] = targets
}

// url makes an address one; a whole URL stays as it is.
func (f *finder) url(address string) string {
	if strings.Contains(address, "://") {
		return address
	}
	return f.cfg.Scheme + "://" + address + f.cfg.Path
}
