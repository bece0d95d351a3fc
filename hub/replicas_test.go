package hub

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/zupee/memwatch"
	"github.com/zupee/memwatch/hub/notify"
	"github.com/zupee/memwatch/wire"
)

// ear is a webhook that keeps which events it was told of which alert.
type ear struct {
	mu    sync.Mutex
	heard []string
	bad   bool // answers 503
}

func (e *ear) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Alerts []struct {
			Event string
			Alert memwatch.Alert
		}
	}
	err := json.NewDecoder(r.Body).Decode(&body)
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.bad || err != nil {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	for _, a := range body.Alerts {
		e.heard = append(e.heard, a.Event+" "+a.Alert.Service)
	}
}

func (e *ear) hears(want ...string) func() error {
	return func() error {
		e.mu.Lock()
		defer e.mu.Unlock()
		if !slices.Equal(e.heard, want) {
			return fmt.Errorf("heard %q, want %q", e.heard, want)
		}
		return nil
	}
}

// TestFiftyReplicasAreOneAlertAndOneNotification: one service leaks at one site on
// 50 replicas; the hub is restarted in the midst, and all of it is sent twice.
func TestFiftyReplicasAreOneAlertAndOneNotification(t *testing.T) {
	ear := &ear{}
	hook := httptest.NewServer(ear)
	defer hook.Close()
	cfg := quick(t.TempDir())
	cfg.Notify.Channels = []notify.Channel{{Name: "hook", Type: "webhook", URL: hook.URL, Group: 200 * time.Millisecond}}
	const replicas = 50
	begin := time.Now().Add(-50 * time.Minute)
	message := func(i int, minute int, v *memwatch.Verdict) *wire.Metrics {
		target := memwatch.Target{Service: "shop", Instance: fmt.Sprintf("shop-%02d", i)}
		return wire.NewMetrics("", target, sampleAt(begin.Add(time.Duration(minute)*time.Minute+time.Duration(i)*time.Millisecond), float64(minute)*1e6), v)
	}
	var sent []wire.Batch
	r := start(t, cfg)
	agent := r.agent()
	send := func(b wire.Batch) {
		sent = append(sent, b)
		agent.ack(b, b.ID)
	}
	all := func(id string, minute int, v *memwatch.Verdict) {
		var messages []*wire.Metrics
		for i := range replicas {
			messages = append(messages, message(i, minute, v))
		}
		send(batch(id, messages...))
	}
	again := func() {
		for _, b := range sent {
			agent.ack(b, b.ID)
		}
	}
	alerts := func(state memwatch.AlertState) {
		t.Helper()
		var got struct{ Alerts []memwatch.Alert }
		r.get("/api/alerts?service=shop", &got)
		got.Alerts = slices.DeleteFunc(got.Alerts, func(a memwatch.Alert) bool { return a.Type != memwatch.AlertLeak })
		if len(got.Alerts) != 1 || len(got.Alerts[0].Instances) != replicas || got.Alerts[0].State != state {
			t.Fatalf("%d alerts: %+v", len(got.Alerts), got.Alerts)
		}
	}
	all("healthy", 1, healthy())
	all("leaking", 20, leaking())
	eventually(t, "one notification", ear.hears("fired shop"))
	again()
	alerts(memwatch.AlertFiring)

	r.stop()
	r = start(t, cfg)
	agent = r.agent()
	again()
	alerts(memwatch.AlertFiring)

	all("fixed", 30, healthy())
	all("still fine", 41, healthy()) // eleven minutes later
	eventually(t, "its end", ear.hears("fired shop", "resolved shop"))
	again()
	alerts(memwatch.AlertResolved)
	r.stop()
	r = start(t, cfg)
	agent = r.agent()
	again()
	alerts(memwatch.AlertResolved)
	r.stop() // sends what it had to
	if err := ear.hears("fired shop", "resolved shop")(); err != nil {
		t.Error(err)
	}
}

func TestWhatCouldNotBeToldBeforeARestartIsToldAfterIt(t *testing.T) {
	ear := &ear{bad: true}
	hook := httptest.NewServer(ear)
	defer hook.Close()
	cfg := quick(t.TempDir())
	cfg.Notify.Channels = []notify.Channel{{Name: "hook", Type: "webhook", URL: hook.URL, Group: time.Millisecond}}
	r := start(t, cfg)
	agent := r.agent()
	agent.ack(batch("1", wire.NewMetrics("", shop, sampleAt(time.Now().Add(-time.Minute), 1e6), leaking())), "1")
	delivery := func() (d memwatch.Delivery) {
		var got struct{ Alerts []memwatch.Alert }
		r.get("/api/alerts?service=shop&kind=heap", &got)
		if len(got.Alerts) == 1 && len(got.Alerts[0].Deliveries) == 1 {
			d = got.Alerts[0].Deliveries[0]
		}
		return d
	}
	state := func(want memwatch.DeliveryState) func() error {
		return func() error {
			if d := delivery(); d.State != want || d.Channel != "hook" {
				return fmt.Errorf("delivery %+v, want %s", d, want)
			}
			return nil
		}
	}
	eventually(t, "a try is recorded on the alert", state(memwatch.DeliveryRetrying))
	if d := delivery(); d.NextAt == 0 || d.Reason == "" {
		t.Errorf("%+v", d)
	}
	r.stop()
	ear.mu.Lock()
	ear.bad = false
	ear.mu.Unlock()
	r = start(t, cfg)
	eventually(t, "it is told", ear.hears("fired shop"))
	eventually(t, "that is recorded", state(memwatch.DeliveryDone))
}
