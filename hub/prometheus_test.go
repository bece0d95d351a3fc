package hub

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/zupee/memwatch"
	"github.com/zupee/memwatch/wire"
)

// tool finds a program of a Debian package that scripts/test installs.
func tool(t *testing.T, program string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	switch {
	case err == nil:
		return path
	case os.Getenv("MEMWATCH_TEST_SERVERS") != "":
		t.Fatalf("%v: run 'scripts/test setup'", err)
	default:
		t.Skipf("%v: 'scripts/test setup' installs it", err)
	}
	return ""
}

const deployed = "../deploy/prometheus/"

func TestPromtoolAcceptsRulesAndMetrics(t *testing.T) {
	promtool := tool(t, "promtool")
	r := start(t, quick(t.TempDir()))
	r.agent().ack(batch("1", wire.NewMetrics("", shop, sampleAt(time.Now(), 1e6), leaking())), "1")
	var metrics []byte
	r.get("/metrics", &metrics)
	for _, tc := range []struct {
		args  []string
		stdin string
		says  string
	}{
		{[]string{"check", "rules", deployed + "memwatch.rules.yml"}, "", "SUCCESS: 11 rules found"},
		{[]string{"test", "rules", deployed + "memwatch.rules.test.yml"}, "", "SUCCESS"},
		{[]string{"check", "metrics"}, string(metrics), ""},
	} {
		cmd := exec.CommandContext(t.Context(), promtool, tc.args...)
		cmd.Stdin = strings.NewReader(tc.stdin)
		out, err := cmd.CombinedOutput()
		if err != nil || !strings.Contains(string(out), tc.says) {
			t.Errorf("promtool %v: %v\n%s", tc.args, err, out)
		}
	}
}

// startPrometheus runs a real one with the deployed rules that scrapes a hub.
func startPrometheus(t *testing.T, hubAddr string) (addr string) {
	t.Helper()
	program, dir := tool(t, "prometheus"), t.TempDir()
	rules, err := filepath.Abs(deployed + "memwatch.rules.yml")
	if err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(dir, "prometheus.yml")
	err = os.WriteFile(config, fmt.Appendf(nil, `
global: {scrape_interval: 200ms, scrape_timeout: 200ms, evaluation_interval: 200ms}
rule_files: [%q]
scrape_configs:
  - {job_name: memwatch-hub, honor_labels: true, static_configs: [{targets: [%q]}]}
`, rules, hubAddr), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, program, "--config.file="+config, "--storage.tsdb.path="+dir, "--web.listen-address=127.0.0.1:0")
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
	case addr = <-address:
	case <-read:
		t.Fatal("the Prometheus ended before it listened")
	case <-time.After(time.Minute):
		t.Fatal("the Prometheus does not listen")
	}
	return addr
}

// TestARealPrometheusSeesTheLeakAndTheDashboardsQueriesWork scrapes a hub, loads
// the deployed rules and asks what the Grafana dashboard asks.
func TestARealPrometheusSeesTheLeakAndTheDashboardsQueriesWork(t *testing.T) {
	r := start(t, quick(t.TempDir()))
	v := leaking()
	left := 7200.0
	v.TimeToLimitSeconds, v.LimitBytes = &left, 512<<20
	sample := sampleAt(time.Now(), 1e6)
	sample.Set(memwatch.RSSBytes, 5e6)
	r.agent().ack(batch("1", wire.NewMetrics("", shop, sample, v)), "1")
	prom := *r // the same client, another server
	prom.addr = startPrometheus(t, r.addr)
	eventually(t, "the Prometheus is ready", func() error {
		resp, err := prom.http.Get("http://" + prom.addr + "/-/ready")
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return errNotYet
		}
		return nil
	})
	query := func(expr string) (values []string) {
		t.Helper()
		var got struct {
			Status string
			Data   struct{ Result []struct{ Value [2]any } }
		}
		prom.get("/api/v1/query?query="+url.QueryEscape(expr), &got)
		for _, s := range got.Data.Result {
			values = append(values, fmt.Sprint(s.Value[1]))
		}
		return values
	}
	for expr, want := range map[string]string{
		`memwatch_severity{service="shop",instance="shop-1"}`:          "2",
		`memwatch_state{service="shop",state="leaking"}`:               "1",
		`memwatch_leak{service="shop",kind="heap"}`:                    "1",
		`memwatch_live_heap_bytes{instance="shop-1"}`:                  "1000000",
		`service:memwatch_growth_bytes_per_second:max{service="shop"}`: "1000",
		`service:memwatch_time_to_limit_seconds:min{service="shop"}`:   "7200",
		`service:memwatch_leaking_instances:count{service="shop"}`:     "1",
		`count(ALERTS{alertname="MemoryLeak",alertstate="pending"})`:   "1",
		`memwatch_hub_instances_omitted`:                               "0",
	} {
		eventually(t, expr, func() error {
			if got := query(expr); !slices.Equal(got, []string{want}) {
				return fmt.Errorf("%q, want %s", got, want)
			}
			return nil
		})
	}
	for _, expr := range dashboardQueries(t) {
		if strings.Contains(expr, "refused") || strings.Contains(expr, "notifications") { // series that come with their first event
			query(expr)
			continue
		}
		eventually(t, expr, func() error {
			if len(query(expr)) == 0 {
				return errNotYet
			}
			return nil
		})
	}
}

// dashboardQueries are the queries of the Grafana dashboard, for all services.
func dashboardQueries(t *testing.T) (exprs []string) {
	t.Helper()
	b, err := os.ReadFile("../deploy/grafana/memwatch.json")
	if err != nil {
		t.Fatal(err)
	}
	var board struct {
		Panels []struct{ Targets []struct{ Expr string } }
	}
	if err := json.Unmarshal(b, &board); err != nil {
		t.Fatal(err)
	}
	for _, p := range board.Panels {
		for _, q := range p.Targets {
			exprs = append(exprs, strings.ReplaceAll(q.Expr, "$service", ".*"))
		}
	}
	if len(exprs) < 15 {
		t.Fatalf("%d queries", len(exprs))
	}
	return exprs
}

func TestMetricsOmitTheBestInstancesBeyondTheLimitAndSaySo(t *testing.T) {
	cfg := quick(t.TempDir())
	cfg.Metrics.Instances = 1
	r := start(t, cfg)
	other := memwatch.Target{Service: "cart", Instance: "cart-1"}
	r.agent().ack(batch("1",
		wire.NewMetrics("", other, sampleAt(time.Now(), 1e6), healthy()),
		wire.NewMetrics("", shop, sampleAt(time.Now(), 1e6), leaking())), "1")
	var metrics []byte
	r.get("/metrics", &metrics)
	for want, there := range map[string]bool{
		`memwatch_severity{instance="shop-1",service="shop"} 2`: true, `service="cart"`: false, "memwatch_hub_instances_omitted 1": true,
	} {
		if strings.Contains(string(metrics), want) != there {
			t.Errorf("%q there: %v, want %v", want, !there, there)
		}
	}
}
