package pprof

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	rpprof "runtime/pprof"
	"strings"
	"testing"

	"github.com/google/pprof/profile"
	"pgregory.net/rapid"

	"github.com/zupee/memwatch"
)

func written(t testing.TB, p *profile.Profile) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := p.Write(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// reference sums a profile up by the reference reader: live bytes and objects
// by the names and lines of a stack.
func reference(t testing.TB, raw []byte, bytesColumn, objectsColumn int) map[string][2]int64 {
	t.Helper()
	p, err := profile.ParseData(raw)
	if err != nil {
		t.Fatal(err)
	}
	sums := map[string][2]int64{}
	for _, s := range p.Sample {
		var stack strings.Builder
		for _, loc := range s.Location {
			for _, l := range loc.Line {
				fmt.Fprintf(&stack, "%s:%d ", l.Function.Name, l.Line)
			}
		}
		if strings.Contains(stack.String(), "runtime/pprof.") || strings.Contains(stack.String(), "net/http/pprof.") || stack.Len() == 0 {
			continue
		}
		sum := sums[stack.String()]
		sum[0] += max(s.Value[bytesColumn], 0)
		sum[1] += max(s.Value[objectsColumn], 0)
		sums[stack.String()] = sum
	}
	return sums
}

func summed(sites *memwatch.Sites) map[string][2]int64 {
	sums := map[string][2]int64{}
	for i := range sites.Sites {
		site := &sites.Sites[i]
		var stack strings.Builder
		for _, f := range sites.Stack(site) {
			fmt.Fprintf(&stack, "%s:%d ", f.Function, f.Line)
		}
		sums[stack.String()] = [2]int64{site.LiveBytes, site.LiveObjects}
	}
	return sums
}

func compare(t interface {
	Helper()
	Errorf(string, ...any)
}, got, want map[string][2]int64,
) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%d sites, the reference reader finds %d", len(got), len(want))
	}
	for stack, w := range want {
		if g, ok := got[stack]; !ok || g != w {
			t.Errorf("%s: %v, the reference reader finds %v", stack, g, w)
		}
	}
}

//go:noinline
func hold(n int) [][]byte {
	kept := make([][]byte, n)
	for i := range kept {
		kept[i] = make([]byte, 1<<20)
	}
	return kept
}

func TestThisProcessIsReadAsTheReferenceReaderDoes(t *testing.T) {
	kept := hold(20)
	runtime.GC()
	var b bytes.Buffer
	if err := rpprof.Lookup("heap").WriteTo(&b, 0); err != nil {
		t.Fatal(err)
	}
	runtime.KeepAlive(kept)
	sites := decode(t, b.Bytes(), memwatch.HeapProfile)
	compare(t, summed(sites), reference(t, b.Bytes(), 3, 2))
	most, _ := largest(sites)
	if f := sites.Frame(most, 0); !strings.HasSuffix(f.Function, "pprof.hold") || !strings.HasSuffix(f.File, "decoder_test.go") || f.Line == 0 {
		t.Errorf("most is held by %+v, want hold of this file", f)
	}
	if sites.PeriodBytes != int64(runtime.MemProfileRate) || !sites.Time.Equal(at) || sites.Kind != memwatch.HeapProfile {
		t.Errorf("period %d, time %v, kind %s", sites.PeriodBytes, sites.Time, sites.Kind)
	}

	b.Reset()
	if err := rpprof.Lookup("goroutine").WriteTo(&b, 0); err != nil {
		t.Fatal(err)
	}
	goroutines := decode(t, b.Bytes(), memwatch.GoroutineProfile)
	if len(goroutines.Sites) == 0 || goroutines.Sites[0].LiveObjects == 0 || goroutines.Sites[0].LiveBytes != 0 {
		t.Errorf("goroutines: %+v", goroutines.Sites)
	}
}

// drawn is a heap profile of any shape: ids in any order and of any size, lines
// without functions, samples without stacks, the same stack more than once.
func drawn(t *rapid.T) *profile.Profile {
	p := &profile.Profile{
		SampleType: []*profile.ValueType{{Type: "objects", Unit: "count"}, {Type: "space", Unit: "bytes"}},
		PeriodType: &profile.ValueType{Type: "space", Unit: "bytes"}, Period: 1,
	}
	ids := rapid.SliceOfNDistinct(rapid.OneOf(rapid.Uint64Range(1, 40), rapid.Uint64Range(1, 1<<62)), 1, 12, rapid.ID[uint64]).Draw(t, "ids")
	for i, id := range ids {
		p.Function = append(p.Function, &profile.Function{ID: id, Name: fmt.Sprintf("pkg.f%d", i), Filename: "f.go"})
	}
	for _, id := range ids {
		loc := &profile.Location{ID: id}
		for range rapid.IntRange(0, 3).Draw(t, "inlined") {
			loc.Line = append(loc.Line, profile.Line{Function: rapid.SampledFrom(p.Function).Draw(t, "function"), Line: rapid.Int64Range(0, 5).Draw(t, "line")})
		}
		p.Location = append(p.Location, loc)
	}
	for range rapid.IntRange(0, 20).Draw(t, "samples") {
		p.Sample = append(p.Sample, &profile.Sample{
			Location: rapid.SliceOfN(rapid.SampledFrom(p.Location), 0, 6).Draw(t, "stack"),
			Value:    []int64{rapid.Int64Range(0, 1000).Draw(t, "objects"), rapid.Int64Range(0, 1<<40).Draw(t, "bytes")},
			NumLabel: map[string][]int64{"bytes": {7}},
		})
	}
	return p
}

