package main

import (
	"context"
	"encoding/json"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/zupee/memwatch"
	"github.com/zupee/memwatch/agent"
)

func TestOnceFindsALeakAndNamesItsFunction(t *testing.T) {
	t.Parallel()
	ctx, url := enough(t, startLeaky(t, "--intensity", "4", "--simulate-leak", "map"))
	status, out, errOut := callWith(ctx, nil, "once", "--for", "80s", "--interval", "100ms", "--output", "json", "--save", t.TempDir(), url)
	var got struct {
		Targets    []agent.TargetResult
		ExitStatus int
	}
	if err := json.Unmarshal([]byte(out), &got); err != nil {
		t.Fatalf("%v in\n%s\n%s", err, out, errOut)
	}
	if status != exitFailed || got.ExitStatus != exitFailed || len(got.Targets) != 1 {
		t.Fatalf("status %d, want 1:\n%s\n%s", status, out, errOut)
	}
	tr := got.Targets[0]
	if tr.URL != url || tr.Samples < 50 || tr.ScrapeErrors != 0 || tr.Verdict.State != memwatch.Leaking || tr.Verdict.Kind != memwatch.KindHeap {
		t.Errorf("got %+v", tr)
	}
	if len(tr.Verdict.Culprits) == 0 || !strings.Contains(tr.Verdict.Culprits[0].Function, "remember") || tr.Verdict.Culprits[0].Line == 0 {
		t.Errorf("culprits %+v, want sessionStore.remember first", tr.Verdict.Culprits)
	}
	top, err := exec.CommandContext(t.Context(), "go", strings.Fields(nextCommand(&tr))[1:]...).CombinedOutput()
	if first := firstFunction(string(top)); err != nil || !strings.Contains(first, "remember") {
		t.Errorf("%s: %v\n%s\nwant the culprit on top, found %q", nextCommand(&tr), err, top, first)
	}
}

func TestOnceNamesEachKindOfLeak(t *testing.T) {
	t.Parallel()
	for leak, want := range map[string]struct {
		kind     memwatch.Kind
		function string
	}{
		"goroutine":   {memwatch.KindGoroutine, "main.(*courier).deliver"},
		"subscribers": {memwatch.KindHeap, "main.(*feed).subscribe"},
		"slice":       {memwatch.KindHeap, "main.recordAudit"},
	} {
		t.Run(leak, func(t *testing.T) {
			t.Parallel()
			ctx, url := enough(t, startLeaky(t, "--intensity", "6", "--simulate-leak", leak))
			status, out, errOut := callWith(ctx, nil, "once", "--for", "80s", "--interval", "100ms", url)
			if status != exitFailed || !strings.Contains(out, ": LEAKING ("+string(want.kind)+",") || errOut != "" {
				t.Errorf("status %d, want 1 and kind %s:\n%s\n%s", status, want.kind, out, errOut)
			}
			_, culprits, _ := strings.Cut(out, "where\n")
			if first, _, _ := strings.Cut(culprits, "\n"); !strings.Contains(first, want.function) || !strings.Contains(first, "examples/leaky/leaks.go:") {
				t.Errorf("first of the culprits is %q, want %s\n%s", first, want.function, out)
			}
		})
	}
}

// enough stands before a service and counts its readings; the context ends when
// there are enough to judge it, however long that takes on a busy machine.
func enough(t *testing.T, service string) (context.Context, string) {
	t.Helper()
	return afterReadings(t, 140, service)
}

// afterReadings is a way to a service whose context ends after so many readings.
func afterReadings(t *testing.T, n int64, service string) (context.Context, string) {
	t.Helper()
	to, err := url.Parse(service)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	transport := &http.Transport{}
	proxy := httputil.NewSingleHostReverseProxy(to)
	proxy.Transport = transport
	proxy.ErrorLog = log.New(io.Discard, "", 0) // a check that ends breaks off what it reads
	var readings atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		proxy.ServeHTTP(w, r)
		if r.URL.Path == "/debug/vars" && readings.Add(1) == n {
			cancel()
		}
	}))
	t.Cleanup(func() {
		cancel()
		s.Close()
		transport.CloseIdleConnections()
	})
	return ctx, s.URL
}

