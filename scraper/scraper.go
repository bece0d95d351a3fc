package scraper

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/zupee/memwatch"
)

// Scraper reads one target. Its methods may be called from any goroutine; they
// take turns, so that a target never answers two of our requests at once.
type Scraper struct {
	mu                   sync.Mutex
	client               *client
	endpoints            Endpoints
	vars, metrics, index source
	process              process
	lookAgain            time.Time // when to look for the process again
	claim                claim
	start                time.Time // of the target's present life
	settings             memwatch.Sample
	live                 LiveHeap
	// inuse is the newest heap profile's total: the live heap of targets that
	// serve profiles and nothing else.
	inuse float64
	// otherHeap is where a heap profile may be if not at the usual place: that of
	// gperftools. "" when it is known where it is.
	otherHeap string
	trouble   []error
	// told is what the newest metrics say of the program; build is all that is known.
	told, build Build
}

// lookEvery is how long to wait before looking for a process again that could
// not be found: the search reads much of /proc.
const lookEvery = 5 * time.Minute

// New makes a scraper; nothing is read yet.
func New(cfg Config) (*Scraper, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	c, err := newClient(cfg)
	if err != nil {
		return nil, err
	}
	s := &Scraper{client: c, endpoints: cfg.Endpoints.resolve(c.base.Path), process: process{root: "/"}}
	s.vars = source{path: s.endpoints.Vars, explicit: cfg.Endpoints.Vars != "", read: s.readVars}
	s.metrics = source{path: s.endpoints.Metrics, explicit: cfg.Endpoints.Metrics != "", read: s.readMetrics}
	if prefix, ok := strings.CutSuffix(s.endpoints.Heap, "/debug/pprof/heap"); ok && cfg.Endpoints.Heap == "" {
		s.otherHeap = prefix + "/pprof/heap"
	}
	s.index = source{path: s.indexPath(), read: readIndex}
	if cfg.PID != 0 {
		s.process.use(cfg.PID)
	}
	return s, nil
}

// Close lets go of the connection and the process.
func (s *Scraper) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.client.close()
	s.process.forget()
}

// Sample takes one reading from all that the target serves. An endpoint that
// fails does not lose what the others gave (see Trouble); an error means that
// there is no reading. A process that can be seen gives its RSS even when its
// endpoints give nothing.
func (s *Scraper) Sample(ctx context.Context) (memwatch.Sample, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sample := memwatch.Sample{Time: time.Now()}
	s.trouble = nil
	err := s.fill(ctx, &sample)
	if err == nil && empty(&sample) {
		err = append(s.trouble, s.nothing())[0]
	}
	if err != nil {
		// Whoever comes back may be another, and serve more than before.
		s.wake()
		return memwatch.Sample{}, err
	}
	return sample, nil
}

// Trouble is what went wrong at some endpoints during the newest Sample while
// others answered.
func (s *Scraper) Trouble() []error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.trouble
}

// fill asks everything that may be asked now.
func (s *Scraper) fill(ctx context.Context, sample *memwatch.Sample) error {
	for _, src := range []*source{&s.vars, &s.metrics} {
		if err := s.ask(ctx, src, sample); err != nil {
			return err
		}
	}
	if _, has := sample.Get(memwatch.Goroutines); !has {
		if err := s.ask(ctx, &s.index, sample); err != nil {
			return err
		}
	}
	if empty(sample) && s.inuse == 0 && !s.timedOut() {
		if err := s.heapAlone(ctx); err != nil {
			return err
		}
	}
	took := time.Since(sample.Time) // what follows is our own work, not the target's
	s.system(ctx, sample)
	s.newLife(sample)
	s.derive(sample)
	s.build = s.told.over(s.process.build)
	if !empty(sample) {
		sample.Set(memwatch.ScrapeSeconds, took.Seconds())
	}
	return nil
}

