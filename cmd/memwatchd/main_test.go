package main

import (
	"bufio"
	"bytes"
	"context"
	"expvar"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/pprof"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"
)

var leakyBinary string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "memwatchd-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	leakyBinary = filepath.Join(dir, "leaky")
	build := exec.Command("go", "build", "-o", leakyBinary, "../../examples/leaky")
	build.Stdout, build.Stderr = os.Stderr, os.Stderr
	if err := build.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "build the leaky example:", err)
		os.Exit(1)
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(status int) {
		_ = os.RemoveAll(dir)
		os.Exit(status)
	}))
}

// startLeaky starts the example service and returns its URL; it ends with the test.
func startLeaky(t *testing.T, args ...string) string {
	t.Helper()
	return startService(t, exec.Command(leakyBinary, append([]string{"--listen", "127.0.0.1:0"}, args...)...))
}

// startService starts a service and returns the URL in the first line that it
// prints; it ends with the test.
func startService(t *testing.T, cmd *exec.Cmd) string {
	t.Helper()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	url := regexp.MustCompile(`http://\S+:\d+`).FindString(line)
	if err != nil || url == "" {
		t.Fatalf("%s printed %q, %v", cmd.Path, line, err)
	}
	return url
}

// target is a service to read: this test's own process.
func target(t *testing.T) string {
	t.Helper()
	mux := http.NewServeMux()
	mux.Handle("/debug/vars", expvar.Handler())
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s.URL
}

// closed is a URL that nothing listens at.
func closed(t *testing.T) string {
	t.Helper()
	s := httptest.NewServer(http.NotFoundHandler())
	defer s.Close()
	return s.URL
}

// call runs a command in this process.
func call(t *testing.T, args ...string) (status int, out, errOut string) {
	t.Helper()
	return callWith(t.Context(), nil, args...)
}

func callWith(ctx context.Context, env map[string]string, args ...string) (status int, out, errOut string) {
	var stdout, stderr syncBuffer
	status = run(ctx, args, system{out: &stdout, err: &stderr, env: func(k string) (string, bool) { v, ok := env[k]; return v, ok }})
	return status, stdout.String(), stderr.String()
}

// syncBuffer may be written to by a command and by us.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func TestBadUsageExitsWith2AndSaysWhatIsAllowed(t *testing.T) {
	bad := filepath.Join(t.TempDir(), "bad.yaml")
	if err := os.WriteFile(bad, []byte("chekInterval: 5s\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"onse"}, `unknown command "onse"`},
		{[]string{"once"}, "no URL: want at least one, such as http://localhost:6060"},
		{[]string{"once", "--for", "sometime", ":1"}, `invalid argument "sometime"`},
		{[]string{"once", "--for", "1ms", ":1"}, "--for is 1ms: want at least one --interval (1s)"},
		{[]string{"once", "--interval", "1ms", ":1"}, "--interval is 1ms: want 50ms to 1h"},
		{[]string{"once", "--fail-on", "everything", ":1"}, `--fail-on is "everything": want leaking, suspect or never`},
		{[]string{"once", "--output", "html", ":1"}, `--output is "html": want text, json, markdown, junit or sarif`},
		{[]string{"once", "--expect", "", ":1"}, "--expect is empty"},
		{[]string{"once", "--baseline", "/no/such/file", ":1"}, "--write-baseline FILE writes one"},
		{[]string{"once", "--baseline", bad, ":1"}, "no baseline"},
		{[]string{"once", "--limit", "lots", ":1"}, `--limit: "lots" is no size: want one such as 50MiB or 1GB`},
		{[]string{"once", "--colour", ":1"}, "unknown flag: --colour"},
		{[]string{"once", "ftp://x"}, `target URL "ftp://x": the scheme "ftp" is not known`},
		{[]string{"once", ":1", ":1"}, ":1 is there twice"},
		{[]string{"once", ":1", "--"}, "no command after --"},
		{[]string{"once", ":1", "--", "/no/such/program"}, "start the command"},
		{[]string{"record", ":1"}, "--out is missing"},
		{[]string{"record"}, "accepts 1 arg(s), received 0"},
		{[]string{"replay"}, "requires at least 1 arg(s)"},
		{[]string{"replay", t.TempDir()}, "holds no recording"},
		{[]string{"replay", "--set", "signifcance=2", t.TempDir()}, `did you mean "significance"?`},
		{[]string{"replay", "--set", "significance=99", t.TempDir()}, "significance is 99: want 1 to 20"},
		{[]string{"run", "--config", bad}, `bad.yaml:1: chekInterval: unknown key: did you mean "checkInterval"?`},
		{[]string{"run", "--check-interval", "never"}, "flag --check-interval: checkInterval"},
		{[]string{"config", "check", bad}, "chekInterval"},
		{[]string{"config", "check", "a.yaml", "--config", "b.yaml"}, "two files"},
		{[]string{"version", "please"}, `unknown command "please"`},
	} {
		status, out, errOut := call(t, c.args...)
		if status != exitUsage || !strings.Contains(errOut, c.want) || out != "" {
			t.Errorf("%q: status %d, stdout %q, stderr\n%s\nwant status 2 and %q", c.args, status, out, errOut, c.want)
		}
	}
}

func TestVersionAndHelp(t *testing.T) {
	if status, out, _ := call(t, "version"); status != 0 || !strings.HasPrefix(out, "memwatchd ") {
		t.Errorf("version: %d %q", status, out)
	}
	if status, out, _ := call(t); status != 0 || !strings.Contains(out, "once") {
		t.Errorf("help: %d %q", status, out)
	}
}

func TestConfigCommands(t *testing.T) {
	if status, out, errOut := call(t, "config", "check", "../../config.example.yaml"); status != 0 || !strings.Contains(out, "good, 1 targets") {
		t.Errorf("check: %d %q %q", status, out, errOut)
	}
	status, out, _ := callWith(t.Context(), map[string]string{"MEMWATCH_CHECK_INTERVAL": "2500"}, "config", "show", "--leak-threshold-mb", "9")
	if status != 0 || !strings.Contains(out, "checkInterval: 2.5s") || !strings.Contains(out, "leakThresholdMB: 9") {
		t.Errorf("show: %d %q", status, out)
	}
	if status, out, _ := call(t, "config", "schema"); status != 0 || !strings.Contains(out, `"checkInterval"`) {
		t.Errorf("schema: %d %q", status, out)
	}
}
