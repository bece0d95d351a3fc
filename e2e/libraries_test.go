//go:build occasional

package e2e

import (
	"encoding/json"
	"errors"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/zupee/memwatch"
)

// What libraries leak is named by the library's function, and the program's own
// frame stands beside it. The recordings of them are judged at each run of the
// tests (agent/replay_test.go); this is the real thing, and needs modules from
// the network, so it is run by name: go test -tags occasional -run Libraries ./e2e
func TestLeaksOfLibrariesAreNamed(t *testing.T) {
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
