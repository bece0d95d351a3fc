package chunk_test

import (
	"encoding/binary"
	"hash/crc32"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/zupee/memwatch"
	"github.com/zupee/memwatch/hub/store/chunk"
)

// dictionary numbers the signals in reverse, so that a decoder that takes a
// number for a constant is found out.
func dictionary(t testing.TB) *chunk.Dictionary {
	t.Helper()
	numbers := map[string]int{}
	for sig := range memwatch.SignalCount {
		numbers[sig.String()] = int(memwatch.SignalCount-sig) + 7
	}
	d, err := chunk.NewDictionary(numbers)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// value draws the numbers that signals really have, and the odd ones.
func value(t *rapid.T) float64 {
	switch rapid.IntRange(0, 6).Draw(t, "form") {
	case 0:
		return float64(rapid.Int64Range(0, 1<<53-1).Draw(t, "whole"))
	case 1:
		return float64(rapid.Int64Range(0, 1<<40).Draw(t, "pages") << 12)
	case 2:
		return float64(rapid.Int64Range(0, 1<<53-1).Draw(t, "nanos")) * 1e-9
	case 3:
		return float64(rapid.Int64Range(0, 1<<53-1).Draw(t, "perNano")) / 1e9
	case 4:
		return rapid.Float64Range(0, 1).Draw(t, "ratio")
	case 5:
		return 0
	}
	return math.Abs(rapid.Float64().Draw(t, "any"))
}

func readings(t *rapid.T) []memwatch.Sample {
	n := rapid.IntRange(1, 200).Draw(t, "readings")
	out := make([]memwatch.Sample, n)
	ms := rapid.Int64Range(1, 1<<42).Draw(t, "first")
	set := rapid.SliceOfDistinct(rapid.IntRange(0, int(memwatch.SignalCount)-1), rapid.ID).Draw(t, "signals")
	sparse := rapid.Bool().Draw(t, "sparse")
	for i := range out {
		out[i].Time = time.UnixMilli(ms).UTC()
		ms += rapid.Int64Range(1, 20_000).Draw(t, "step")
		if rapid.Bool().Draw(t, "start") {
			out[i].Start = time.UnixMilli(rapid.Int64Range(1, 1<<42).Draw(t, "startMs")).UTC()
		}
		for _, sig := range set {
			if !sparse || rapid.Bool().Draw(t, "has") {
				out[i].Set(memwatch.Signal(sig), value(t))
			}
		}
	}
	return out
}

func TestColumnsGiveReadingsBackUnchanged(t *testing.T) {
	d := dictionary(t)
	rapid.Check(t, func(t *rapid.T) {
		in := readings(t)
		data := d.Encode(in)
		out, err := d.Decode(nil, data)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(in, out) {
			t.Fatalf("in  %v\nout %v", in, out)
		}
		times, err := chunk.Times(nil, data)
		if err != nil {
			t.Fatal(err)
		}
		for i, ms := range times {
			if ms != in[i].Time.UnixMilli() {
				t.Fatalf("time %d: %d, want %d", i, ms, in[i].Time.UnixMilli())
			}
		}
	})
}

func TestRowsGiveReadingsBackUnchanged(t *testing.T) {
	d := dictionary(t)
	rapid.Check(t, func(t *rapid.T) {
		in := readings(t)
		if rapid.Bool().Draw(t, "reversed") {
			slices.Reverse(in) // late readings: time goes back
		}
		var rows []byte
		var tail chunk.Tail
		for i := range in {
			rows = d.AppendRow(rows, &tail, &in[i])
		}
		out, err := d.Rows(nil, rows)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(in, out) {
			t.Fatalf("in  %v\nout %v", in, out)
		}
	})
}

// TestSignalsOfAnotherBuildArePassedOver writes with one dictionary and reads
// with one to which a signal's number means nothing.
func TestSignalsOfAnotherBuildArePassedOver(t *testing.T) {
	writer := dictionary(t)
	numbers := map[string]int{}
	for sig := range memwatch.SignalCount {
		numbers[sig.String()] = int(memwatch.SignalCount-sig) + 7
	}
	numbers[memwatch.Goroutines.String()] = 1 // free until now
	reader, err := chunk.NewDictionary(numbers)
	if err != nil {
		t.Fatal(err)
	}
	in := make([]memwatch.Sample, 3)
	var rows []byte
	var tail chunk.Tail
	for i := range in {
		in[i].Time = time.UnixMilli(int64(1000 + i)).UTC()
		in[i].Set(memwatch.LiveHeapBytes, float64(i))
		in[i].Set(memwatch.Goroutines, float64(7*i))
		in[i].Set(memwatch.RSSBytes, 0.1*float64(i))
		rows = writer.AppendRow(rows, &tail, &in[i])
	}
	data := writer.Encode(in)
	fromRows, err := reader.Rows(nil, rows)
	if err != nil {
		t.Fatal(err)
	}
	fromColumns, err := reader.Decode(nil, data)
	if err != nil {
		t.Fatal(err)
	}
	for i := range in {
		want := memwatch.Sample{Time: in[i].Time}
		want.Set(memwatch.LiveHeapBytes, float64(i))
		want.Set(memwatch.RSSBytes, 0.1*float64(i))
		if fromRows[i] != want || fromColumns[i] != want {
			t.Errorf("reading %d: rows %v, columns %v, want %v", i, fromRows[i], fromColumns[i], want)
		}
	}
}

func TestDictionaryRefusesWhatItCannotHold(t *testing.T) {
	full := func() map[string]int {
		m := map[string]int{}
		for sig := range memwatch.SignalCount {
			m[sig.String()] = int(sig)
		}
		return m
	}
	for name, tc := range map[string]struct {
		change func(map[string]int)
		want   string
	}{
		"missing":   {func(m map[string]int) { delete(m, "rssBytes") }, "signal rssBytes has no number"},
		"too many":  {func(m map[string]int) { m["rssBytes"] = 64 }, "signal rssBytes has number 64: want 0 to 63"},
		"same":      {func(m map[string]int) { m["rssBytes"] = int(memwatch.Goroutines) }, "have the same number"},
		"a new one": {func(m map[string]int) { m["someday"] = 63 }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			m := full()
			tc.change(m)
			_, err := chunk.NewDictionary(m)
			if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
		})
	}
}

