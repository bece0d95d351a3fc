package hub

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/zupee/memwatch"
	"github.com/zupee/memwatch/hub/api"
	"github.com/zupee/memwatch/internal/ws"
	"github.com/zupee/memwatch/wire"
)

func TestBrowserSeesWhatHappens(t *testing.T) {
	r := start(t, quick(t.TempDir()))
	b := r.dial("/ws")
	hello, err := b.events()
	if err != nil || len(hello) != 1 || hello[0].Type != wire.TypeHello || hello[0].Seq == 0 {
		t.Fatalf("first frame = %+v, %v; want a hello", hello, err)
	}
	s := r.agent()
	s.ack(batch("b1", wire.NewMetrics("", shop, sampleAt(time.Now(), 1e8), leaking())), "b1")
	events := b.until("the reading", func(e event) bool { return e.Type == wire.TypeMetricsUpdate })
	last := hello[0].Seq
	types := map[wire.Type]event{}
	for _, e := range events {
		if e.Seq <= last {
			t.Errorf("sequence %d after %d", e.Seq, last)
		}
		last = e.Seq
		types[e.Type] = e
	}
	if e := types[wire.TypeServiceUpdate]; e.Service != "shop" || e.Status != wire.Connected {
		t.Errorf("status = %+v", e)
	}
	if e := types[wire.TypeLeakAlert]; e.Alert.Service != "shop" || e.Alert.State != memwatch.AlertFiring {
		t.Errorf("alert = %+v, want it before the reading", e.Alert)
	}
	if e := types[wire.TypeMetricsUpdate]; e.Instance != "shop-1" || e.Sample == nil || e.Verdict == nil || e.Verdict.State != memwatch.Leaking {
		t.Errorf("reading = %+v, want sample and verdict", e)
	}
	data := heapProfile(t, 5000)
	s.send(snapshotOf("s1", captureOf("c1", memwatch.RoleLeaking, data, "")))
	s.answer()
	s.sendChunk("s1", 0, data)
	events = b.until("the profile", func(e event) bool { return e.Type == wire.TypeProfileSaved })
	for _, e := range events {
		if e.Type == wire.TypeAlertUpdate && e.Alert.Type == memwatch.AlertLeak {
			types[wire.TypeAlertUpdate] = e
		}
	}
	if e := types[wire.TypeAlertUpdate]; len(e.Alert.Profiles) != 1 || e.Alert.Profiles[0] != "c1" {
		t.Errorf("alert after the profile = %+v, want it named", e.Alert)
	}
}

func TestBrowserChoosesWhoseReadingsItGets(t *testing.T) {
	r := start(t, quick(t.TempDir()))
	b := r.dial("/ws")
	if _, err := b.events(); err != nil {
		t.Fatal(err)
	}
	b.send(wire.Watch{Type: wire.TypeWatch, Services: []string{"wanted"}})
	s := r.agent()
	other, wanted := memwatch.Target{Service: "other", Instance: "i"}, memwatch.Target{Service: "wanted", Instance: "i"}
	now := time.Now()
	// The watch is in force by the time that a reading sent after it comes back.
	for i := 0; ; i++ {
		at := now.Add(time.Duration(i) * time.Millisecond)
		s.ack(batch("w", wire.NewMetrics("", wanted, sampleAt(at, 1), nil)), "w")
		if i == 3 {
			break
		}
		b.until("a wanted reading", func(e event) bool { return e.Type == wire.TypeMetricsUpdate && e.Service == "wanted" })
	}
	s.ack(batch("o", wire.NewMetrics("", other, sampleAt(now, 1), leaking())), "o")
	s.ack(batch("w", wire.NewMetrics("", wanted, sampleAt(now.Add(time.Second), 1), nil)), "w")
	alerted := false
	for range 2 {
		b.until("the last reading", func(e event) bool {
			if e.Type == wire.TypeMetricsUpdate && e.Service == "other" {
				t.Errorf("got a reading of a service that is not watched")
			}
			alerted = alerted || e.Type == wire.TypeLeakAlert && e.Alert.Service == "other"
			return e.Type == wire.TypeMetricsUpdate && e.Service == "wanted"
		})
	}
	if !alerted {
		t.Error("no alert of the other service, want those of all")
	}
}

