package agent

import (
	"context"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/zupee/memwatch"
	"github.com/zupee/memwatch/scraper"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var start = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// fakeSource is a target whose every reading the test chooses.
type fakeSource struct {
	at       time.Time
	interval time.Duration
	gc       float64
	// down is why there is no reading; trouble and profileErr are what fails beside one.
	down       error
	trouble    []error
	profileErr map[memwatch.ProfileKind]error
	took       time.Duration
	shape      func(s *memwatch.Sample)
	read       []memwatch.ProfileKind
	// raw is every profile; nil for one that no pprof can read.
	raw []byte
	// asked is called at each reading; nil for nobody.
	asked func()
}

func newFake() *fakeSource {
	return &fakeSource{at: start, interval: time.Second, profileErr: map[memwatch.ProfileKind]error{}}
}

func (f *fakeSource) Sample(ctx context.Context) (memwatch.Sample, error) {
	f.at = f.at.Add(f.interval)
	if f.asked != nil {
		f.asked()
	}
	if f.down != nil {
		return memwatch.Sample{}, f.down
	}
	s := memwatch.Sample{Time: f.at, Start: start}
	s.Set(memwatch.NumGC, f.gc)
	s.Set(memwatch.LiveHeapBytes, 10<<20)
	if f.shape != nil {
		f.shape(&s)
	}
	return s, ctx.Err()
}

func (f *fakeSource) Trouble() []error     { return f.trouble }
func (f *fakeSource) Build() scraper.Build { return nil }

func (f *fakeSource) Profile(_ context.Context, kind memwatch.ProfileKind) (*scraper.Profile, error) {
	f.read = append(f.read, kind)
	if err := f.profileErr[kind]; err != nil {
		return nil, err
	}
	raw := f.raw
	if raw == nil {
		raw = []byte(kind)
	}
	return &scraper.Profile{Raw: raw, Sites: &memwatch.Sites{Kind: kind, Time: f.at}, Took: f.took}, nil
}

func (f *fakeSource) count(kind memwatch.ProfileKind) int {
	n := 0
	for _, k := range f.read {
		if k == kind {
			n++
		}
	}
	return n
}
