package scraper

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/zupee/memwatch"
	"github.com/zupee/memwatch/scraper/pprof"
)

// Scraper reads one target. Its methods may be called from any goroutine; they
// take turns, so that a target never answers two of our requests at once.
type Scraper struct {
	mu        sync.Mutex
	client    *client
	endpoints Endpoints
	explicit  Endpoints
	absent    map[string]time.Time // endpoints not served, and when that was seen
	process   process
	live      LiveHeap
	decoder   pprof.Decoder
	// inuse is the newest heap profile's total: the live heap of targets that
	// serve profiles and nothing else.
	inuse   float64
	trouble []error
}

// retryAbsent is how long an endpoint that is not served is left alone.
const retryAbsent = 5 * time.Minute

// New makes a scraper; nothing is read yet.
func New(cfg Config) (*Scraper, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	c, err := newClient(cfg)
	if err != nil {
		return nil, err
	}
	s := &Scraper{
		client: c, explicit: cfg.Endpoints, absent: map[string]time.Time{},
		endpoints: cfg.Endpoints.resolve(c.base.Path),
	}
	if cfg.PID != 0 {
		s.process.use(cfg.PID)
	}
	return s, nil
}

// Close lets go of the connection.
func (s *Scraper) Close() { s.client.close() }

// Sample takes one reading from all that the target serves. An endpoint that
// fails does not lose what the others gave (see Trouble); an error means that
// there is no reading. A process that can be seen gives its RSS even when its
// endpoints give nothing.
func (s *Scraper) Sample(ctx context.Context) (memwatch.Sample, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	start := time.Now()
	sample := memwatch.Sample{Time: start}
	s.trouble = nil

	sources := []struct {
		path, explicit string
		read           func([]byte, *memwatch.Sample) error
	}{
		{s.endpoints.Vars, s.explicit.Vars, readVars},
		{s.endpoints.Metrics, s.explicit.Metrics, readMetrics},
	}
	for _, src := range sources {
		if err := s.source(ctx, src.path, src.explicit != "", src.read, &sample); err != nil {
			return memwatch.Sample{}, err
		}
	}
	if _, has := sample.Get(memwatch.Goroutines); !has {
		if err := s.source(ctx, s.index(), false, readIndex, &sample); err != nil {
			return memwatch.Sample{}, err
		}
	}
	if empty(&sample) && s.inuse == 0 {
		s.trouble = append(s.trouble, s.nothing())
	}
	s.system(&sample)
	s.derive(&sample)
	if empty(&sample) {
		return memwatch.Sample{}, s.trouble[0]
	}
	sample.Set(memwatch.ScrapeSeconds, time.Since(start).Seconds())
	return sample, nil
}

// Trouble is what went wrong at some endpoints during the newest Sample while
// others answered.
func (s *Scraper) Trouble() []error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.trouble
}

// source reads one endpoint into the sample. It returns an error only when
// there is no use in going on: the target cannot be reached at all.
func (s *Scraper) source(ctx context.Context, path string, explicit bool, read func([]byte, *memwatch.Sample) error, sample *memwatch.Sample) error {
	if path == Off || path == "" || !explicit && time.Since(s.absent[path]) < retryAbsent {
		return nil
	}
	got, err := s.client.fetch(ctx, path)
	if err == nil {
		if isHTML(got.body) && !bytes.Contains(got.body, []byte("goroutine?debug")) {
			err = s.client.fail(path, HTML, errors.New("found a web page"), "is this the service's port for debugging?")
		} else if err = read(got.body, sample); err != nil {
			err = s.client.fail(path, Corrupt, fmt.Errorf("found %w", err), "")
		}
	}
	var failed *Error
	switch {
	case err == nil:
		delete(s.absent, path)
		return nil
	case !errors.As(err, &failed):
		return err // ctx ended
	case slices.Contains([]Reason{Refused, Unreachable, Timeout, TLSFailed, Denied, Local}, failed.Reason):
		return err
	case !explicit && (errors.Is(err, ErrUnsupported) || failed.Reason == HTML):
		s.absent[path] = time.Now()
		return nil
	}
	s.trouble = append(s.trouble, err)
	return nil
}