// heapAlone reads a heap profile for want of anything else: its total is a
// reading of the live heap.
func (s *Scraper) heapAlone(ctx context.Context) error {
	p, err := s.profile(ctx, memwatch.HeapProfile)
	switch {
	case err == nil:
		p.Release()
		return nil
	case ctx.Err() != nil:
		return err
	case errors.Is(err, ErrUnsupported):
		err = s.nothing()
	}
	s.trouble = append(s.trouble, err)
	return nil
}

// system adds what this machine knows of the target's process.
func (s *Scraper) system(ctx context.Context, sample *memwatch.Sample) {
	found := s.process.read(sample)
	if !found { // restarted: another process has the port
		s.process.forget()
		s.lookAgain = time.Time{}
	}
	if s.process.pid == 0 && !sample.Time.Before(s.lookAgain) {
		s.lookAgain = sample.Time.Add(lookEvery)
		s.process.find(s.client.base, s.client.socket, s.claimed(ctx, sample), sample.Time)
		s.process.read(sample)
	}
	if s.client.cfg.LimitBytes > 0 {
		sample.Set(memwatch.LimitBytes, float64(s.client.cfg.LimitBytes))
	}
}

// claimed is what the target says of itself: its command line by expvar, else by
// net/http/pprof, and its start by its metrics.
func (s *Scraper) claimed(ctx context.Context, sample *memwatch.Sample) claim {
	is := claim{args: s.claim.args, start: sample.Start}
	if len(is.args) == 0 && is.start.IsZero() && s.index.path != Off && !s.vars.answered {
		_ = s.client.fetch(ctx, s.index.path+"cmdline", func(body []byte, _ time.Duration) error {
			is.args = strings.Split(string(body), "\x00")
			return nil
		}) // without it the process stays unknown, which is no failure
	}
	return is
}

// newLife keeps one start time for one life, however the clocks that tell it
// waver, and forgets what was known of a process that is gone.
func (s *Scraper) newLife(sample *memwatch.Sample) {
	switch {
	case sample.Start.IsZero():
		if s.metrics.spared {
			sample.Start = s.start
		}
		return
	case sample.Start.Sub(s.start).Abs() <= clockSlack:
		sample.Start = s.start
		return
	case !s.start.IsZero():
		s.wake()
		s.inuse, s.settings, s.claim = 0, memwatch.Sample{}, claim{}
		if s.metrics.spared {
			s.told = nil
		}
	}
	s.start = sample.Start
}

// derive adds the live heap where the target does not tell it.
func (s *Scraper) derive(sample *memwatch.Sample) {
	for _, sig := range []memwatch.Signal{memwatch.GOGCPercent, memwatch.GoMemLimitBytes} {
		if v, ok := s.settings.Get(sig); ok && s.metrics.spared {
			set(sample, sig, v)
		}
	}
	_, hasAlloc := sample.Get(memwatch.HeapAllocBytes)
	if !hasAlloc && s.inuse > 0 {
		set(sample, memwatch.LiveHeapBytes, s.inuse)
	}
	s.live.Fill(sample)
}

// empty reports whether a sample says nothing of the process.
func empty(s *memwatch.Sample) bool {
	for sig := range s.All() {
		switch sig {
		case memwatch.LimitBytes, memwatch.GOGCPercent, memwatch.GoMemLimitBytes:
		default:
			return false
		}
	}
	return true
}

// nothing is the error of a target that answers but has nothing to read.
func (s *Scraper) nothing() error {
	var tried []string
	for _, path := range []string{s.vars.path, s.metrics.path, s.index.path} {
		if path != Off {
			tried = append(tried, path)
		}
	}
	return s.client.fail(strings.Join(tried, ", "), NoEndpoint, fmt.Errorf("%w: found nothing to read", ErrUnsupported),
		`in Go, import _ "expvar" and _ "net/http/pprof" and serve http.DefaultServeMux, or serve Prometheus metrics; or set endpoints`)
}
