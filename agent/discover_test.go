package agent

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/zupee/memwatch"
	"github.com/zupee/memwatch/capture"
	"github.com/zupee/memwatch/discovery"
	"github.com/zupee/memwatch/scraper"
)

func like(service string) Target {
	t := Target{Target: memwatch.Target{Service: service, Labels: map[string]string{"zone": "a"}}, Scrape: scraper.DefaultConfig()}
	t.Scrape.Timeout = 7 * time.Second
	return t
}

// from is a source on the machine node-1, whose targets are on its loopback.
func from(service string, files ...string) Discover {
	d := Discover{Find: discovery.DefaultConfig(), Like: like(service), Host: "node-1"}
	d.Find.Files = files
	return d
}

// onNode is the instance at a loopback address.
func onNode(address string) string { return "node-1" + address[strings.LastIndex(address, ":"):] }

func TestTargetsAreWatchedAsTheyAreFound(t *testing.T) {
	h := newHub(t)
	file := filepath.Join(t.TempDir(), "targets.yaml")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	address := strings.TrimPrefix(target(t), "http://")
	write("- targets: [" + address + "]\n  labels: {service: shop, team: pay}\n")
	cfg := config(t, h.url)
	source := from("unnamed", file)
	source.Find.Every = time.Second
	cfg.Discover = []Discover{source}
	log := &lines{}
	end := begin(t, cfg, log)
	if m := h.wait(t, "shop", 2)[0]; m.Instance != onNode(address) {
		t.Errorf("instance %q, want %q", m.Instance, onNode(address))
	}
	write("- targets: [" + address + "]\n  labels: {job: mail}\n")
	h.wait(t, "mail", 2)
	if err := end(); err != nil {
		t.Error(err)
	}
	if !strings.Contains(log.text(), "targets found") {
		t.Errorf("not said:\n%s", log.text())
	}
}

func TestAReloadKeepsWhatWasFound(t *testing.T) {
	file := filepath.Join(t.TempDir(), "targets.yaml")
	address := strings.TrimPrefix(target(t), "http://")
	if err := os.WriteFile(file, []byte("- targets: ["+address+"]\n  labels: {service: shop}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg := config(t, "")
	cfg.Listen, cfg.Interval = freeAddress(t), time.Minute // nothing is learnt meanwhile
	leaking := memwatch.Target{Service: "shop", Instance: onNode(address)}
	store, err := capture.Open(cfg.Capture, nil, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := store.Save(capture.Evidence{
		Target: leaking, Role: memwatch.RoleLeaking, Time: time.Now().Add(-time.Minute), Verdict: &memwatch.Verdict{State: memwatch.Leaking},
	}); err != nil {
		t.Fatal(err)
	}
	_ = store.Close()
	cfg.Discover = []Discover{from("unnamed", file)}
	reloads, log := beginReloadable(t, cfg)
	waitFor(t, cfg.Listen, "\nmemwatch_targets ", is("1"))

	next := cfg
	other := from("renamed", file)
	other.Like.Scrape.Timeout, other.Find.Every = 5*time.Second, time.Minute
	next.Discover = []Discover{from("absent", file+".none"), other}
	reloads <- Reload{Config: next}
	body := waitFor(t, cfg.Listen, `memwatch_config_reloads_total{result="good"} `, is("1"))
	if !strings.Contains(body, "memwatch_targets 1") || !strings.Contains(body, "memwatch_capture_open 1") {
		t.Errorf("what was found is forgotten, or its leak is over:\n%s\n%s", body, log.text())
	}
}

func TestAFoundTargetIsCompletedOrLeftOut(t *testing.T) {
	got, err := from("unnamed").at(discovery.Target{URL: "http://10.0.0.1:6060/app", Labels: map[string]string{"job": "jobs", "service": "shop", "zone": "b"}})
	if err != nil || got.Service != "shop" || got.Instance != "10.0.0.1:6060" || got.Labels["zone"] != "b" || got.Labels["job"] != "jobs" ||
		got.Scrape.URL != "http://10.0.0.1:6060/app" || got.Scrape.Timeout != 7*time.Second {
		t.Errorf("%+v, %v", got, err)
	}
	if got, err := from("unnamed").at(discovery.Target{URL: "http://10.0.0.1:6060"}); err != nil || got.Service != "unnamed" {
		t.Errorf("%+v, %v: want the name of the source", got, err)
	}
	for url, want := range map[string]string{"http://localhost:6060": "node-1:6060", "http://[::1]:1": "node-1:1", "unix:///run/a.sock": "node-1:/run/a.sock"} {
		if got, err := from("shop").at(discovery.Target{URL: url}); err != nil || got.Instance != want {
			t.Errorf("%s is %q, %v: want %s, as every machine has one", url, got.Instance, err, want)
		}
	}
	long := strings.Repeat("x", 300)
	for want, d := range map[string]discovery.Target{
		"the scheme":    {URL: "ftp://x"},
		"it has no hos": {URL: "http://"},
		"at most 200":   {URL: "http://x", Labels: map[string]string{"a": long}},
		"service":       {URL: "http://x", Labels: map[string]string{"service": "a\nb"}},
	} {
		if _, err := from("unnamed").at(d); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", d, err, want)
		}
	}
}

func TestOfTwoTargetsWithOneNameTheFirstIsWatched(t *testing.T) {
	log := &lines{}
	a := &agent{log: slog.New(slog.NewTextHandler(log, nil))}
	source := Discover{Like: like("shop")}
	cfg := Config{Targets: []Target{{Target: memwatch.Target{Service: "shop", Instance: "a:1"}}}, Discover: []Discover{source}}
	a.finding = &finding{sources: cfg.Discover, found: map[int][]discovery.Target{0: {{URL: "http://a:1"}, {URL: "http://b:1"}}}}
	all := a.all(&cfg)
	if len(all) != 2 || all[1].Instance != "b:1" || !strings.Contains(log.text(), "already") {
		t.Errorf("%+v\n%s", all, log.text())
	}
	if !a.finding.whole() {
		t.Error("every source has looked")
	}
}
