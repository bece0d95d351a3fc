package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A Node.js service with the packages that people use is judged by the same
// detector, and the function that leaks is named.
func TestTheLeakOfANodeServiceIsFoundWithItsFunction(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat("../examples/node/node_modules/prom-client"); err != nil {
		t.Skip("examples/node has no packages: run scripts/test setup")
	}
	service := start(t, nodeProgram(t), "../examples/node/server.js", "--port", "0", "--rate", "400", "--leak")
	url := service.line(t, `listening on (http://\S+)`)[1]
	dir := t.TempDir()
	file := filepath.Join(dir, "config.yaml")
	text := fmt.Sprintf("serviceName: shop\ndashboardUrl: \"\"\ncheckInterval: 250ms\nprofileShare: 0.2\nlisten: \"\"\nsnapshotPath: %s\nstateDir: %s\ntargets:\n  - url: %s\n",
		filepath.Join(dir, "snapshots"), filepath.Join(dir, "state"), url)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	agent := start(t, "memwatchd", "run", "--config", file)
	agent.line(t, `target's program.*runtime=v\d+`)
	eventually(t, "the leak and its function", 4*time.Minute, func() error {
		for line := range strings.Lines(agent.output()) {
			if strings.Contains(line, "state=leaking") && strings.Contains(line, "held by rememberSession") {
				return nil
			}
		}
		return fmt.Errorf("the agent has not said so")
	})
}

func nodeProgram(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("node")
	if err != nil {
		t.Skip("Node.js is not installed: run scripts/test setup")
	}
	return path
}
