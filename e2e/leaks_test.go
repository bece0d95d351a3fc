package e2e

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/zupee/memwatch"
	"github.com/zupee/memwatch/hub/api"
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
	askAnAssistant(t, hub, "map", leaks["map"].function)
}

// askAnAssistant walks from the fleet to the function as an assistant would, with
// the program that it would start.
func askAnAssistant(t *testing.T, hub, service, function string) {
	client := mcp.NewClient(&mcp.Implementation{Name: "test", Version: "1"}, nil)
	cmd := exec.Command(filepath.Join(binaries, "memwatch-hub"), "mcp", "--hub", "http://"+hub)
	cmd.Stderr = t.Output()
	s, err := client.Connect(t.Context(), &mcp.CommandTransport{Command: cmd}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Errorf("memwatch-hub mcp ends with %v", err)
		}
	}()
	ask := func(tool string, args map[string]any) (string, error) {
		res, err := s.CallTool(t.Context(), &mcp.CallToolParams{Name: tool, Arguments: args})
		if err != nil {
			return "", err
		}
		words := res.Content[0].(*mcp.TextContent).Text
		if res.IsError {
			return "", errors.New(words)
		}
		return words, nil
	}
	for _, step := range []struct {
		tool string
		args map[string]any
		says string
	}{
		{"list_services", map[string]any{"state": "leaking"}, function},
		{"get_service", map[string]any{"service": service}, "growth: passed"},
		{"culprit_stacks", map[string]any{"service": service}, "leaky/leaks.go"},
		{"list_alerts", map[string]any{"service": service, "type": "leak"}, function},
	} {
		if words, err := ask(step.tool, step.args); err != nil || !strings.Contains(words, step.says) {
			t.Errorf("%s: %v: %s; want %q in it", step.tool, err, words, step.says)
		}
	}
	eventually(t, "profiles to compare", time.Minute, func() error {
		var saved api.Profiles
		if err := getJSON("http://"+hub+"/api/profiles?role=leaking&kind=heap&service="+service, &saved); err != nil {
			return err
		}
		if len(saved.Profiles) == 0 {
			return errors.New("none yet")
		}
		words, err := ask("profile_diff", map[string]any{"profile": saved.Profiles[0].ID})
		if err == nil && !strings.Contains(words, function) {
			err = errors.New(words)
		}
		return err
	})
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