// index is net/http/pprof's page that lists the profiles with their counts:
// the cheapest way to the number of goroutines.
func (s *Scraper) index() string {
	if dir, ok := strings.CutSuffix(s.endpoints.Goroutine, "goroutine"); ok && s.endpoints.Goroutine != Off {
		return dir
	}
	return Off
}

var goroutineRow = regexp.MustCompile(`<td>(\d{1,12})</td>\s*<td><a href=['"]?goroutine\?debug`)

func readIndex(body []byte, s *memwatch.Sample) error {
	row := goroutineRow.FindSubmatch(body)
	if row == nil {
		return errors.New("no list of profiles as net/http/pprof serves it")
	}
	n, err := strconv.ParseFloat(string(row[1]), 64)
	if err != nil {
		return err
	}
	s.Set(memwatch.Goroutines, n)
	return nil
}

// system adds what this machine knows of the target's process.
func (s *Scraper) system(sample *memwatch.Sample) {
	if s.process.pid == 0 && s.client.cfg.PID == 0 && !s.recent("process") {
		s.process.find(s.client.base)
		if s.process.pid == 0 {
			s.absent["process"] = time.Now()
		}
	}
	if !s.process.read(sample) {
		s.process.find(s.client.base) // restarted: another process has the port
		s.process.read(sample)
	}
	if s.client.cfg.LimitBytes > 0 {
		sample.Set(memwatch.LimitBytes, float64(s.client.cfg.LimitBytes))
	}
}

func (s *Scraper) recent(what string) bool { return time.Since(s.absent[what]) < retryAbsent }

// derive adds the live heap where the target does not tell it.
func (s *Scraper) derive(sample *memwatch.Sample) {
	_, hasAlloc := sample.Get(memwatch.HeapAllocBytes)
	if !hasAlloc && s.inuse > 0 {
		set(sample, memwatch.LiveHeapBytes, s.inuse)
	}
	s.live.Fill(sample)
}

// empty reports whether a sample says nothing of memory.
func empty(s *memwatch.Sample) bool {
	for sig := range s.All() {
		if sig != memwatch.LimitBytes {
			return false
		}
	}
	return true
}

// nothing is the error of a target that answers but has nothing to read.
func (s *Scraper) nothing() error {
	var tried []string
	for _, path := range []string{s.endpoints.Vars, s.endpoints.Metrics, s.index()} {
		if path != Off {
			tried = append(tried, path)
		}
	}
	return s.client.fail(strings.Join(tried, ", "), NoEndpoint, fmt.Errorf("%w: found nothing to read", ErrUnsupported),
		`in Go, import _ "expvar" and _ "net/http/pprof" and serve http.DefaultServeMux, or serve Prometheus metrics; or set endpoints`)
}

// Profile is one profile of the target.
type Profile struct {
	// Raw is as served.
	Raw   []byte
	Sites *memwatch.Sites
	// Took is how long the target needed, as seen from here.
	Took time.Duration
}

// Profile reads a profile of the given kind. ErrUnsupported is wrapped when the
// target does not serve it.
func (s *Scraper) Profile(ctx context.Context, kind memwatch.ProfileKind) (*Profile, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	path := map[memwatch.ProfileKind]string{
		memwatch.HeapProfile:          s.endpoints.Heap,
		memwatch.GoroutineProfile:     s.endpoints.Goroutine,
		memwatch.GoroutineLeakProfile: s.endpoints.GoroutineLeak,
	}[kind]
	if path == Off || path == "" {
		return nil, s.client.fail(string(kind)+" profile", NoEndpoint, ErrUnsupported, "set endpoints."+string(kind))
	}
	at := time.Now()
	got, err := s.client.fetch(ctx, path)
	if err != nil {
		return nil, err
	}
	if isHTML(got.body) {
		return nil, s.client.fail(path, HTML, errors.New("found a web page, want a pprof profile"), "")
	}
	sites, err := s.decoder.Decode(got.body, kind, at)
	if err != nil {
		reason := Corrupt
		if errors.Is(err, pprof.ErrTooLarge) {
			reason = TooLarge
		}
		return nil, s.client.fail(path, reason, err, "")
	}
	if kind == memwatch.HeapProfile {
		s.inuse = 0
		for i := range sites.Sites {
			s.inuse += float64(sites.Sites[i].LiveBytes)
		}
	}
	return &Profile{Raw: bytes.Clone(got.body), Sites: sites, Took: got.took}, nil
}
