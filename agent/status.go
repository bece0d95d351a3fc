package agent

import (
	"maps"
	"sync"
	"time"

	"github.com/zupee/memwatch"
	"github.com/zupee/memwatch/scraper"
)

// status is what /metrics says of one target; written by its goroutine, read
// by the HTTP server's.
type status struct {
	target memwatch.Target

	mu       sync.Mutex
	up       bool
	last     memwatch.Sample
	verdict  *memwatch.Verdict
	scrapes  uint64
	errors   map[scraper.Reason]uint64
	profiles map[memwatch.ProfileKind]uint64
	restarts uint64
	captures uint64
	slowed   bool
	seen     time.Time
	build    scraper.Build
}

func newStatus(t memwatch.Target) *status {
	return &status{target: t, errors: map[scraper.Reason]uint64{}, profiles: map[memwatch.ProfileKind]uint64{}}
}

// failed counts a scrape error; down says that there is no reading at all.
func (s *status) failed(reason scraper.Reason, down bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.errors[reason]++
	if down {
		s.up = false
		s.scrapes++
	}
}

func (s *status) saw(l *look) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.up, s.last, s.slowed, s.seen = true, l.sample, l.slowed, l.sample.Time
	s.scrapes++
	for kind := range l.profiles {
		s.profiles[kind]++
	}
	if l.restarted {
		s.restarts++
	}
}

// learned takes what is known of the program; news says whether that changed.
func (s *status) learned(b scraper.Build) (was scraper.Build, news bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	was, s.build = s.build, b
	return was, !maps.Equal(was, b)
}

// labelled is a target with the version that it runs, unless somebody set one.
func (s *status) labelled(t memwatch.Target) memwatch.Target {
	s.mu.Lock()
	defer s.mu.Unlock()
	version := s.build[scraper.BuildVersion]
	if _, set := t.Labels[scraper.BuildVersion]; version == "" || set {
		return t
	}
	labels := maps.Clone(t.Labels)
	if labels == nil {
		labels = map[string]string{}
	}
	labels[scraper.BuildVersion] = version
	t.Labels = labels
	return t
}

func (s *status) judged(v *memwatch.Verdict) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.verdict = v
}

func (s *status) captured(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.captures += uint64(n)
}
