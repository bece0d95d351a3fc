package hub

import (
	"net/http"
	"testing"
	"time"

	"github.com/zupee/memwatch"
	"github.com/zupee/memwatch/hub/auth"
	"github.com/zupee/memwatch/internal/ws"
	"github.com/zupee/memwatch/wire"
)

// A token that leaked out of one team's sidecars speaks for no other team.
func TestAnAgentsTokenMayBeHeldToServices(t *testing.T) {
	cfg := quick(t.TempDir())
	cfg.Auth.Required = true
	r := start(t, cfg)
	db, err := auth.OpenDB(t.Context(), cfg.Data)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	agent := func(services ...string) *socket {
		_, secret, err := db.CreateToken(t.Context(), "edge", auth.RoleAgent, 0, services...)
		if err != nil {
			t.Fatal(err)
		}
		conn, _, err := ws.Dial(t.Context(), "ws://"+r.addr+"/ws/agent", ws.DialOptions{
			HTTPClient: r.http, Subprotocols: []string{wire.Subprotocol}, MaxFrameBytes: 8 << 20, Header: http.Header{"Authorization": {"Bearer " + secret}},
		})
		if err != nil {
			t.Fatal(err)
		}
		s := &socket{t, conn}
		t.Cleanup(s.close)
		return s
	}
	registration := func(service string) wire.Registration {
		return wire.Registration{Type: wire.TypeRegistration, V: 1, ID: service, Service: service, Instance: "a"}
	}
	reading := func(service string) *wire.Metrics {
		return wire.NewMetrics("", memwatch.Target{Service: service, Instance: "a"}, sampleAt(time.Now(), 1<<20), nil)
	}

	s := agent("shop", "cart-*")
	s.ack(registration("shop"), "shop")
	s.ack(registration("cart-7"), "cart-7")
	s.ack(batch("b1", reading("shop"), reading("cart-7")), "b1")
	for _, m := range []any{registration("mailer"), batch("b2", reading("shop"), reading("mailer")), snapshotOfService("mailer", heapProfile(t, 1))} {
		s.send(m)
		if err := wantCode(s.answer(), "forbidden", `service: "mailer": this agent's token is held to other services`); err != nil {
			t.Errorf("%T: %v", m, err)
		}
	}
	_, viewer, err := db.CreateToken(t.Context(), "viewer", auth.RoleViewer, 0)
	if err != nil {
		t.Fatal(err)
	}
	for service, want := range map[string]int{"shop": http.StatusOK, "cart-7": http.StatusOK, "mailer": http.StatusNotFound} {
		if resp, body := r.request("GET", "/api/services/"+service, http.Header{"Authorization": {"Bearer " + viewer}}); resp.StatusCode != want {
			t.Errorf("%s: %s: %s; want %d", service, resp.Status, body, want)
		}
	}
	agent().ack(registration("mailer"), "mailer") // one for all services
}

func snapshotOfService(service string, data []byte) wire.Snapshot {
	m := snapshotOf("s1", captureOf("c1", memwatch.RoleLeaking, data, ""))
	m.Service = service
	return m
}
