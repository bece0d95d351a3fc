package e2e

import (
	"errors"
	"fmt"
	"os"
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
