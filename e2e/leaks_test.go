package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/zupee/memwatch"
)

// Each way to leak ends with its function in the hub, as the dashboard shows it.
func TestEachLeakIsNamedInTheHub(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	_, hub := startHub(t, filepath.Join(dir, "hub"), "127.0.0.1:0")
	leaks := map[string]struct {
		kind     memwatch.Kind
		function string
	}{
		"map":         {memwatch.KindHeap, "main.(*sessionStore).remember"},
		"goroutine":   {memwatch.KindGoroutine, "main.(*courier).deliver"},
		"subscribers": {memwatch.KindHeap, "main.(*feed).subscribe"},
		"slice":       {memwatch.KindHeap, "main.recordAudit"},
	}
	var b strings.Builder
	fmt.Fprintf(&b, "dashboardUrl: ws://%s\ncheckInterval: 200ms\nleakThresholdMB: 8\nlisten: \"\"\nsnapshotPath: %s\nstateDir: %s\nspool: {dir: %s}\ntargets:\n",
		hub, filepath.Join(dir, "snapshots"), filepath.Join(dir, "state"), filepath.Join(dir, "spool"))
	for kind := range leaks {
		p := start(t, "leaky", "--name", kind, "--listen", "127.0.0.1:0", "--simulate-leak", kind)
		fmt.Fprintf(&b, "  - {service: %s, url: '%s'}\n", kind, p.line(t, `(http://127\.0\.0\.1:\d+)`)[1])
	}
	file := filepath.Join(dir, "config.yaml")
	if err := os.WriteFile(file, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	start(t, "memwatchd", "run", "--config", file)
	for service, want := range leaks {
		eventually(t, service+" is named", 3*time.Minute, func() error {
			v, err := verdictOf(hub, service)
			switch {
			case err != nil:
				return err
			case v.State != memwatch.Leaking:
				return errors.New(v.Summary)
			case v.Kind != want.kind || len(v.Culprits) == 0 || v.Culprits[0].Function != want.function:
				return fmt.Errorf("%s, culprits %+v: want %s, %s", v.Kind, v.Culprits, want.kind, want.function)
			}
			return nil
		})
	}
}

// verdictOf is the verdict on a service's one instance.
func verdictOf(hub, service string) (*memwatch.Verdict, error) {
	var got struct {
		Instances []struct{ Verdict *memwatch.Verdict }
	}
	if err := getJSON("http://"+hub+"/api/services/"+service, &got); err != nil {
		return nil, err
	}
	if len(got.Instances) != 1 || got.Instances[0].Verdict == nil {
		return nil, fmt.Errorf("%d instances of %s, want one with a verdict", len(got.Instances), service)
	}
	return got.Instances[0].Verdict, nil
}

// What libraries leak is named by the library's function, and the program's own
// frame stands beside it. The recordings of them are judged at each run of the
// tests (agent/replay_test.go); this is the real thing, and needs modules from
// the network: run it with MEMWATCH_LIBRARIES=1.
func TestLeaksOfLibrariesAreNamed(t *testing.T) {
	if os.Getenv("MEMWATCH_LIBRARIES") == "" {
		t.Skip("set MEMWATCH_LIBRARIES=1: it downloads the libraries that leak")
	}
	if out, err := exec.Command("go", "build", "-C", "libraries", "-o", filepath.Join(binaries, "libraries"), ".").CombinedOutput(); err != nil {
		t.Fatalf("build libraries: %v\n%s", err, out)
	}
	for scenario, function := range map[string]string{"otelhttp": "go.opentelemetry.io/otel/", "prometheus": "client_golang/prometheus."} {
		t.Run(scenario, func(t *testing.T) {
			url := start(t, "libraries", "--scenario", scenario, "--rate", "2000", "--listen", "127.0.0.1:0").line(t, `listens on (http://\S+)`)[1]
			v := checked(t, url, "30s", "500ms")
			if v.State != memwatch.Leaking || len(v.Culprits) == 0 || !strings.Contains(v.Culprits[0].Function, function) || !strings.HasPrefix(v.Culprits[0].OwnFrame, "main.") {
				t.Errorf("%s\nculprits %+v: want %s first", v.Summary, v.Culprits, function)
			}
		})
	}
}

// checked is what once says of a service that leaks.
func checked(t *testing.T, url, duration, interval string) memwatch.Verdict {
	t.Helper()
	out, err := exec.Command(filepath.Join(binaries, "memwatchd"), "once", "--for", duration, "--interval", interval, "--output", "json", url).Output()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 1 {
		t.Fatalf("%v, want exit status 1\n%s", err, out)
	}
	var r struct {
		Targets []struct{ Verdict memwatch.Verdict }
	}
	if err := json.Unmarshal(out, &r); err != nil || len(r.Targets) != 1 {
		t.Fatalf("%v in\n%s", err, out)
	}
	return r.Targets[0].Verdict
}
