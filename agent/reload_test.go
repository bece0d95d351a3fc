package agent

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/zupee/memwatch"
)

// beginReloadable is begin with a way to reload.
func beginReloadable(t *testing.T, cfg Config) (reloads chan<- Reload, log *lines) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ch, done := make(chan Reload), make(chan error, 1)
	log = &lines{}
	go func() { done <- Run(ctx, cfg, ch, slog.New(slog.NewTextHandler(log, nil))) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return ch, log
}

func is(want string) func(string) bool { return func(v string) bool { return v == want } }

func atLeast(n int) func(string) bool {
	return func(v string) bool { return len(v) > 1 || v >= string(rune('0'+n)) }
}

func TestAReloadKeepsWhatIsKnownOfTargetsThatStay(t *testing.T) {
	h := newHub(t)
	cfg := config(t, h.url, "shop", target(t), "old", target(t))
	cfg.Listen = freeAddress(t)
	reloads, log := beginReloadable(t, cfg)
	// Out of learning: that takes nine blocks of readings.
	waitFor(t, cfg.Listen, `memwatch_state{service="shop",instance="shop-1",state="learning"} `, is("0"))

	next := cfg
	next.Targets = config(t, "", "shop", cfg.Targets[0].Scrape.URL, "new", target(t)).Targets
	next.Targets[0].Labels = map[string]string{"version": "2"}
	next.Targets[0].Scrape.Timeout = 7 * time.Second
	next.Interval = 20 * time.Millisecond
	next.Detector.LeakThresholdBytes = 1 << 20
	reloads <- Reload{Config: next}

	body := waitFor(t, cfg.Listen, `memwatch_config_reloads_total{result="good"} `, is("1"))
	for _, want := range []string{
		`memwatch_state{service="shop",instance="shop-1",state="learning"} 0`,
		`memwatch_config_last_reload_successful 1`, `memwatch_targets 2`,
	} {
		if !strings.Contains(body, want) {
			t.Errorf("/metrics lacks %s:\n%s", want, body)
		}
	}
	if strings.Contains(body, `service="old"`) {
		t.Error("a target that was taken out is still there")
	}
	h.wait(t, "new", 3)
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, m := range h.readings[len(h.readings)-3:] {
		if m.Service == "shop" && m.Verdict != nil && m.Verdict.State == memwatch.Learning {
			t.Error("shop is learnt anew")
		}
	}
	if !strings.Contains(log.text(), "configuration reloaded") {
		t.Errorf("nobody is told:\n%s", log.text())
	}
}

func TestABadReloadChangesNothingAndIsSaid(t *testing.T) {
	cfg := config(t, "", "shop", target(t))
	cfg.Listen = freeAddress(t)
	reloads, log := beginReloadable(t, cfg)
	waitFor(t, cfg.Listen, `memwatch_target_up{service="shop",instance="shop-1"} `, is("1"))

	reloads <- Reload{Err: errors.New("config.yaml:3: tragets: unknown key")}
	unusable := cfg
	unusable.Targets = config(t, "", "fine", target(t), "shop", "gopher://nowhere").Targets
	reloads <- Reload{Config: unusable}

	body := waitFor(t, cfg.Listen, `memwatch_config_reloads_total{result="bad"} `, is("2"))
	for _, want := range []string{`memwatch_config_last_reload_successful 0`, `memwatch_targets 1`} {
		if !strings.Contains(body, want) {
			t.Errorf("/metrics lacks %s:\n%s", want, body)
		}
	}
	for _, want := range []string{"tragets: unknown key", "gopher", "the one before stays in effect"} {
		if !strings.Contains(log.text(), want) {
			t.Errorf("the log lacks %q:\n%s", want, log.text())
		}
	}
	waitFor(t, cfg.Listen, `memwatch_scrapes_total{service="shop",instance="shop-1"} `, atLeast(5))
}

func TestAReloadMovesToAnotherHub(t *testing.T) {
	first, second := newHub(t), newHub(t)
	cfg := config(t, first.url, "shop", target(t))
	reloads, _ := beginReloadable(t, cfg)
	first.wait(t, "shop", 2)
	next := cfg
	next.Uplink.URLs = []string{second.url}
	reloads <- Reload{Config: next}
	got := second.wait(t, "shop", 3)
	if got[0].Verdict != nil && got[0].Verdict.State == memwatch.Learning && got[0].Sample == nil {
		t.Errorf("the second hub got %+v", got[0])
	}
}

func TestWhatOnlyAStartCanChangeIsSaid(t *testing.T) {
	cfg := config(t, "", "shop", target(t))
	cfg.Listen = freeAddress(t)
	reloads, log := beginReloadable(t, cfg)
	next := cfg
	next.Capture.Dir, next.Listen = t.TempDir(), "127.0.0.1:0"
	reloads <- Reload{Config: next}
	reloads <- Reload{Config: cfg} // the first is done when the second is taken
	if want := `keys="listen, snapshotPath, capture"`; !strings.Contains(log.text(), want) {
		t.Errorf("the log lacks %s:\n%s", want, log.text())
	}
	if get(t, cfg.Listen, "/healthz") == "" {
		t.Error("the endpoints are gone")
	}
}

func TestATargetAtAnotherURLIsAnotherTarget(t *testing.T) {
	cfg := config(t, "", "shop", target(t))
	cfg.Listen = freeAddress(t)
	reloads, _ := beginReloadable(t, cfg)
	waitFor(t, cfg.Listen, `memwatch_state{service="shop",instance="shop-1",state="learning"} `, is("0"))
	next := cfg
	next.Targets = config(t, "", "shop", target(t)).Targets
	reloads <- Reload{Config: next}
	waitFor(t, cfg.Listen, `memwatch_state{service="shop",instance="shop-1",state="learning"} `, is("1"))
}
