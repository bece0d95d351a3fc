package agent

import (
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
