package pprof

import (
	"bytes"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/pprof/profile"

	"github.com/zupee/memwatch"
)

var at = time.Unix(1_795_000_000, 0)

func decode(t *testing.T, raw []byte, kind memwatch.ProfileKind) *memwatch.Sites {
	t.Helper()
	sites, err := new(Decoder).Decode(raw, kind, at)
	if err != nil {
		t.Fatal(err)
	}
	return sites
}

func recorded(t *testing.T, name string) []byte {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func names(sites *memwatch.Sites, site *memwatch.Site) string {
	var functions []string
	for _, f := range sites.Stack(site) {
		functions = append(functions, f.Function)
	}
	return strings.Join(functions, " < ")
}

// largest is the site that holds the most, and what all hold together.
func largest(sites *memwatch.Sites) (most *memwatch.Site, sum int64) {
	most = new(memwatch.Site)
	for i := range sites.Sites {
		sum += sites.Sites[i].LiveBytes
		if sites.Sites[i].LiveBytes > most.LiveBytes {
			most = &sites.Sites[i]
		}
	}
	return most, sum
}

// The program of the recordings holds 2,000 blocks of 20,000 bytes.
const heldBytes = 40e6

func TestRecordedProfilesOfOtherAllocatorsAreReadRight(t *testing.T) {
	for _, c := range []struct {
		file  string
		stack string // the beginning
		exact bool   // nothing was sampled
	}{
		{"jemalloc.pb.gz", "copy_order(unsigned long) < remember_order(int) < serve_request(int) < main < ", false},
		{"jemalloc.heap", "orders+0x1177 < orders+0x119a < orders+0x11ca < orders+0x11fb < libc.so.6+0x", false},
		{"gperftools.heap", "orders_tc+0x11b7 < orders_tc+0x11da < orders_tc+0x120a < orders_tc+0x123b < libc.so.6+0x", true},
		{"gperftools-sampled.heap", "orders_tc+0x11b7 < orders_tc+0x11da < orders_tc+0x120a < orders_tc+0x123b < libc.so.6+0x", false},
	} {
		t.Run(c.file, func(t *testing.T) {
			sites := decode(t, recorded(t, c.file), memwatch.HeapProfile)
			most, _ := largest(sites)
			if got := names(sites, most); !strings.HasPrefix(got, c.stack) {
				t.Errorf("most is held by %s, want %s…", got, c.stack)
			}
			slack := 0.15 * heldBytes
			if c.exact {
				slack = 0
			}
			if math.Abs(float64(most.LiveBytes)-heldBytes) > slack {
				t.Errorf("%d bytes are held, want %v ± %v", most.LiveBytes, heldBytes, slack)
			}
		})
	}
}

func TestAConvertedProfileIsWhatItWasInPprof(t *testing.T) {
	for _, file := range []string{"jemalloc.heap", "gperftools.heap", "gperftools-sampled.heap"} {
		raw := recorded(t, file)
		converted, err := Convert(raw)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := profile.ParseData(converted); err != nil {
			t.Errorf("%s: the reference reader refuses what it became: %v", file, err)
		}
		_, before := largest(decode(t, raw, memwatch.HeapProfile))
		_, after := largest(decode(t, converted, memwatch.HeapProfile))
		if before != after || before == 0 {
			t.Errorf("%s: %d bytes became %d", file, before, after)
		}
	}
	pb := recorded(t, "jemalloc.pb.gz")
	if same, err := Convert(pb); err != nil || !bytes.Equal(same, pb) {
		t.Errorf("a profile that was pprof already was changed, or refused: %v", err)
	}
}

func TestAddressesMeanTheSameWhereverTheProgramIsLoaded(t *testing.T) {
	raw := recorded(t, "jemalloc.heap")
	moved := bytes.ReplaceAll(raw, []byte("55a02d5a"), []byte("56b03e6b"))
	if bytes.Equal(raw, moved) {
		t.Fatal("nothing was moved")
	}
	one, _ := largest(decode(t, raw, memwatch.HeapProfile))
	two, _ := largest(decode(t, moved, memwatch.HeapProfile))
	if one.Key != two.Key {
		t.Error("the same stack at other addresses is another site")
	}
}
