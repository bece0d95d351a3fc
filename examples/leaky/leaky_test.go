package main

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/google/pprof/profile"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if os.Getenv("LEAKY_TEST_RUNS_MAIN") != "" { // this binary stands in for the program
		main()
	}
	goleak.VerifyTestMain(m)
}

func TestAFullServiceStartsAgainAtItsAddress(t *testing.T) {
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, "--listen", "127.0.0.1:0", "--simulate-leak", "slice", "--intensity", "200", "--restart-at", "64")
	cmd.Env = append(os.Environ(), "LEAKY_TEST_RUNS_MAIN=1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		cancel()
		_ = cmd.Wait()
	}()
	lines := bufio.NewReader(out)
	var said []string
	for range 3 {
		line, err := lines.ReadString('\n')
		if err != nil {
			t.Fatalf("after %q: %v", said, err)
		}
		said = append(said, line)
	}
	if !strings.Contains(said[1], "holds 64 MiB: out of memory, starting again") || said[2] != said[0] {
		t.Fatalf("it said %q: want that it listens, that it is full, and the first line again", said)
	}
}

// startShop runs the service on a free port and gives its URL.
func startShop(t *testing.T, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	out, in := io.Pipe()
	status := make(chan int)
	go func() {
		status <- run(ctx, append([]string{"--listen", "127.0.0.1:0", "--intensity", "20"}, args...), strings.NewReader(""), in, io.Discard)
	}()
	t.Cleanup(func() {
		cancel()
		if s := <-status; s != 0 {
			t.Errorf("exit status %d", s)
		}
		http.DefaultClient.CloseIdleConnections()
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	_, url, _ := strings.Cut(line, "listens on ")
	url, _, _ = strings.Cut(url, " ")
	return url
}

// held reads a profile and sums the given sample type over stacks through a function.
func held(t *testing.T, url, sampleType, function string) int64 {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	p, err := profile.Parse(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	index, err := p.SampleIndexByName(sampleType)
	if err != nil {
		t.Fatal(err)
	}
	var sum int64
	for _, s := range p.Sample {
		for _, loc := range s.Location {
			if len(loc.Line) > 0 && strings.Contains(loc.Line[0].Function.Name, function) {
				sum += s.Value[index]
				break
			}
		}
	}
	return sum
}

func waitFor(t *testing.T, what string, check func() bool) {
	t.Helper()
	deadline := time.After(30 * time.Second)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !check() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("%s: not within 30 s", what)
		}
	}
}

func post(t *testing.T, url string) int {
	t.Helper()
	resp, err := http.Post(url, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	return resp.StatusCode
}

func TestEachLeakShowsInItsProfileAndClearLetsItGo(t *testing.T) {
	for _, c := range []struct {
		kind, profile, sampleType, function string
		much, little                        int64
	}{
		{"map", "heap?gc=1", "inuse_space", "(*sessionStore).remember", 8 << 20, 1 << 20},
		{"subscribers", "heap?gc=1", "inuse_space", "(*feed).subscribe", 8 << 20, 1 << 20},
		{"slice", "heap?gc=1", "inuse_space", "leaky.recordAudit", 8 << 20, 1 << 20},
		{"goroutine", "goroutine", "goroutine", "(*courier).deliver", 500, 0},
	} {
		t.Run(c.kind, func(t *testing.T) {
			base := startShop(t)
			url := base + "/debug/pprof/" + c.profile
			if status := post(t, base+"/leak/trigger?kind="+c.kind); status != http.StatusOK {
				t.Fatalf("trigger: %d", status)
			}
			waitFor(t, "the leak", func() bool { return held(t, url, c.sampleType, c.function) >= c.much })
			post(t, base+"/leak/clear")
			waitFor(t, "the end of the leak", func() bool { return held(t, url, c.sampleType, c.function) <= c.little })
		})
	}
}

func TestAnUnknownLeakIsRefused(t *testing.T) {
	if status := post(t, startShop(t)+"/leak/trigger?kind=roof"); status != http.StatusBadRequest {
		t.Errorf("status %d, want 400", status)
	}
	var stderr strings.Builder
	if s := run(t.Context(), []string{"--simulate-leak", "roof"}, nil, io.Discard, &stderr); s != 2 {
		t.Errorf("exit status %d, want 2", s)
	}
	if want := `--simulate-leak "roof": want none, map, goroutine, subscribers, slice`; !strings.Contains(stderr.String(), want) {
		t.Errorf("said %q, want %q", stderr.String(), want)
	}
}