// firstFunction is the first row below the head of `go tool pprof -top`.
func firstFunction(top string) string {
	_, rows, _ := strings.Cut(top, "cum%\n")
	row, _, _ := strings.Cut(rows, "\n")
	return row
}

func TestOnceOfAHealthyServiceExitsWith0(t *testing.T) {
	t.Parallel()
	ctx, url := enough(t, startLeaky(t, "--intensity", "4"))
	status, out, errOut := callWith(ctx, nil, "once", "--for", "80s", "--interval", "100ms", "-v", url)
	if status != exitOK || !strings.Contains(out, url+": HEALTHY") || !strings.Contains(out, "gates") || errOut != "" {
		t.Errorf("status %d, want 0:\n%s\n%s", status, out, errOut)
	}
}

func TestOnceOfAClosedPortExitsWith3AndSaysWhy(t *testing.T) {
	t.Parallel()
	url := closed(t)
	status, out, _ := call(t, "once", "--for", "300ms", "--interval", "100ms", url)
	if status != exitUnjudged || !strings.Contains(out, url+": COULD NOT BE READ") || !strings.Contains(out, "connection refused") {
		t.Errorf("status %d, want 3:\n%s", status, out)
	}
}

func TestOnceThatSawTooLittleExitsWith3(t *testing.T) {
	t.Parallel()
	status, out, _ := call(t, "once", "--for", "300ms", "--interval", "100ms", target(t))
	if status != exitUnjudged || !strings.Contains(out, "TOO LITTLE WAS SEEN") {
		t.Errorf("status %d, want 3:\n%s", status, out)
	}
}

func TestOnceLastsAsLongAsItsCommandAndTellsItsStatus(t *testing.T) {
	t.Parallel()
	begin := time.Now()
	status, out, errOut := call(t, "once", "--interval", "100ms", "--output", "json", target(t), "--", "sh", "-c", "echo loading; exit 7")
	var got onceOutput
	if err := json.Unmarshal([]byte(out), &got); err != nil {
		t.Fatalf("%v in\n%s\n%s", err, out, errOut)
	}
	if status != exitUnjudged || got.Command == nil || got.Command.ExitStatus != 7 || got.Command.Stopped {
		t.Errorf("status %d, command %+v", status, got.Command)
	}
	if !strings.Contains(errOut, "loading") {
		t.Errorf("what the command prints is lost: %q", errOut)
	}
	if took := time.Since(begin); took > 30*time.Second {
		t.Errorf("took %v for a command that ends at once", took)
	}
}

// full is an output that takes nothing.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, syscall.ENOSPC }

func TestOnceWhoseResultCannotBeWrittenExitsWith2(t *testing.T) {
	t.Parallel()
	var errOut syncBuffer
	once := []string{"once", "--for", "300ms", "--interval", "100ms", target(t)}
	if status := run(t.Context(), once, system{out: full{}, err: &errOut, env: os.LookupEnv}); status != exitUsage {
		t.Errorf("a full disk: status %d, want 2, as 1 says that a leak was found:\n%s", status, errOut.String())
	}
	status, _, text := call(t, append(once, "--write-baseline", filepath.Join(t.TempDir(), "none", "b.json"))...)
	if status != exitUsage || !strings.Contains(text, "write the result") {
		t.Errorf("a baseline without a folder: status %d, want 2:\n%s", status, text)
	}
}

func TestOnceWithACommandMayReadRarely(t *testing.T) {
	t.Parallel()
	status, _, errOut := call(t, "once", "--interval", "2m", target(t), "--", "true")
	if status != exitUnjudged {
		t.Errorf("status %d, want 3: nobody gave --for\n%s", status, errOut)
	}
}

func TestOnceStopsItsCommandWhenItEnds(t *testing.T) {
	t.Parallel()
	status, out, _ := call(t, "once", "--for", "300ms", "--interval", "100ms", target(t), "--", "sleep", "600")
	if status != exitUnjudged || !strings.Contains(out, "load: sleep was stopped with the check") {
		t.Errorf("status %d:\n%s", status, out)
	}
}

