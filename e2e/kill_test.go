package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/zupee/memwatch"
	"github.com/zupee/memwatch/hub/api"
)

func startHub(t *testing.T, data, listen string) (*process, string) {
	t.Helper()
	hub := start(t, "memwatch-hub", "serve", "--data", data, "--listen", listen)
	return hub, hub.line(t, `http://(127\.0\.0\.1:\d+)`)[1]
}

func startAgent(t *testing.T, dir, hub string, targets ...string) *process {
	t.Helper()
	var b strings.Builder
	fmt.Fprintf(&b, "dashboardUrl: ws://%s\ncheckInterval: 500ms\nlisten: \"\"\nsnapshotPath: %s\nstateDir: %s\nspool:\n  dir: %s\ntargets:\n",
		hub, filepath.Join(dir, "snapshots"), filepath.Join(dir, "state"), filepath.Join(dir, "spool"))
	for i := 0; i < len(targets); i += 2 {
		fmt.Fprintf(&b, "  - service: %s\n    instance: %s-1\n    url: %s\n", targets[i], targets[i], targets[i+1])
	}
	file := filepath.Join(dir, "config.yaml")
	if err := os.WriteFile(file, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return start(t, "memwatchd", "run", "--config", file)
}

func startLeaky(t *testing.T, name, mode string) string {
	t.Helper()
	p := start(t, "leaky", "--name", name, "--listen", "127.0.0.1:0", "--intensity", "4", "--simulate-leak", mode)
	return p.line(t, `(http://127\.0\.0\.1:\d+)`)[1]
}

func leakAlerts(hub, service string) ([]memwatch.Alert, error) {
	var got api.Alerts
	err := getJSON("http://"+hub+"/api/alerts?limit=500&service="+service, &got)
	var leaks []memwatch.Alert
	for _, a := range got.Alerts {
		if a.Type == memwatch.AlertLeak {
			leaks = append(leaks, a)
		}
	}
	return leaks, err
}

func readings(hub, service string) ([]memwatch.UnixMilli, error) {
	var got api.ServiceMetrics
	if err := getJSON("http://"+hub+"/api/services/"+service+"/metrics?limit=5000", &got); err != nil {
		return nil, err
	}
	times := make([]memwatch.UnixMilli, len(got.Metrics))
	for i, m := range got.Metrics {
		times[i] = m.Timestamp
	}
	return times, nil
}

// A hub that is killed and started again still has its history and its alert;
// the agent finds it again by itself, sends what the hub missed, and nothing is
// there twice.
func TestHubKilledWithMinus9LosesAndDoublesNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	leaky := startLeaky(t, "shop", "map")
	hub, addr := startHub(t, filepath.Join(dir, "data"), "127.0.0.1:0")
	startAgent(t, dir, addr, "shop", leaky)

	eventually(t, "the leak's alert", 100*time.Second, func() error {
		leaks, err := leakAlerts(addr, "shop")
		if err == nil && len(leaks) != 1 {
			err = fmt.Errorf("%d leak alerts", len(leaks))
		}
		return err
	})
	before, err := readings(addr, "shop")
	if err != nil {
		t.Fatal(err)
	}
	first, err := leakAlerts(addr, "shop")
	if err != nil {
		t.Fatal(err)
	}

	hub.kill(t)
	killed := time.Now()
	_, addr = startHub(t, filepath.Join(dir, "data"), addr)

	var after []memwatch.UnixMilli
	eventually(t, "readings after the restart", 60*time.Second, func() error {
		after, err = readings(addr, "shop")
		if err == nil && (len(after) == 0 || after[len(after)-1].Time().Before(killed.Add(5*time.Second))) {
			err = fmt.Errorf("%d readings, none 5 s newer than the kill", len(after))
		}
		return err
	})
	if len(after) <= len(before) {
		t.Errorf("%d readings before the kill, %d after", len(before), len(after))
	}
	checkHistory(t, before, after)
	leaks, err := leakAlerts(addr, "shop")
	if err != nil {
		t.Fatal(err)
	}
	if len(leaks) != 1 || leaks[0].ID != first[0].ID {
		t.Errorf("alerts after the restart: %+v, want the one with id %s", leaks, first[0].ID)
	}
}

// One target that cannot be read does not stop the others.
func TestADeadTargetDoesNotStopTheOthers(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	healthy := startLeaky(t, "catalog", "none")
	_, addr := startHub(t, filepath.Join(dir, "data"), "127.0.0.1:0")
	agent := startAgent(t, dir, addr, "ghost", "http://127.0.0.1:1", "catalog", healthy)

	agent.line(t, `ghost.*(refused|connection)`)
	eventually(t, "readings of the living target", 60*time.Second, func() error {
		got, err := readings(addr, "catalog")
		if err == nil && len(got) < 10 {
			err = fmt.Errorf("%d readings", len(got))
		}
		return err
	})
	eventually(t, "the dead one is shown as unreachable", 60*time.Second, func() error {
		var s api.Service
		if err := getJSON("http://"+addr+"/api/services/ghost", &s); err != nil {
			return err
		}
		if s.Status != "unreachable" || len(s.Instances) != 1 || !strings.Contains(s.Instances[0].Reason, "refused") {
			return fmt.Errorf("status %s, instances %+v", s.Status, s.Instances)
		}
		return nil
	})
}

// checkHistory wants all that was acked before to be there after, once, and no hole.
func checkHistory(t *testing.T, before, after []memwatch.UnixMilli) {
	t.Helper()
	seen := map[memwatch.UnixMilli]bool{}
	for i, at := range after {
		if seen[at] {
			t.Errorf("the reading of %v is there twice", at.Time())
		}
		seen[at] = true
		if i > 0 && at-after[i-1] > 5000 {
			t.Errorf("a hole of %d ms in the history before %v", at-after[i-1], at.Time())
		}
	}
	for _, at := range before {
		if !seen[at] {
			t.Errorf("the reading of %v was acked and is lost", at.Time())
		}
	}
}
