package pprof

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"

	"github.com/google/pprof/profile"

	"github.com/zupee/memwatch"
)

// message writes protobuf by hand, as no well-meaning encoder would.
type message []byte

func (m message) number(field int, v uint64) message {
	return binary.AppendUvarint(binary.AppendUvarint(m, uint64(field)<<3), v)
}

func (m message) bytes(field int, b []byte) message {
	m = binary.AppendUvarint(m, uint64(field)<<3|bytesType)
	return append(binary.AppendUvarint(m, uint64(len(b))), b...)
}

// heapMessage begins a profile with the one sample type that a heap needs.
func heapMessage() message {
	return message{}.bytes(stringField, nil).bytes(stringField, []byte("inuse_space")).
		bytes(sampleTypeField, message{}.number(1, 1))
}

// packed is the gzip of a beginning and at least n times one more message, made
// of one member many times over: to make a bomb must cost less than to read it.
func packed(t *testing.T, begin message, n int, more message) []byte {
	t.Helper()
	each := min(n, 1024)
	out := member(t, begin)
	return append(out, bytes.Repeat(member(t, bytes.Repeat(more, each)), (n+each-1)/each)...)
}

func member(t *testing.T, plain []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	zw := gzip.NewWriter(&out)
	if _, err := zw.Write(plain); err != nil {
		t.Fatal(err)
	}
	if err := zw.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// allowance is what one profile may take of memory, however it is made: its
// tables while they grow, and the sites.
const allowance = 160 << 20

// refused checks that a bomb is refused for its size, and cheaply.
func refused(t *testing.T, raw []byte, words string) {
	t.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := new(Decoder).Decode(raw, memwatch.HeapProfile, at)
	runtime.ReadMemStats(&after)
	if !errors.Is(err, ErrTooLarge) || !strings.Contains(err.Error(), words) {
		t.Errorf("got %v, want ErrTooLarge: %s", err, words)
	}
	if grown := after.TotalAlloc - before.TotalAlloc; grown > allowance {
		t.Errorf("allocated %d bytes, want at most %d", grown, allowance)
	}
}

func TestAGzipBombIsReadNoFurtherThanItsCap(t *testing.T) {
	refused(t, packed(t, heapMessage(), 70<<10, message{}.bytes(13, make([]byte, 1020))), "more than 67108864 bytes after decompression")
}

func TestABombOfStringsIsRefused(t *testing.T) {
	refused(t, packed(t, heapMessage(), maxStrings+1, message{}.bytes(stringField, nil)), "more than 262144 strings")
	refused(t, packed(t, heapMessage(), 300, message{}.bytes(stringField, make([]byte, 60<<10))), "bytes of strings")
}

func TestAFieldThatClaimsToBeEndlessIsRefused(t *testing.T) {
	raw := binary.AppendUvarint(heapMessage().number(stringField, 0)[:len(heapMessage())], stringField<<3|bytesType)
	refused(t, binary.AppendUvarint(raw, 1<<62), "a field of 4611686018427387904 bytes")
}

func TestABombOfSamplesIsRefused(t *testing.T) {
	sample := append(bytes.Repeat(message{}.number(1, 1), 100), message{}.number(2, 1<<20)...)
	refused(t, packed(t, heapMessage(), 100_000, message{}.bytes(sampleField, sample)), "bytes of samples")
}

func TestABombOfFieldsIsRefused(t *testing.T) {
	refused(t, packed(t, heapMessage(), maxFields+1, message{}.number(13, 0)), "more than 2097152 fields")
}

func TestABombOfLocationsFunctionsLinesAndMappingsIsRefused(t *testing.T) {
	for words, more := range map[string]message{
		"locations":    message{}.bytes(locationField, message{}.number(1, 1)),
		"functions":    message{}.bytes(functionField, message{}.number(1, 1)),
		"lines":        message{}.bytes(locationField, bytes.Repeat(message{}.bytes(4, nil), 30)),
		"mappings":     message{}.bytes(mappingField, nil),
		"sample types": message{}.bytes(sampleTypeField, nil),
	} {
		refused(t, packed(t, heapMessage(), 200_000, more), words)
	}
}

func TestABombOfStacksIsRefused(t *testing.T) {
	m := heapMessage().bytes(stringField, []byte("f")).bytes(functionField, message{}.number(1, 1).number(2, 2))
	for id := range uint64(512) {
		m = m.bytes(locationField, message{}.number(1, id).bytes(4, message{}.number(1, 1).number(2, id)))
	}
	for i := range uint64(maxSites + 1) {
		m = m.bytes(sampleField, message{}.number(1, i%512).number(1, i/512).number(2, 1))
	}
	refused(t, m, "stacks")
}

func TestAStackThatMultipliesByInliningIsCutAtItsBound(t *testing.T) {
	line := message{}.bytes(4, message{}.number(1, 1).number(2, 7))
	m := heapMessage().bytes(stringField, []byte("f")).bytes(functionField, message{}.number(1, 1).number(2, 2)).
		bytes(locationField, append(message{}.number(1, 1), bytes.Repeat(line, 1000)...)).
		bytes(sampleField, append(bytes.Repeat(message{}.number(1, 1), 1000), message{}.number(2, 5)...))
	sites := decode(t, m, memwatch.HeapProfile)
	if len(sites.Sites) != 1 || len(sites.Sites[0].Stack) != maxDepth {
		t.Errorf("%d sites, a stack of %d, want one of %d", len(sites.Sites), len(sites.Sites[0].Stack), maxDepth)
	}
}

func TestBombsOfTextAreRefused(t *testing.T) {
	header := "heap profile: 1: 1 [1: 1] @ heap_v2/1\n"
	refused(t, []byte(header+strings.Repeat("1: 1 [1: 1] @ 0x1\n", maxTextStacks+1)), "stacks of text")
	var many bytes.Buffer
	for i := range maxTextAddresses + 1 {
		fmt.Fprintf(&many, "1: 1 [1: 1] @ 0x%x 0x%x 0x%x\n", 3*i, 3*i+1, 3*i+2)
	}
	refused(t, []byte(header+many.String()[:1<<20]), "addresses in text")
	refused(t, []byte(header+strings.Repeat("# ", maxTextBytes/2)), "bytes of text")
}

func TestManySamplesOfOneStackAreOneSite(t *testing.T) {
	m := heapMessage().bytes(stringField, []byte("f")).bytes(functionField, message{}.number(1, 1).number(2, 2)).
		bytes(locationField, message{}.number(1, 1).bytes(4, message{}.number(1, 1)))
	raw := packed(t, m, 1<<17, message{}.bytes(sampleField, message{}.number(1, 1).number(2, 9)))
	most, sum := largest(decode(t, raw, memwatch.HeapProfile))
	if sum != 9<<17 || most.LiveBytes != sum {
		t.Errorf("%d bytes, want %d", sum, 9<<17)
	}
}

func TestImpossibleNumbersOfASampleAreNoMeasurement(t *testing.T) {
	p := large(3)
	p.Sample[0].Value[3], p.Sample[1].Value[3] = -5, 1<<62
	p.Sample[2].Location, p.Sample[2].Value[3] = p.Sample[1].Location, 1<<62
	for _, site := range decode(t, written(t, p), memwatch.HeapProfile).Sites {
		if site.LiveBytes < 0 || site.LiveBytes > maxValue {
			t.Errorf("%d bytes", site.LiveBytes)
		}
	}
}

func TestSamplesThatDoNotFitAreRefused(t *testing.T) {
	loc := message{}.bytes(locationField, message{}.number(1, 1))
	for words, sample := range map[string]message{
		"2 values of 1 types":          message{}.number(1, 1).number(2, 1).number(2, 1),
		"0 values of 1 types":          message{}.number(1, 1),
		"a location that is not there": message{}.number(1, 99).number(2, 1),
		"a field is cut off":           message{}.bytes(1, []byte{0x80}),
		"wire type 7":                  {7},
	} {
		m := append(heapMessage(), loc...).bytes(sampleField, sample)
		_, err := new(Decoder).Decode(m, memwatch.HeapProfile, at)
		if !errors.Is(err, ErrNotProfile) || !strings.Contains(err.Error(), words) {
			t.Errorf("%v, want %q", err, words)
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, n := range []int{0, 1, 30} {
		raw := written(f, large(n))
		f.Add(raw)
		zr, err := gzip.NewReader(bytes.NewReader(raw))
		if err != nil {
			f.Fatal(err)
		}
		plain, err := io.ReadAll(zr)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(plain)
	}
	f.Add([]byte("heap profile: 1: 2 [1: 2] @ heap_v2/524288\n1: 2 [1: 2] @ 0x1 0x2\nMAPPED_LIBRARIES:\n1-9 r-xp 00000000 00:00 1 /bin/x\n"))
	f.Add([]byte("heap_v2/4096\n  t*: 1: 2 [0: 0]\n@ 0x1 0x2\n  t*: 1: 2 [0: 0]\nMAPPED_LIBRARIES:\n1-9 r-xp 00000000 00:00 1 /bin/x\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		var d Decoder
		sites, err := d.Decode(raw, memwatch.HeapProfile, at)
		if err != nil {
			if !errors.Is(err, ErrTooLarge) && !errors.Is(err, ErrNotProfile) && !strings.Contains(err.Error(), "no live heap") {
				t.Errorf("an error of no kind: %v", err)
			}
			return
		}
		for i := range sites.Sites {
			site := &sites.Sites[i]
			if site.LiveBytes < 0 || site.LiveObjects < 0 || len(sites.Stack(site)) == 0 {
				t.Errorf("site %+v", site)
			}
		}
		again, err := d.Decode(raw, memwatch.HeapProfile, at)
		if err != nil || len(again.Sites) != len(sites.Sites) {
			t.Errorf("a second time: %v", err)
		}
		if converted, err := Convert(raw); err == nil {
			if _, err := profile.ParseData(converted); err != nil && isText(raw) {
				t.Errorf("the reference reader refuses what text became: %v", err)
			}
		}
	})
}
