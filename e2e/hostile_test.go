package e2e

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// agentCap is what memwatchd may come to at its worst, resident, whatever its
// targets send: the memory of a small container. Within one, memwatchd would set
// these two by itself; tests have none.
const agentCap = 64 << 20

var inSmallContainer = []string{"GOMEMLIMIT=57MiB", "GOGC=50"}

// hostile are targets, each with the one thing that it does to its readers.
var hostile = map[string]func(t *testing.T) http.Handler{
	"a gigabyte of metrics":            func(*testing.T) http.Handler { return path("/metrics", gigabyte("x_bytes 1\n", "")) },
	"a gigabyte of expvar":             func(*testing.T) http.Handler { return path("/debug/vars", gigabyte(`{"a":"b"},`, "")) },
	"a gigabyte as a profile":          func(*testing.T) http.Handler { return profileOf(gigabyte("\x0a\x00", "")) },
	"a gzip bomb of metrics":           func(t *testing.T) http.Handler { return path("/metrics", gigabyte(bomb(t), "gzip")) },
	"a gzip bomb as a profile":         func(t *testing.T) http.Handler { return profileOf(gigabyte(bomb(t), "")) },
	"a profile of a million samples":   func(t *testing.T) http.Handler { return profileOf(body(millionSamples(t))) },
	"a text profile of many addresses": func(*testing.T) http.Handler { return profileOf(body(manyAddresses())) },
}

func TestTheAgentStaysWithinItsMemoryWhateverTargetsSend(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	asked := map[string]int{}
	var text strings.Builder
	dir := t.TempDir()
	fmt.Fprintf(&text, "dashboardUrl: \"\"\ncheckInterval: 500ms\nprofileShare: 1\nlisten: \"\"\nsnapshotPath: %s\nstateDir: %s\ntargets:\n",
		filepath.Join(dir, "snapshots"), filepath.Join(dir, "state"))
	for name, handler := range hostile {
		h := handler(t)
		for i := range 3 {
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				h.ServeHTTP(w, r)
				if r.URL.Path != "/debug/pprof/" {
					mu.Lock()
					asked[name]++
					mu.Unlock()
				}
			}))
			t.Cleanup(s.Close)
			fmt.Fprintf(&text, "  - {service: %q, instance: \"%d\", url: %q}\n", name, i, s.URL)
		}
	}
	file := filepath.Join(dir, "config.yaml")
	if err := os.WriteFile(file, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	agent := startWith(t, inSmallContainer, "memwatchd", "run", "--config", file)
	eventually(t, "every target is read often", 2*time.Minute, func() error {
		mu.Lock()
		defer mu.Unlock()
		for name := range hostile {
			if asked[name] < 12 {
				return fmt.Errorf("%s: asked %d times", name, asked[name])
			}
		}
		return nil
	})
	agent.line(t, `reason=too_large.*larger than 8388608 bytes`)
	agent.line(t, `reason=too_large.*bytes of samples`)
	peak := peakRSS(t, agent.cmd.Process.Pid)
	t.Logf("peak of %.1f MiB with %d hostile targets", float64(peak)/(1<<20), 3*len(hostile))
	if peak > agentCap {
		t.Errorf("the agent came to %d bytes, want at most %d", peak, agentCap)
	}
}

// peakRSS is the most that a process has had resident, without the pages of its
// program's file, which the kernel takes back when it needs them.
func peakRSS(t *testing.T, pid int) int64 {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	kB := map[string]int64{}
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) == 3 && f[2] == "kB" {
			if kB[f[0]], err = strconv.ParseInt(f[1], 10, 64); err != nil {
				t.Fatal(err)
			}
		}
	}
	if kB["VmHWM:"] == 0 || kB["RssFile:"] == 0 {
		t.Fatalf("no VmHWM and RssFile in %s", text)
	}
	return (kB["VmHWM:"] - kB["RssFile:"]) << 10
}

func path(at string, h http.HandlerFunc) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc(at, h)
	return mux
}

// profileOf answers as a healthy service but for its heap profile.
func profileOf(h http.HandlerFunc) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/debug/vars", body([]byte(`{"memstats":{"HeapAlloc":1000000,"NextGC":4000000,"NumGC":3}}`)))
	mux.HandleFunc("/debug/pprof/heap", h)
	return mux
}

func body(b []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(b) }
}

// gigabyte repeats a text until a gigabyte is sent, or nobody listens.
func gigabyte(text, encoding string) http.HandlerFunc {
	chunk := []byte(strings.Repeat(text, 1+(64<<10)/len(text)))
	return func(w http.ResponseWriter, _ *http.Request) {
		if encoding != "" {
			w.Header().Set("Content-Encoding", encoding)
		}
		for sent := 0; sent < 1<<30; sent += len(chunk) {
			if _, err := w.Write(chunk); err != nil {
				return
			}
		}
	}
}

// bomb is a member of gzip that holds a thousand times as much.
func bomb(t *testing.T) string {
	return string(gzipped(t, bytes.Repeat([]byte("\x6a\x00"), 1<<22)))
}

func gzipped(t *testing.T, plain []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	zw := gzip.NewWriter(&b)
	if _, err := zw.Write(plain); err != nil {
		t.Fatal(err)
	}
	if err := zw.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// millionSamples is a heap profile of a million different stacks.
func millionSamples(t *testing.T) []byte {
	field := func(b []byte, number int, body []byte) []byte {
		b = binary.AppendUvarint(b, uint64(number)<<3|2)
		return append(binary.AppendUvarint(b, uint64(len(body))), body...)
	}
	number := func(b []byte, number int, v uint64) []byte {
		return binary.AppendUvarint(binary.AppendUvarint(b, uint64(number)<<3), v)
	}
	p := field(field(field(nil, 6, nil), 6, []byte("inuse_space")), 6, []byte("bytes"))
	p = field(p, 1, number(number(nil, 1, 1), 2, 2))
	p = field(p, 6, []byte("f"))
	p = field(p, 5, number(number(nil, 1, 1), 2, 3))
	for id := uint64(1); id <= 1000; id++ {
		p = field(p, 4, field(number(nil, 1, id), 4, number(number(nil, 1, 1), 2, id)))
	}
	for i := range uint64(1_000_000) {
		var s []byte
		for d := range uint64(6) {
			s = number(s, 1, 1+(i*7+i/1000*d*13+d)%1000)
		}
		p = field(p, 2, number(s, 2, i))
	}
	return gzipped(t, p)
}

// manyAddresses is as much text as is read, of stacks that share no address.
func manyAddresses() []byte {
	var b bytes.Buffer
	b.WriteString("heap profile: 1: 1 [1: 1] @ heap_v2/524288\n")
	for at := 0x10000; b.Len() < 4_000_000; {
		b.WriteString("1: 1 [1: 1] @")
		for range 25 {
			fmt.Fprintf(&b, " 0x%x", at)
			at++
		}
		b.WriteByte('\n')
	}
	return b.Bytes()
}
