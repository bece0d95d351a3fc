package notify

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/zupee/memwatch"
)

// server finds a program of a Debian package that scripts/test installs.
func server(t *testing.T, program string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err == nil {
		return path
	}
	if os.Getenv("MEMWATCH_TEST_SERVERS") != "" {
		t.Fatalf("%v: run 'scripts/test setup'", err)
	}
	t.Skipf("%v: 'scripts/test setup' installs it", err)
	return ""
}

// startAlertmanager runs a real one on a port of its own until the test ends. It
// passes on to the given address what it is told.
func startAlertmanager(t *testing.T, receiver string) (url string) {
	t.Helper()
	program, dir := server(t, "prometheus-alertmanager"), t.TempDir()
	config := filepath.Join(dir, "alertmanager.yml")
	err := os.WriteFile(config, fmt.Appendf(nil, `
route: {receiver: test, group_by: [memwatch_alert, severity], group_wait: 10ms, group_interval: 100ms, repeat_interval: 1h}
receivers:
  - name: test
    webhook_configs: [{url: %q, send_resolved: true}]
`, receiver), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, program, "--config.file="+config, "--storage.path="+dir, "--web.listen-address=127.0.0.1:0", "--cluster.listen-address=")
	output, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	address, read := make(chan string, 1), make(chan struct{})
	go func() {
		defer close(read)
		listening := regexp.MustCompile(`msg="Listening on" address=(\S+)`)
		for lines := bufio.NewScanner(output); lines.Scan(); {
			if m := listening.FindStringSubmatch(lines.Text()); m != nil {
				address <- m[1]
			}
		}
	}()
	t.Cleanup(func() {
		cancel()
		<-read
		_ = cmd.Wait()
	})
	select {
	case a := <-address:
		return "http://" + a
	case <-read:
		t.Fatal("the Alertmanager ended before it listened")
	case <-time.After(30 * time.Second):
		t.Fatal("the Alertmanager does not listen")
	}
	return ""
}

// passed is what a receiver of the Alertmanager is told.
type passed struct {
	Status string
	Alerts []struct {
		Status              string
		Labels, Annotations map[string]string
		GeneratorURL        string
	}
}

func TestARealAlertmanagerReceivesFireUpdateAndResolve(t *testing.T) {
	told := make(chan passed, 100)
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var p passed
		if err := json.NewDecoder(r.Body).Decode(&p); err != nil {
			t.Error(err)
		}
		told <- p
	}))
	defer receiver.Close()
	am := startAlertmanager(t, receiver.URL)

	b := &book{last: map[string]memwatch.Delivery{}}
	cfg := Config{Channels: []Channel{{Name: "am", Type: "alertmanager", URL: am, Group: time.Millisecond}}}
	desk, err := New(cfg, "https://hub", b, slog.New(slog.NewTextHandler(t.Output(), nil)), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	desk.channels[0].refreshes = 50 * time.Millisecond
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { desk.Run(ctx) })
	defer func() {
		cancel()
		wg.Wait()
		desk.channels[0].sender.(*alertmanager).post.client.CloseIdleConnections()
	}()

	// until waits for the Alertmanager to pass on an alert of that status and severity.
	until := func(status, severity string) passed {
		t.Helper()
		deadline := time.After(30 * time.Second)
		for {
			select {
			case p := <-told:
				if a := p.Alerts[0]; a.Status == status && a.Labels["severity"] == severity {
					return p
				}
			case <-deadline:
				t.Fatalf("the Alertmanager does not pass on that it is %s, %s", status, severity)
			}
		}
	}
	a := example(time.Now().Add(-time.Minute))
	a.ID, a.Service, a.Message = "0001-abc", "shop", "shop leaks"
	desk.Tell(a)
	fired := until("firing", "warning").Alerts[0]
	if l := fired.Labels; l["alertname"] != "MemoryLeak" || l["service"] != "shop" || l["kind"] != "heap" || l["memwatch_alert"] != "0001-abc" {
		t.Errorf("labels %v", l)
	}
	if n := fired.Annotations; n["summary"] != "shop leaks" || n["culprit"] != "main.(*Cache).Put" || n["growth_bytes_per_second"] != "1258291" ||
		n["time_to_limit_seconds"] != "7200" || n["link"] != "https://hub/alerts/0001-abc" || fired.GeneratorURL != "https://hub/alerts/0001-abc" {
		t.Errorf("annotations %v, %s", n, fired.GeneratorURL)
	}

	a.Message = "shop leaks on 2 instances" // told by the next refresh alone
	desk.Tell(a)
	summary := func() string {
		resp, err := http.Get(am + "/api/v2/alerts")
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		var alerts []struct{ Annotations map[string]string }
		if err := json.NewDecoder(resp.Body).Decode(&alerts); err != nil || len(alerts) != 1 {
			t.Fatalf("%v, %+v", err, alerts)
		}
		return alerts[0].Annotations["summary"]
	}
	for deadline := time.Now().Add(30 * time.Second); summary() != "shop leaks on 2 instances"; {
		if time.Now().After(deadline) {
			t.Fatalf("the update does not arrive: %q", summary())
		}
	}
	http.DefaultClient.CloseIdleConnections()

	a.Severity = memwatch.SeverityCritical
	desk.Tell(a)
	for seen := map[string]bool{}; len(seen) < 2; { // in any order: the one begins, the other ends
		p := <-told
		for _, x := range p.Alerts {
			if word := x.Status + " " + x.Labels["severity"]; word == "firing critical" || word == "resolved warning" {
				seen[word] = true
			}
		}
	}
	desk.Tell(over(a))
	until("resolved", "critical")
	if d := b.of("0001-abc"); d.State != memwatch.DeliveryDone || d.Told != memwatch.AlertResolved {
		t.Errorf("%+v", d)
	}
}
