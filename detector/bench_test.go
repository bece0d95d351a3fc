package detector

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/zupee/memwatch"
)

// healthyReading makes up one reading of a service at rest.
func healthyReading(r *rand.Rand, i int, interval time.Duration) *memwatch.Sample {
	s := &memwatch.Sample{Time: epoch.Add(time.Duration(i) * interval), Start: epoch.Add(-time.Minute)}
	live := 80e6 + 4e6*r.NormFloat64()
	for sig, v := range map[memwatch.Signal]float64{
		memwatch.LiveHeapBytes: live, memwatch.HeapAllocBytes: live * 1.4, memwatch.HeapInuseBytes: live * 1.5,
		memwatch.StackInuseBytes: 1e6, memwatch.SysBytes: 220e6, memwatch.HeapReleasedBytes: 10e6,
		memwatch.NumGC: float64(i + 1), memwatch.TotalAllocBytes: float64(i+1) * 50e6, memwatch.Goroutines: 120 + 10*r.NormFloat64(),
		memwatch.RSSBytes: 230e6 + 1e6*r.NormFloat64(), memwatch.LimitBytes: 1 << 30, memwatch.NextGCBytes: live * 2,
	} {
		s.Set(sig, v)
	}
	return s
}

var epoch = time.Date(2026, 1, 5, 0, 0, 0, 0, time.UTC)

func BenchmarkObserveHealthy(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 2))
	readings := make([]*memwatch.Sample, 8192)
	for i := range readings {
		readings[i] = healthyReading(r, i, 10*time.Second)
	}
	d := New(DefaultConfig())
	for _, s := range readings {
		d.Observe(s) // warm: all levels in use
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		s := readings[i%len(readings)]
		s.Time = epoch.Add(time.Duration(len(readings)+i) * 10 * time.Second)
		s.Set(memwatch.NumGC, float64(len(readings)+i))
		s.Set(memwatch.TotalAllocBytes, float64(len(readings)+i)*50e6)
		d.Observe(s)
	}
}

func BenchmarkObserveSites(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 2))
	d := New(DefaultConfig())
	d.Observe(healthyReading(r, 0, time.Second))
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		b.StopTimer()
		p := profileOf(r, 5000, epoch.Add(time.Duration(i+1)*time.Minute))
		b.StartTimer()
		d.ObserveSites(p)
	}
}

// profileOf makes up a profile of n stacks of 20 frames.
func profileOf(r *rand.Rand, n int, at time.Time) *memwatch.Sites {
	p := &memwatch.Sites{Kind: memwatch.HeapProfile, Time: at, PeriodBytes: 512 << 10, Frames: benchFrames}
	for i := range n {
		live := int64(r.IntN(20)) * (512 << 10)
		allocated := live + (at.Unix()-epoch.Unix())*1000
		p.Sites = append(p.Sites, memwatch.Site{
			Key: uint64(i + 1), Stack: benchStacks[i%len(benchStacks)],
			LiveBytes: live, LiveObjects: live / 1024, AllocBytes: allocated, AllocObjects: allocated / 1024,
		})
	}
	return p
}

var benchFrames, benchStacks = func() ([]memwatch.Frame, [][]uint32) {
	frames := make([]memwatch.Frame, 2000)
	for i := range frames {
		frames[i] = memwatch.Frame{Function: "app/pkg" + string(rune('a'+i%26)) + ".f" + string(rune('a'+i/26%26)) + string(rune('a'+i/676)), File: "app/x.go", Line: i}
	}
	stacks := make([][]uint32, 5000)
	r := rand.New(rand.NewPCG(3, 4))
	for i := range stacks {
		for range 20 {
			stacks[i] = append(stacks[i], uint32(r.IntN(len(frames))))
		}
	}
	return frames, stacks
}()
