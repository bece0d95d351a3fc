package pprof

import (
	"bytes"
	stdgzip "compress/gzip"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/google/pprof/profile"
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

// BenchmarkDecodeRatio compares decoding with decompression alone, by the reader
// that decoding uses (x-gunzip) and by the standard library's (x-std-gunzip), and
// with what profile.ParseData takes (x-parse): one after the other and by CPU
// time, so that other work on the machine counts for none; medians.
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
	standard := func() {
		in.Reset(raw)
		zr, err := stdgzip.NewReader(&in)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, zr); err != nil {
			b.Fatal(err)
		}
	}
	parse := func() {
		if _, err := profile.ParseData(raw); err != nil {
			b.Fatal(err)
		}
	}
	decode()
	gunzip()
	ratios := map[string][]float64{}
	for b.Loop() {
		ours := timed(decode)
		for unit, other := range map[string]func(){"x-gunzip": gunzip, "x-std-gunzip": standard, "x-parse": parse} {
			ratios[unit] = append(ratios[unit], ours/timed(other))
		}
	}
	for unit, r := range ratios {
		slices.Sort(r)
		b.ReportMetric(r[len(r)/2], unit)
	}
}
