package pprof

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"runtime/pprof"
	"strings"
	"testing"
	"time"

	"github.com/google/pprof/profile"

	"github.com/zupee/memwatch"
)

var at = time.Date(2026, 1, 5, 0, 0, 0, 0, time.UTC)

// both decodes raw by the fast way and by the reference.
func both(t testing.TB, raw []byte, kind memwatch.ProfileKind) (fast *memwatch.Sites, ok bool, slow *memwatch.Sites, err error) {
	t.Helper()
	w := workers.Get().(*work)
	defer w.release()
	if err := w.inflate(raw); err != nil {
		return nil, false, nil, err
	}
	var d, ref Decoder
	fast, ok = d.stream(w, kind, at)
	p, err := parse(w.plain)
	if err != nil {
		return fast, ok, nil, err
	}
	slow, err = ref.reduce(p, kind, at)
	return fast, ok, slow, err
}

// spelt is what a profile says, free of how frames are numbered.
func spelt(s *memwatch.Sites) []string {
	out := []string{fmt.Sprintf("%s %v %d", s.Kind, s.Time, s.PeriodBytes)}
	for i := range s.Sites {
		site := &s.Sites[i]
		out = append(out, fmt.Sprintf("%x %v %d %d %d %d", site.Key, s.Stack(site), site.LiveBytes, site.LiveObjects, site.AllocBytes, site.AllocObjects))
	}
	return out
}

func wantAlike(t testing.TB, raw []byte, kind memwatch.ProfileKind) {
	t.Helper()
	fast, ok, slow, err := both(t, raw, kind)
	if err != nil {
		t.Fatal(err)
	}
	if !ok {
		t.Fatal("the fast way gave up on an ordinary profile")
	}
	if a, b := spelt(fast), spelt(slow); !reflect.DeepEqual(a, b) {
		for i := range min(len(a), len(b)) {
			if a[i] != b[i] {
				t.Fatalf("site %d differs:\nfast      %s\nreference %s", i, a[i], b[i])
			}
		}
		t.Fatalf("fast way has %d sites, reference %d", len(a)-1, len(b)-1)
	}
}

func TestFastWayGivesWhatTheReferenceGivesForThisProcess(t *testing.T) {
	for name, kind := range map[string]memwatch.ProfileKind{"heap": memwatch.HeapProfile, "goroutine": memwatch.GoroutineProfile} {
		var raw bytes.Buffer
		if err := pprof.Lookup(name).WriteTo(&raw, 0); err != nil {
			t.Fatal(err)
		}
		wantAlike(t, raw.Bytes(), kind)
	}
}

func TestFastWayGivesWhatTheReferenceGivesForMadeUpProfiles(t *testing.T) {
	for seed := range uint64(50) {
		r := rand.New(rand.NewPCG(seed, 1))
		wantAlike(t, encode(t, madeUp(r, 1+r.IntN(300))), memwatch.HeapProfile)
	}
}

// Recordings of real programs, where a folder of them is at hand.
func TestFastWayGivesWhatTheReferenceGivesForRecordings(t *testing.T) {
	files, err := filepath.Glob("../../*/testdata/*/heap/*.pb.gz")
	if err != nil {
		t.Fatal(err)
	}
	if dir := os.Getenv("MEMWATCH_CORPUS"); dir != "" {
		more, err := filepath.Glob(filepath.Join(dir, "*", "heap", "*.pb.gz"))
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, more...)
	}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		wantAlike(t, raw, memwatch.HeapProfile)
	}
	t.Logf("%d profiles", len(files))
}

func TestDecoderKeepsKeysAndFramesAcrossProfiles(t *testing.T) {
	p := madeUp(rand.New(rand.NewPCG(3, 3)), 100)
	var d Decoder
	first, err := d.Decode(encode(t, p), memwatch.HeapProfile, at)
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range p.Location { // as after a restart: other addresses, other ids
		l.ID += 1000
		l.Address += 1 << 20
	}
	second, err := d.Decode(encode(t, p), memwatch.HeapProfile, at)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(first.Sites, second.Sites) || len(second.Frames) != len(first.Frames) {
		t.Fatal("the same stacks are not the same sites in the next profile")
	}
}

func TestUnusualProfilesAreLeftToTheReference(t *testing.T) {
	for name, spoil := range map[string]func(p *profile.Profile){
		"no string table order": func(p *profile.Profile) { p.Location[0].ID = 1 << 40 },
		"many sample types": func(p *profile.Profile) {
			for i := range maxValues {
				p.SampleType = append(p.SampleType, &profile.ValueType{Type: fmt.Sprint("more", i)})
			}
			for _, s := range p.Sample {
				s.Value = append(s.Value, make([]int64, maxValues)...)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := madeUp(rand.New(rand.NewPCG(4, 4)), 20)
			spoil(p)
			_, ok, slow, err := both(t, encode(t, p), memwatch.HeapProfile)
			if ok || err != nil || len(slow.Sites) == 0 {
				t.Fatalf("fast way %v, reference %v (%v)", ok, slow, err)
			}
			var d Decoder
			got, err := d.Decode(encode(t, p), memwatch.HeapProfile, at)
			if err != nil || !reflect.DeepEqual(spelt(got), spelt(slow)) {
				t.Fatalf("Decode = %v, %v: want what the reference gives", got, err)
			}
		})
	}
}

func TestProfilerAtWorkIsLeftOut(t *testing.T) {
	for function, want := range map[string]bool{
		"net/http/pprof.handler.ServeHTTP":       true,
		"runtime/pprof.(*profileBuilder).build":  true,
		"runtime/pprof.Do":                       false,
		"runtime/pprof.SetGoroutineLabels":       false,
		"example.com/runtime/pprof.writeProfile": false,
		"main.main":                              false,
	} {
		if got := isProfiler(function); got != want {
			t.Errorf("isProfiler(%q) = %v, want %v", function, got, want)
		}
	}
}

// FuzzStream: whatever the fast way takes, the reference, if it takes it too,
// reads the same.
func FuzzStream(f *testing.F) {
	f.Add([]byte("\x1f\x8b"))
	f.Add(encode(f, madeUp(rand.New(rand.NewPCG(1, 1)), 5)))
	var plain bytes.Buffer
	if err := madeUp(rand.New(rand.NewPCG(2, 2)), 5).WriteUncompressed(&plain); err != nil {
		f.Fatal(err)
	}
	f.Add(plain.Bytes())
	f.Fuzz(func(t *testing.T, raw []byte) {
		if len(raw) > 1<<16 {
			return
		}
		fast, ok, slow, err := both(t, raw, memwatch.HeapProfile)
		if ok && err == nil && !reflect.DeepEqual(spelt(fast), spelt(slow)) {
			t.Fatalf("fast      %s\nreference %s", strings.Join(spelt(fast), "\n"), strings.Join(spelt(slow), "\n"))
		}
	})
}

func encode(t testing.TB, p *profile.Profile) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := p.Write(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

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
		raw := encode(b, madeUp(rand.New(rand.NewPCG(1, uint64(n))), n))
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
			w := &work{seen: map[uint64]int32{}}
			b.ReportAllocs()
			for b.Loop() {
				if err := w.inflate(raw); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
