package pprof

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"

	"github.com/zupee/memwatch"
)

// rusageThread is RUSAGE_THREAD, which syscall has no name for.
const rusageThread = 1

// cpu is the time that the present thread has run for.
func cpu(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(rusageThread, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkDecodeRatio compares decoding with decompression alone, in pairs one
// after the other and by CPU time, so that other work on the machine counts
// for neither. The median of the pairs is x-gunzip.
// MEMWATCH_PROFILE names a profile to measure instead of those made up.
func BenchmarkDecodeRatio(b *testing.B) {
	profiles := map[string][]byte{}
	for _, n := range []int{500, 5000, 20000, 50000} {
		profiles[fmt.Sprint(n)] = written(b, madeUp(rand.New(rand.NewPCG(1, uint64(n))), n))
	}
	if file := os.Getenv("MEMWATCH_PROFILE"); file != "" {
		raw, err := os.ReadFile(file)
		if err != nil {
			b.Fatal(err)
		}
		profiles = map[string][]byte{"given": raw}
	}
	for name, raw := range profiles {
		b.Run(name, func(b *testing.B) { decodeRatio(b, raw) })
	}
}

func decodeRatio(b *testing.B, raw []byte) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var d Decoder
	var in bytes.Reader
	zr := new(gzip.Reader)
	decode := func() {
		if _, err := d.Decode(raw, memwatch.HeapProfile, at); err != nil {
			b.Fatal(err)
		}
	}
	gunzip := func() {
		in.Reset(raw)
		if err := zr.Reset(&in); err != nil {
			b.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, zr); err != nil {
			b.Fatal(err)
		}
	}
	timed := func(f func()) float64 {
		begin := cpu(b)
		for range 10 {
			f()
		}
		return (cpu(b) - begin).Seconds()
	}
	decode()
	gunzip()
	var ratios []float64
	for b.Loop() {
		ratios = append(ratios, timed(decode)/timed(gunzip))
	}
	slices.Sort(ratios)
	b.ReportMetric(ratios[len(ratios)/2], "x-gunzip")
}