func TestAnyProfileIsReadAsTheReferenceReaderDoes(t *testing.T) {
	var d Decoder
	rapid.Check(t, func(rt *rapid.T) {
		raw := written(t, drawn(rt))
		sites, err := d.Decode(raw, memwatch.HeapProfile, at)
		if err != nil {
			rt.Fatal(err)
		}
		compare(rt, summed(sites), reference(t, raw, 1, 0))
	})
}

func TestMadeUpProfilesAreReadAsTheReferenceReaderDoes(t *testing.T) {
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 1))
		raw := written(t, madeUp(r, 1+r.IntN(300)))
		compare(t, summed(decode(t, raw, memwatch.HeapProfile)), reference(t, raw, 3, 2))
	}
}

// Recordings of real programs, where a folder of them is at hand.
func TestRecordingsAreReadAsTheReferenceReaderDoes(t *testing.T) {
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
		compare(t, summed(decode(t, raw, memwatch.HeapProfile)), reference(t, raw, 3, 2))
	}
	t.Logf("%d profiles", len(files))
}

func TestSuccessiveProfilesShareFramesAndKeys(t *testing.T) {
	raw := written(t, large(100))
	var d Decoder
	first, err := d.Decode(raw, memwatch.HeapProfile, at)
	if err != nil {
		t.Fatal(err)
	}
	frames := len(first.Frames)
	second, err := d.Decode(raw, memwatch.HeapProfile, at)
	if err != nil {
		t.Fatal(err)
	}
	if len(second.Frames) != frames || &first.Sites[0].Stack[0] != &second.Sites[0].Stack[0] {
		t.Error("the second profile made frames and stacks of its own")
	}
	other := decode(t, raw, memwatch.HeapProfile)
	if other.Sites[0].Key != first.Sites[0].Key {
		t.Error("another decoder gives the same stack another key")
	}
}

func TestTheProfilerAtWorkIsLeftOutButNotWhatRunsUnderItsLabels(t *testing.T) {
	p := large(0)
	for i, name := range []string{"runtime/pprof.writeHeapProto", "net/http/pprof.Index", "runtime/pprof.Do", "runtime/pprof.SetGoroutineLabels"} {
		fn := &profile.Function{ID: uint64(i + 1), Name: name}
		loc := &profile.Location{ID: uint64(i + 1), Line: []profile.Line{{Function: fn, Line: 1}}}
		p.Function, p.Location = append(p.Function, fn), append(p.Location, loc)
		p.Sample = append(p.Sample, &profile.Sample{Location: []*profile.Location{loc}, Value: []int64{1, 2, 1, 2}})
	}
	sites := decode(t, written(t, p), memwatch.HeapProfile)
	if len(sites.Sites) != 2 {
		t.Errorf("%d sites, want those of Do and SetGoroutineLabels", len(sites.Sites))
	}
}

// large is a heap profile as Go's, of n stacks of ten calls each.
func large(n int) *profile.Profile {
	p := &profile.Profile{PeriodType: &profile.ValueType{Type: "space", Unit: "bytes"}, Period: 512 << 10}
	for _, name := range []string{"alloc_objects", "alloc_space", "inuse_objects", "inuse_space"} {
		p.SampleType = append(p.SampleType, &profile.ValueType{Type: name, Unit: "count"})
	}
	for i := range min(n, 2000) {
		fn := &profile.Function{ID: uint64(i + 1), Name: fmt.Sprintf("example.com/shop/package%d.(*Type).Method%d", i%90, i), Filename: fmt.Sprintf("/src/shop/package%d/file.go", i%90)}
		p.Function = append(p.Function, fn)
		p.Location = append(p.Location, &profile.Location{ID: uint64(i + 1), Address: uint64(0x400000 + 16*i), Line: []profile.Line{{Function: fn, Line: int64(i)}}})
	}
	for i := range n {
		s := &profile.Sample{Value: []int64{int64(i + 5), int64(i) << 12, int64(i), int64(i) << 8}, NumLabel: map[string][]int64{"bytes": {256}}}
		for depth := range 10 {
			s.Location = append(s.Location, p.Location[(i*(depth+1)+i/2000*depth*depth)%len(p.Location)])
		}
		p.Sample = append(p.Sample, s)
	}
	return p
}

func TestWhatIsNoProfileIsRefusedInWords(t *testing.T) {
	raw := written(t, large(50))
	for name, c := range map[string]struct {
		raw  []byte
		want string
	}{
		"nothing":        {nil, "it is empty"},
		"a page":         {[]byte("<html>no</html>"), "not a pprof profile"},
		"cut gzip":       {raw[:len(raw)/2], "it ends early"},
		"broken gzip":    {[]byte("\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff\x01"), "it ends early"},
		"gzip of what":   {[]byte("\x1f\x8bxxxxxxxxxxxx"), "gunzip"},
		"cut text":       {[]byte("heap profile: 1: 2"), "not a pprof profile"},
		"jemalloc's cut": {[]byte("heap_v2/5\nt*: 1: 1 [0: 0]\nt*: 1: 1 [0: 0]\n"), "numbers without a stack"},
		"no live heap":   {written(t, &profile.Profile{SampleType: []*profile.ValueType{{Type: "cpu"}}}), `want a sample type inuse_space or space, found "cpu"`},
	} {
		_, err := new(Decoder).Decode(c.raw, memwatch.HeapProfile, at)
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "decode heap profile") {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
		if name != "no live heap" && !errors.Is(err, ErrNotProfile) {
			t.Errorf("%s: %v is not ErrNotProfile", name, err)
		}
	}
	if _, err := new(Decoder).Decode(raw, memwatch.GoroutineProfile, at); err == nil || !strings.Contains(err.Error(), "want a sample type goroutine") {
		t.Errorf("a heap profile as goroutines: %v", err)
	}
}