// A browser that does not read for a while delays nobody, and then finds the
// newest reading of every instance.
func TestSlowBrowserHoldsNobodyBack(t *testing.T) {
	r := start(t, quick(t.TempDir()))
	slow, fast := r.dial("/ws"), r.dial("/ws")
	for _, b := range []*socket{slow, fast} {
		if _, err := b.events(); err != nil {
			t.Fatal(err)
		}
	}
	s := r.agent()
	const instances, rounds = 200, 10
	now := time.Now().Add(-time.Minute)
	at := func(round int) time.Time {
		return now.Add(time.Duration(round) * time.Second).Truncate(time.Millisecond)
	}
	for round := range rounds {
		var messages []*wire.Metrics
		for i := range instances {
			target := memwatch.Target{Service: "many", Instance: fmt.Sprintf("pod-%d", i)}
			messages = append(messages, wire.NewMetrics("", target, sampleAt(at(round), float64(round)), nil))
		}
		s.ack(batch("b", messages...), "b")
	}
	for _, b := range []*socket{fast, slow} {
		newest := map[string]time.Time{}
		b.until("the newest reading of all", func(e event) bool {
			if e.Type == wire.TypeMetricsUpdate {
				if e.Sample.Time.Before(newest[e.Instance]) {
					t.Errorf("%s goes back to %v", e.Instance, e.Sample.Time)
				}
				newest[e.Instance] = e.Sample.Time
			}
			done := 0
			for _, n := range newest {
				if n.Equal(at(rounds - 1)) {
					done++
				}
			}
			return done == instances
		})
	}
}

func TestBrowserThatSaysNonsenseIsClosed(t *testing.T) {
	r := start(t, quick(t.TempDir()))
	for _, nonsense := range []string{"hello", `{"type":"registration"}`, `{"type":"watch","services":[` + strings.Repeat(`"a",`, 1000) + `"a"]}`} {
		b := r.dial("/ws")
		b.sendText(nonsense)
		var err error
		for err == nil {
			_, err = b.events()
		}
		if !errors.Is(err, ws.ErrClosed) || !strings.Contains(err.Error(), "1008") {
			t.Errorf("after %.30s: %v, want a close with 1008 and why", nonsense, err)
		}
	}
}

func TestPagesOfOthersMayNotConnect(t *testing.T) {
	r := start(t, quick(t.TempDir()))
	for _, path := range []string{"/ws", "/ws/agent", "/"} {
		_, resp, err := ws.Dial(t.Context(), "ws://"+r.addr+path, ws.DialOptions{
			HTTPClient: r.http, Header: http.Header{"Origin": {"http://evil.example"}},
		})
		if err == nil || resp == nil || resp.StatusCode != http.StatusForbidden {
			t.Errorf("%s from another origin: %v, want 403", path, err)
		}
	}
}

func TestStoppingHubSaysGoodbye(t *testing.T) {
	r := start(t, quick(t.TempDir()))
	b, s := r.dial("/ws"), r.agent()
	said := make(chan error, 2)
	for _, c := range []*socket{b, s} {
		go func() {
			var err error
			for err == nil {
				_, err = c.events()
			}
			said <- err
		}()
	}
	eventually(t, "both are connected", func() error {
		var st api.Stats
		if r.get("/api/stats", &st); st.Agents != 1 || st.DashboardClients != 1 {
			return fmt.Errorf("%d agents, %d browsers", st.Agents, st.DashboardClients)
		}
		return nil
	})
	r.stop()
	for range 2 {
		if err := <-said; !errors.Is(err, ws.ErrClosed) || !strings.Contains(err.Error(), "1001") {
			t.Errorf("goodbye = %v, want 1001", err)
		}
	}
}

func TestReconnectWithinTheGraceIsSilent(t *testing.T) {
	cfg := quick(t.TempDir())
	cfg.Presence.Grace = 5 * time.Second
	r := start(t, cfg)
	b := r.dial("/ws")
	s := r.agent()
	s.ack(batch("b1", wire.NewMetrics("", shop, sampleAt(time.Now(), 1), nil)), "b1")
	s.close()
	s = r.agent()
	s.ack(batch("b2", wire.NewMetrics("", shop, sampleAt(time.Now().Add(time.Second), 2), nil)), "b2")
	seen := 0
	b.until("the second reading", func(e event) bool {
		if e.Type == wire.TypeServiceUpdate && e.Status != wire.Connected {
			t.Errorf("status %s of %s, want no word", e.Status, e.Instance)
		}
		if e.Type == wire.TypeMetricsUpdate {
			seen = int(e.Sample.Or(memwatch.LiveHeapBytes, 0))
		}
		return seen == 2
	})
}

