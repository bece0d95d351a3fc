package pprof

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"

	"github.com/google/pprof/profile"
	"github.com/klauspost/compress/gzip"

	"github.com/zupee/memwatch"
)

// madeUp is a heap profile of n samples as Go's runtime writes one: shared
// locations, inlined calls, several samples of one stack, the profiler itself.
func madeUp(r *rand.Rand, n int) *profile.Profile {
	p := &profile.Profile{
		SampleType: []*profile.ValueType{
			{Type: "alloc_objects", Unit: "count"},
			{Type: "alloc_space", Unit: "bytes"},
			{Type: "inuse_objects", Unit: "count"},
			{Type: "inuse_space", Unit: "bytes"},
		},
		PeriodType: &profile.ValueType{Type: "space", Unit: "bytes"}, Period: 512 << 10,
	}
	for i := range 40 + n/4 {
		name := fmt.Sprintf("example.com/shop/pkg%d.(*Store).method%d", i%7, i)
		if i%37 == 5 {
			name = "runtime/pprof.writeHeapInternal"
		}
		p.Function = append(p.Function, &profile.Function{ID: uint64(i + 1), Name: name, SystemName: name, Filename: fmt.Sprintf("shop/file%d.go", i%11)})
	}
	for i := range 60 + n {
		l := &profile.Location{ID: uint64(i + 1), Address: 0x400000 + uint64(i)*16}
		for range 1 + r.IntN(3) {
			l.Line = append(l.Line, profile.Line{Function: p.Function[r.IntN(len(p.Function))], Line: int64(r.IntN(900))})
		}
		p.Location = append(p.Location, l)
	}
	var stack []*profile.Location
	for range n {
		if len(stack) == 0 || r.IntN(5) > 0 {
			stack = nil
			for range 1 + r.IntN(30) {
				stack = append(stack, p.Location[r.IntN(len(p.Location))])
			}
		}
		objects := int64(r.IntN(1000))
		p.Sample = append(p.Sample, &profile.Sample{
			Location: stack, Value: []int64{objects * 3, objects * 3 * 64, objects - 3, (objects - 3) * 64},
			NumLabel: map[string][]int64{"bytes": {64}},
		})
	}
	return p
}

// BenchmarkDecode reads profiles of some samples: our way, what profile.Parse
// alone takes, and decompression alone.
func BenchmarkDecode(b *testing.B) {
	for _, n := range []int{500, 5000, 20000, 50000} {
		raw := written(b, madeUp(rand.New(rand.NewPCG(1, uint64(n))), n))
		b.Run(fmt.Sprintf("memwatch/%d", n), func(b *testing.B) {
			var d Decoder // as it is after the first profile of a target
			if _, err := d.Decode(raw, memwatch.HeapProfile, at); err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := d.Decode(raw, memwatch.HeapProfile, at); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(fmt.Sprintf("reference/%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := profile.ParseData(raw); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(fmt.Sprintf("gunzip/%d", n), func(b *testing.B) {
			var in bytes.Reader
			zr := new(gzip.Reader)
			b.ReportAllocs()
			for b.Loop() {
				in.Reset(raw)
				if err := zr.Reset(&in); err != nil {
					b.Fatal(err)
				}
				if _, err := io.Copy(io.Discard, zr); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
