package memwatchtest

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"time"

	"github.com/zupee/memwatch"
	"github.com/zupee/memwatch/detector"
	decoder "github.com/zupee/memwatch/scraper/pprof"
)

// recorder keeps what it reads out of the heap that it measures: profiles go to
// files, and nothing is judged before the workload has ended.
type recorder struct {
	dir     string
	samples []memwatch.Sample // with room for all
}

const (
	heapEvery      = 5  // rounds between heap profiles
	goroutineEvery = 10 // rounds between goroutine profiles

	// sampleBytes is the mean distance between sampled allocations. The usual
	// 512 KiB would see nothing of a short test.
	sampleBytes = 512

	// The detector's own idea of what is worth a word comes from services: 1 MiB
	// read every 10 s. A test is small and quiet, and its heap is read just after
	// a collection: here 16 KiB are as much, so all bytes are shown to it 64 times
	// as large, and each round as 10 s.
	magnify      = 64
	roundSeconds = 10
	// baseBytes stands in for what the process held before: a test binary's
	// heap says nothing of how much the workload may grow.
	baseBytes = 64 << 10
	// sureBytes of growth that doubled what was there need not be watched for long.
	sureBytes = 64 << 10
)

func (r *recorder) run(work func(), rounds int) error {
	rate := runtime.MemProfileRate
	runtime.MemProfileRate = sampleBytes
	defer func() { runtime.MemProfileRate = rate }()
	for range rounds {
		work()
		if err := r.look(); err != nil {
			return err
		}
	}
	return nil
}

// look reads the heap after a round. The collection before it makes what is
// allocated what is alive, and the profile speak of now.
func (r *recorder) look() error {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	round := len(r.samples)
	r.samples = append(r.samples, memwatch.Sample{Time: at(round), Start: at(0)})
	s := &r.samples[round]
	s.Set(memwatch.LiveHeapBytes, float64(m.HeapAlloc))
	s.Set(memwatch.HeapObjects, float64(m.HeapObjects))
	s.Set(memwatch.StackInuseBytes, magnify*float64(m.StackInuse))
	s.Set(memwatch.NumGC, float64(m.NumGC))
	s.Set(memwatch.TotalAllocBytes, magnify*float64(m.TotalAlloc))
	s.Set(memwatch.Mallocs, float64(m.Mallocs))
	s.Set(memwatch.Frees, float64(m.Frees))
	s.Set(memwatch.Goroutines, float64(runtime.NumGoroutine()))
	for _, kind := range due(round) {
		if err := r.profile(kind, round); err != nil {
			return err
		}
	}
	return nil
}

// at is the time of a round.
func at(round int) time.Time { return time.Unix(int64(round+1)*roundSeconds, 0) }

func (r *recorder) file(kind memwatch.ProfileKind, round int) string {
	return filepath.Join(r.dir, fmt.Sprintf("%s-%d.pb.gz", kind, round))
}

func (r *recorder) profile(kind memwatch.ProfileKind, round int) error {
	f, err := os.Create(r.file(kind, round))
	if err != nil {
		return fmt.Errorf("keep a profile: %w", err)
	}
	err = pprof.Lookup(string(kind)).WriteTo(f, 0)
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return fmt.Errorf("keep a profile: %w", err)
	}
	return nil
}

// judge shows the detector all rounds, in their order.
func (r *recorder) judge() (*memwatch.Verdict, error) {
	cfg := detector.DefaultConfig()
	cfg.LeakThresholdBytes = magnify * sureBytes
	det := detector.New(cfg)
	var dec decoder.Decoder
	least := r.leastLive()
	for round := range r.samples {
		s := &r.samples[round]
		s.Set(memwatch.LiveHeapBytes, magnify*(s.Or(memwatch.LiveHeapBytes, 0)-least+baseBytes))
		det.Observe(s)
		for _, kind := range due(round) {
			raw, err := os.ReadFile(r.file(kind, round))
			if err != nil {
				return nil, fmt.Errorf("read a profile: %w", err)
			}
			sites, err := dec.Decode(raw, kind, at(round))
			if err != nil {
				return nil, err
			}
			enlarge(sites)
			det.ObserveSites(sites)
		}
	}
	return reduced(det.Verdict()), nil
}

func (r *recorder) leastLive() float64 {
	least := r.samples[0].Or(memwatch.LiveHeapBytes, 0)
	for i := range r.samples {
		least = min(least, r.samples[i].Or(memwatch.LiveHeapBytes, 0))
	}
	return least
}

// due are the profiles that go with a round.
func due(round int) []memwatch.ProfileKind {
	var kinds []memwatch.ProfileKind
	if round%heapEvery == 0 {
		kinds = append(kinds, memwatch.HeapProfile)
	}
	if round%goroutineEvery == 0 {
		kinds = append(kinds, memwatch.GoroutineProfile)
	}
	return kinds
}

func enlarge(sites *memwatch.Sites) {
	sites.PeriodBytes *= magnify
	for i := range sites.Sites {
		sites.Sites[i].LiveBytes *= magnify
		sites.Sites[i].AllocBytes *= magnify
	}
}

// reduced is the verdict in bytes and rounds again.
func reduced(v *memwatch.Verdict) *memwatch.Verdict {
	const perRound = float64(roundSeconds) / magnify
	g := &v.GrowthBytesPerSecond
	*g = memwatch.Interval{Estimate: g.Estimate * perRound, Low: g.Low * perRound, High: g.High * perRound}
	v.GrowthBytes /= magnify
	for i := range v.Culprits {
		v.Culprits[i].GrowthBytesPerSecond *= perRound
		v.Culprits[i].LiveBytes /= magnify
	}
	return v
}