func TestOnceThatIsInterruptedTellsWhatItSaw(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	status, out, _ := callWith(ctx, nil, "once", "--for", "10m", "--interval", "100ms", target(t))
	if status != exitUnjudged || !strings.Contains(out, "readings") {
		t.Errorf("status %d:\n%s", status, out)
	}
}

func TestFoundOutweighsUnreadable(t *testing.T) {
	judged := func(s memwatch.State) agent.TargetResult {
		return agent.TargetResult{Samples: 1, Verdict: &memwatch.Verdict{State: s}}
	}
	for _, c := range []struct {
		failOn string
		states []memwatch.State
		want   int
	}{
		{"leaking", []memwatch.State{memwatch.Healthy, memwatch.Suspect}, exitOK},
		{"suspect", []memwatch.State{memwatch.Healthy, memwatch.Suspect}, exitFailed},
		{"never", []memwatch.State{memwatch.Leaking}, exitOK},
		{"never", []memwatch.State{memwatch.Leaking, memwatch.Learning}, exitUnjudged},
		{"leaking", []memwatch.State{memwatch.Learning, memwatch.Leaking, memwatch.Learning}, exitFailed},
		{"leaking", []memwatch.State{memwatch.Healthy, memwatch.Learning}, exitUnjudged},
	} {
		r := &agent.CheckResult{}
		for _, s := range c.states {
			r.Targets = append(r.Targets, judged(s))
		}
		f := &onceFlags{failOn: c.failOn}
		if got := exitStatus(f.judge(r, nil)); got != c.want {
			t.Errorf("--fail-on %s with %v: status %d, want %d", c.failOn, c.states, got, c.want)
		}
	}
}

func TestRecordThenReplay(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "rec")
	ctx, url := afterReadings(t, 8, target(t))
	status, out, errOut := callWith(ctx, nil, "record", url, "--for", "80s", "--interval", "100ms", "--out", dir)
	if status != exitOK || !strings.Contains(out, "0 failed") {
		t.Fatalf("record: %d %s %s", status, out, errOut)
	}
	if heaps, _ := filepath.Glob(filepath.Join(dir, "heap", "*.pb.gz")); len(heaps) == 0 {
		t.Error("no heap profile was recorded")
	}
	status, out, errOut = call(t, "replay", "--json", filepath.Dir(dir))
	var got agent.ReplayResult
	if err := json.Unmarshal([]byte(out), &got); err != nil || status != exitOK {
		t.Fatalf("replay: %d %v %s %s", status, err, out, errOut)
	}
	if got.Samples < 4 || got.ScrapeErrors != 0 || got.ProfileErrors != 0 || got.FinalState != memwatch.Learning {
		t.Errorf("got %+v", got)
	}
	if status, out, _ := call(t, "replay", "--explain", dir); status != exitOK || !strings.Contains(out, "learning at the end") {
		t.Errorf("replay in words: %d %s", status, out)
	}
	if status, _, errOut := call(t, "record", target(t), "--for", "100ms", "--interval", "100ms", "--out", dir); status != exitFailed || !strings.Contains(errOut, "choose a folder without one") {
		t.Errorf("a recording was overwritten: %d %s", status, errOut)
	}
}

func TestRunEndsWellWhenTold(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "config.yaml")
	doc := "dashboardUrl: \"\"\ncheckInterval: 100ms\nlisten: \"\"\nsnapshotPath: " + dir + "/snapshots\nstateDir: \"\"\ntargets: [{service: shop, url: '" + target(t) + "'}]\n"
	if err := os.WriteFile(file, []byte(doc), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	status, out, log := callWith(ctx, nil, "run", "--config", file)
	if status != exitOK || out != "" || !strings.Contains(log, "watching") || strings.Contains(log, "level=ERROR") {
		t.Errorf("status %d, stdout %q, log\n%s", status, out, log)
	}
}
