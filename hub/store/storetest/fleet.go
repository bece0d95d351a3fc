package storetest

import (
	"math"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/zupee/memwatch"
	"github.com/zupee/memwatch/hub/store"
)

// Integers are the signals of the comparison: twenty whole numbers, as a table
// of plain rows would hold them.
var Integers = []memwatch.Signal{
	memwatch.LiveHeapBytes, memwatch.HeapAllocBytes, memwatch.HeapInuseBytes, memwatch.HeapIdleBytes, memwatch.HeapReleasedBytes,
	memwatch.HeapSysBytes, memwatch.HeapObjects, memwatch.StackInuseBytes, memwatch.SysBytes, memwatch.BuckHashSysBytes,
	memwatch.GCSysBytes, memwatch.NextGCBytes, memwatch.NumGC, memwatch.TotalAllocBytes, memwatch.Mallocs,
	memwatch.Frees, memwatch.Goroutines, memwatch.RSSBytes, memwatch.CgroupBytes, memwatch.LimitBytes,
}

// Fleet makes the readings of a fleet, a tick of all instances at a time.
type Fleet struct {
	rng   *rand.Rand
	ticks int
	last  [][]float64
}

// NewFleet makes the same fleet each time.
func NewFleet(instances int) *Fleet {
	f := &Fleet{rng: rand.New(rand.NewPCG(7, 7)), last: make([][]float64, instances)} //nolint:gosec // the same numbers each time
	for i := range f.last {
		f.last[i] = make([]float64, len(Integers))
		for j := range f.last[i] {
			f.last[i][j] = math.Floor(f.rng.Float64() * 1e8)
		}
	}
	return f
}

// Tick moves every instance on by ten seconds.
func (f *Fleet) Tick(dst []store.Reading) []store.Reading {
	f.ticks++
	for i, last := range f.last {
		r := store.Reading{Service: "bench", Instance: "instance-" + strconv.Itoa(i)}
		r.Sample.Time = T0.Add(time.Duration(f.ticks)*10*time.Second + time.Duration(f.rng.IntN(5))*time.Millisecond)
		r.Sample.Start = T0
		for j, sig := range Integers {
			switch {
			case sig.Info().Cumulative:
				last[j] += float64(f.rng.IntN(200_000))
			case sig == memwatch.HeapInuseBytes || sig == memwatch.HeapIdleBytes || sig == memwatch.StackInuseBytes || sig == memwatch.HeapReleasedBytes:
				last[j] = math.Max(0, 8192*(math.Floor(last[j]/8192)+float64(f.rng.IntN(401)-200)))
			case sig == memwatch.RSSBytes || sig == memwatch.CgroupBytes:
				last[j] = math.Max(0, 4096*(math.Floor(last[j]/4096)+float64(f.rng.IntN(201)-100)))
			case sig == memwatch.Goroutines:
				last[j] = float64(100 + f.rng.IntN(50))
			case sig == memwatch.LiveHeapBytes || sig == memwatch.HeapAllocBytes || sig == memwatch.NextGCBytes || sig == memwatch.HeapObjects:
				last[j] = math.Max(0, last[j]+float64(f.rng.IntN(2_000_001)-1_000_000))
			} // the others stand still, as they mostly do
			r.Sample.Set(sig, last[j])
		}
		dst = append(dst, r)
	}
	return dst
}