func TestServiceThatGoesAndComesBack(t *testing.T) {
	r := start(t, quick(t.TempDir()))
	b := r.dial("/ws")
	s := r.agent()
	s.ack(batch("b1", wire.NewMetrics("", shop, sampleAt(time.Now(), 1), nil)), "b1")
	b.until("connected", func(e event) bool { return e.Status == wire.Connected && e.Instance == "shop-1" })
	s.close()
	b.until("disconnected", func(e event) bool { return e.Status == wire.Disconnected && e.Instance == "shop-1" })
	b.until("the alert", func(e event) bool { return e.Type == wire.TypeLeakAlert && e.Alert.Type == memwatch.AlertDisconnect })
	s = r.agent()
	s.ack(batch("b2", wire.NewMetrics("", shop, sampleAt(time.Now().Add(time.Second), 1), nil)), "b2")
	b.until("its end", func(e event) bool {
		return e.Type == wire.TypeAlertUpdate && e.Alert.Type == memwatch.AlertDisconnect && e.Alert.State == memwatch.AlertResolved
	})
}

func TestTargetThatCannotBeReadIsUnreachable(t *testing.T) {
	r := start(t, quick(t.TempDir()))
	s := r.agent()
	s.ack(batch("b1", wire.NewMetrics("", shop, sampleAt(time.Now(), 1), nil)), "b1")
	s.ack(batch("b2", &wire.Metrics{
		Type: wire.TypeMetrics, V: 1, Service: shop.Service, Instance: shop.Instance, Timestamp: memwatch.Milli(time.Now().Add(time.Second)),
		ScrapeError: &wire.ScrapeError{Endpoint: "http://127.0.0.1:1/", Reason: "refused", Message: "connection refused"},
	}), "b2")
	var one api.Service
	r.get("/api/services/shop", &one)
	if one.Status != wire.Unreachable || one.Instances[0].Reason != "connection refused" || one.Instances[0].Sample == nil {
		t.Errorf("service = %+v, want it unreachable with the reason and its last sample", one)
	}
}

func TestARestartedHubKeepsTheAlertOfATargetThatCannotBeRead(t *testing.T) {
	dir := t.TempDir()
	refused := func(at time.Time) *wire.Metrics {
		return &wire.Metrics{
			Type: wire.TypeMetrics, V: 1, Service: shop.Service, Instance: shop.Instance, Timestamp: memwatch.Milli(at),
			ScrapeError: &wire.ScrapeError{Endpoint: "/debug/vars", Reason: "refused", Message: "connection refused"},
		}
	}
	disconnects := func(r *running) []memwatch.Alert {
		return slices.DeleteFunc(r.alerts("service=shop"), func(a memwatch.Alert) bool { return a.Type != memwatch.AlertDisconnect })
	}
	r := start(t, quick(dir))
	s := r.agent()
	s.ack(batch("b1", refused(time.Now())), "b1")
	eventually(t, "the alert", func() error {
		if len(disconnects(r)) == 0 {
			return errNotYet
		}
		return nil
	})
	before := disconnects(r)
	r.stop()

	r = start(t, quick(dir))
	b := r.dial("/ws")
	s = r.agent()
	s.ack(batch("b2", refused(time.Now().Add(time.Second))), "b2")
	b.until("unreachable", func(e event) bool { return e.Status == wire.Unreachable })
	if now := disconnects(r); len(now) != 1 || now[0].ID != before[0].ID || now[0].State != memwatch.AlertFiring {
		t.Errorf("after the restart: %+v, want %s still firing", now, before[0].ID)
	}
	s.ack(batch("b3", wire.NewMetrics("", shop, sampleAt(time.Now().Add(2*time.Second), 1), nil)), "b3")
	eventually(t, "its end", func() error {
		if now := disconnects(r); len(now) != 1 || now[0].State != memwatch.AlertResolved {
			return errNotYet
		}
		return nil
	})
}
