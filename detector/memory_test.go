package detector

import (
	"math/rand/v2"
	"runtime"
	"testing"
	"time"
	"unsafe"

	"github.com/zupee/memwatch"
)

// held is the heap that a detector keeps alive, as the runtime counts it.
func held(make func() *Detector) int64 {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&before)
	d := make()
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&after)
	runtime.KeepAlive(d)
	return int64(after.HeapAlloc) - int64(before.HeapAlloc)
}

// readings feeds a detector n readings of a healthy process, each from one of
// a few made before.
func readings(d *Detector, from, n int) {
	r := rand.New(rand.NewPCG(1, 2))
	made := make([]*memwatch.Sample, 64)
	for i := range made {
		made[i] = healthyReading(r, i, time.Second)
	}
	for i := from; i < from+n; i++ {
		s := made[r.IntN(len(made))]
		s.Time = epoch.Add(time.Duration(i) * time.Second)
		s.Set(memwatch.NumGC, float64(i))
		s.Set(memwatch.TotalAllocBytes, float64(i)*50e6)
		d.Observe(s)
	}
}

func TestMemoryDoesNotGrowWithTime(t *testing.T) {
	total := 1_000_000
	if testing.Short() || raceEnabled {
		total = 50_000
	}
	d := New(DefaultConfig())
	readings(d, 1, 10_000)
	if grown := held(func() *Detector { readings(d, 10_001, total); return d }); grown > 16<<10 {
		t.Errorf("%d more readings left %d bytes behind, want next to none", total, grown)
	}
	if allocs := testing.AllocsPerRun(10, func() { d.collect(&d.last) }); allocs > 0 {
		t.Errorf("a reading allocates %v times", allocs)
	}
}

func TestASeriesTakesAtMost10KB(t *testing.T) {
	if size := unsafe.Sizeof(series{}); size > 10_000 {
		t.Errorf("a series takes %d bytes, want at most 10,000", size)
	}
	if size := unsafe.Sizeof(Detector{}); size > 64<<10 {
		t.Errorf("a detector without profiles takes %d bytes, want at most 64 KiB", size)
	}
}

func TestFiveThousandSitesTakeAtMostOneMegabyte(t *testing.T) {
	if size := fiveThousandSites(); size > 1<<20 {
		t.Errorf("a target with 5,000 sites takes %d bytes, want at most 1 MiB", size)
	}
}

// fiveThousandSites is what is held of a target whose heap profiles have 5,000
// stacks; the stacks themselves are the decoder's.
func fiveThousandSites() int64 {
	return held(func() *Detector {
		r := rand.New(rand.NewPCG(1, 2))
		d := New(DefaultConfig())
		for i := range snapshots + 4 {
			d.Observe(healthyReading(r, i, time.Minute))
			d.ObserveSites(profileOf(r, 5000, epoch.Add(time.Duration(i+1)*time.Minute)))
		}
		return d
	})
}

// BenchmarkState measures no time but size: of one series, of a target without
// profiles, and of one with 5,000 sites.
func BenchmarkState(b *testing.B) {
	var bare, sites int64
	for b.Loop() {
		bare = held(func() *Detector { d := New(DefaultConfig()); readings(d, 1, 20_000); return d })
		sites = fiveThousandSites()
	}
	b.ReportMetric(float64(unsafe.Sizeof(series{})), "B/series")
	b.ReportMetric(float64(bare), "B/target")
	b.ReportMetric(float64(sites), "B/target-5000-sites")
}