func TestEveryFlippedBitIsFound(t *testing.T) {
	d := dictionary(t)
	data := d.Encode(typical(20))
	for i := range data {
		for bit := range 8 {
			bad := slices.Clone(data)
			bad[i] ^= 1 << bit
			if _, err := d.Decode(nil, bad); err == nil {
				t.Fatalf("bit %d of byte %d flipped: no error", bit, i)
			}
		}
	}
}

// typical are readings of a Go service under load, 20 signals and more.
func typical(n int) []memwatch.Sample {
	rng := rand.New(rand.NewPCG(1, 2))
	out := make([]memwatch.Sample, n)
	live, total, mallocs, gcs, pause := 40e6, 1e9, 1e7, 100.0, 0.0
	for i := range out {
		s := &out[i]
		s.Time = time.UnixMilli(1_795_425_048_000 + int64(i)*10_000 + rng.Int64N(9)).UTC()
		s.Start = time.UnixMilli(1_795_425_000_000).UTC()
		live += math.Floor(rng.Float64() * 2e5)
		total += math.Floor(rng.Float64() * 5e7)
		mallocs += math.Floor(rng.Float64() * 1e6)
		gcs += float64(rng.IntN(3))
		pause += float64(rng.IntN(300_000))
		s.Set(memwatch.LiveHeapBytes, live)
		s.Set(memwatch.HeapAllocBytes, live+math.Floor(rng.Float64()*2e7))
		s.Set(memwatch.HeapInuseBytes, 8192*math.Floor(live/8192+rng.Float64()*2500))
		s.Set(memwatch.HeapIdleBytes, 8192*float64(rng.IntN(2500)))
		s.Set(memwatch.HeapReleasedBytes, 8192*float64(rng.IntN(500)))
		s.Set(memwatch.HeapSysBytes, 80<<20)
		s.Set(memwatch.HeapObjects, math.Floor(live/90+rng.Float64()*1e5))
		s.Set(memwatch.StackInuseBytes, 32768*float64(40+rng.IntN(3)))
		s.Set(memwatch.SysBytes, 99<<20)
		s.Set(memwatch.BuckHashSysBytes, 1_500_000)
		s.Set(memwatch.GCSysBytes, 4<<20)
		s.Set(memwatch.NextGCBytes, 2*live)
		s.Set(memwatch.NumGC, gcs)
		s.Set(memwatch.NumForcedGC, 0)
		s.Set(memwatch.LastGCSeconds, float64(1_795_425_048_000_000_000+int64(i)*10_000_000_000+rng.Int64N(1e9))*1e-9)
		s.Set(memwatch.PauseTotalSeconds, pause*1e-9)
		s.Set(memwatch.GCCPUFraction, rng.Float64()*1e-3)
		s.Set(memwatch.TotalAllocBytes, total)
		s.Set(memwatch.Mallocs, mallocs)
		s.Set(memwatch.Frees, mallocs-math.Floor(live/90))
		s.Set(memwatch.Goroutines, float64(120+rng.IntN(20)))
		s.Set(memwatch.RSSBytes, 4096*float64(25000+rng.IntN(900)))
		s.Set(memwatch.LimitBytes, 512<<20)
		s.Set(memwatch.ScrapeSeconds, time.Duration(700_000+rng.IntN(300_000)).Seconds())
	}
	return out
}

// FuzzDecode feeds damage with a right checksum, which is what remains when the
// writer itself was wrong.
func FuzzDecode(f *testing.F) {
	d := dictionary(f)
	data := d.Encode(typical(5))
	f.Add(data[:len(data)-4])
	f.Add([]byte{1, 255, 255, 255, 255, 15})
	f.Fuzz(func(t *testing.T, body []byte) {
		data := binary.LittleEndian.AppendUint32(slices.Clone(body), crc32.Checksum(body, crc32.MakeTable(crc32.Castagnoli)))
		out, err := d.Decode(nil, data)
		if err == nil && len(out) == 0 {
			t.Error("no readings and no error")
		}
		if len(out) > chunk.MaxReadings {
			t.Errorf("%d readings", len(out))
		}
		_, _ = d.Rows(nil, body)
	})
}

func BenchmarkEncode120(b *testing.B) {
	d, in := dictionary(b), typical(120)
	var size int
	b.ReportAllocs()
	for b.Loop() {
		size = len(d.Encode(in))
	}
	b.ReportMetric(float64(size)/120, "B/reading")
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/120, "ns/reading")
}

func BenchmarkDecode120(b *testing.B) {
	d := dictionary(b)
	data := d.Encode(typical(120))
	var out []memwatch.Sample
	b.ReportAllocs()
	for b.Loop() {
		out, _ = d.Decode(out[:0], data)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/120, "ns/reading")
}

func BenchmarkAppendRow(b *testing.B) {
	d, in := dictionary(b), typical(120)
	var rows []byte
	b.ReportAllocs()
	for b.Loop() {
		var tail chunk.Tail
		rows = rows[:0]
		for i := range in {
			rows = d.AppendRow(rows, &tail, &in[i])
		}
	}
	b.ReportMetric(float64(len(rows))/120, "B/reading")
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/120, "ns/reading")
}
