package hub

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/zupee/memwatch"
	"github.com/zupee/memwatch/hub/api"
	"github.com/zupee/memwatch/hub/notify"
	"github.com/zupee/memwatch/hub/relay"
	"github.com/zupee/memwatch/internal/pgtest"
	"github.com/zupee/memwatch/wire"
)

// shared makes configurations of hubs on one database with one data folder.
func shared(t *testing.T) func() Config {
	t.Helper()
	url, dir := pgtest.Database(t), t.TempDir()
	return func() Config {
		cfg := quick(dir)
		cfg.Store = url
		return cfg
	}
}

// together starts so many hubs, and returns when they know each other and one leads.
func together(t *testing.T, n int, cfg func() Config) []*running {
	t.Helper()
	hubs := make([]*running, n)
	for i := range hubs {
		hubs[i] = start(t, cfg())
	}
	for _, r := range hubs {
		eventually(t, "the hubs know each other", func() error {
			if all := r.hubs(); len(all) != n || leaders(all) != 1 {
				return fmt.Errorf("%+v", all)
			}
			return nil
		})
	}
	return hubs
}

func (r *running) hubs() []api.Hub {
	var st api.Stats
	r.get("/api/stats", &st)
	return st.Hubs
}

func leaders(hubs []api.Hub) (n int) {
	for _, h := range hubs {
		if h.Leads {
			n++
		}
	}
	return n
}

func (r *running) leads() bool {
	return slices.ContainsFunc(r.hubs(), func(h api.Hub) bool { return h.This && h.Leads })
}

// split sorts the leader out, as soon as there is one.
func split(t *testing.T, hubs []*running) (leader *running, others []*running) {
	t.Helper()
	eventually(t, "one hub leads", func() error {
		leader, others = nil, nil
		for _, r := range hubs {
			if leader == nil && r.leads() {
				leader = r
			} else {
				others = append(others, r)
			}
		}
		if leader == nil {
			return errNotYet
		}
		return nil
	})
	return leader, others
}

func (r *running) service(name string) (s api.Service) {
	r.t.Helper()
	resp, err := r.http.Get("http://" + r.addr + "/api/services/" + name)
	if err != nil {
		r.t.Fatal(err)
	}
	defer resp.Body.Close()
	_ = json.NewDecoder(resp.Body).Decode(&s) // none when it is not known
	return s
}

func (r *running) shows(want wire.Status) func() error {
	return func() error {
		s := r.service(shop.Service)
		if len(s.Instances) != 1 || s.Instances[0].Status != want {
			return fmt.Errorf("%+v, want it %s", s.Instances, want)
		}
		return nil
	}
}

func (r *running) fires(n int) func() error {
	return func() error {
		list := r.alerts("state=firing&type=leak")
		if len(list) != n {
			return fmt.Errorf("%d leaks fire, want %d: %+v", len(list), n, list)
		}
		return nil
	}
}

func TestAnyHubTakesAnAgentAndEveryHubShowsIt(t *testing.T) {
	hubs := together(t, 3, shared(t))
	leader, others := split(t, hubs)
	var browsers []*socket
	for _, r := range hubs {
		b := r.dial("/ws")
		if hello, err := b.events(); err != nil || hello[0].Type != wire.TypeHello {
			t.Fatalf("%+v, %v", hello, err)
		}
		browsers = append(browsers, b)
	}
	s := others[0].agent()
	s.ack(wire.Registration{Type: wire.TypeRegistration, V: 1, ID: "r", Service: shop.Service, Instance: shop.Instance, Labels: map[string]string{"version": "7"}}, "r")
	s.ack(batch("b1", wire.NewMetrics("", shop, sampleAt(time.Now(), 1e8), leaking())), "b1")
	for i, b := range browsers {
		seen := map[wire.Type]bool{}
		b.until(fmt.Sprintf("reading and alert at hub %d", i), func(e event) bool {
			seen[e.Type] = true
			return seen[wire.TypeMetricsUpdate] && seen[wire.TypeLeakAlert] && seen[wire.TypeServiceUpdate]
		})
	}
	for _, r := range hubs {
		eventually(t, "it is shown", r.shows(wire.Connected))
		eventually(t, "one alert", r.fires(1))
		if s := r.service(shop.Service); s.TotalAlerts != 1 || s.OpenAlerts != 1 || s.Instances[0].Labels["version"] != "7" || s.Verdict == nil {
			t.Errorf("%+v", s)
		}
	}
	// What a person decides at one hub is done by the leader and known at all.
	id := leader.alerts("state=firing&type=leak")[0].ID
	if resp := others[1].decideAt("/api/alerts/"+id+"/acknowledge", `{"why":"on it"}`); resp != http.StatusOK {
		t.Errorf("acknowledge: %d", resp)
	}
	for _, r := range hubs {
		if a := r.alerts("type=leak")[0]; a.Acknowledged == nil || a.Acknowledged.Why != "on it" {
			t.Errorf("%+v", a.Acknowledged)
		}
	}
	if resp := others[0].decideAt("/api/alerts/"+id+"/silence", `{}`); resp != http.StatusBadRequest && resp != http.StatusUnprocessableEntity {
		t.Errorf("a silence without end: %d, want it refused as by a hub alone", resp)
	}
	if resp := others[0].decideAt("/api/alerts/"+id+"/resolve", `{}`); resp != http.StatusOK {
		t.Errorf("resolve: %d", resp)
	}
	if resp := others[1].decideAt("/api/alerts/"+id+"/resolve", `{}`); resp != http.StatusConflict {
		t.Errorf("resolve again: %d, want 409", resp)
	}
	for _, r := range hubs {
		eventually(t, "none fires", r.fires(0))
	}
	// The original agent's messages go the same way.
	old := others[1].dial("/")
	old.sendText(`{"type":"registration","service":"node","timestamp":1767225600000}`)
	old.sendText(fmt.Sprintf(`{"type":"metrics","service":"node","heapUsedMB":80,"rssMB":120,"eventLoopDelayMs":1,"leakDetected":true,"memoryGrowthMB":60,"timestamp":%d}`, time.Now().UnixMilli()))
	old.sendText(fmt.Sprintf(`{"type":"snapshot","service":"node","filename":"heap-1.heapsnapshot","timestamp":%d}`, time.Now().UnixMilli()))
	for _, r := range hubs {
		eventually(t, "its leak and its snapshot", func() error {
			if list := r.alerts("service=node"); len(list) != 2 || r.service("node").Status != wire.Connected {
				return fmt.Errorf("%+v", list)
			}
			return nil
		})
	}
	// A profile given to one hub can be had from another.
	data := heapProfile(t, 5000)
	s.send(snapshotOf("s1", captureOf("c1", memwatch.RoleLeaking, data, "")))
	s.answer()
	s.sendChunk("s1", 0, data)
	browsers[2].until("the profile", func(e event) bool { return e.Type == wire.TypeProfileSaved && e.Profile.ID == "c1" })
	var got []byte
	if hubs[2].get("/api/profiles/c1", &got); !bytes.Equal(got, data) {
		t.Errorf("%d bytes from another hub, want %d", len(got), len(data))
	}
}

func (r *running) decideAt(path, body string) int {
	r.t.Helper()
	resp, err := r.http.Post("http://"+r.addr+path, "application/json", bytes.NewBufferString(body))
	if err != nil {
		r.t.Fatal(err)
	}
	defer resp.Body.Close()
	return resp.StatusCode
}

func TestAnAgentThatMovesToAnotherHubIsNotDisconnected(t *testing.T) {
	hubs := together(t, 3, shared(t))
	leader, others := split(t, hubs)
	now := time.Now()
	s := others[0].agent()
	s.ack(batch("b1", wire.NewMetrics("", shop, sampleAt(now, 1), nil)), "b1")
	eventually(t, "the leader shows it", leader.shows(wire.Connected))
	watching := leader.dial("/ws")
	if _, err := watching.events(); err != nil {
		t.Fatal(err)
	}
	s2 := others[1].agent()
	s2.ack(batch("b2", wire.NewMetrics("", shop, sampleAt(now.Add(time.Second), 2), nil)), "b2")
	s.close()
	// Longer than an agent may be away: a third hub's word of another agent comes after.
	other := memwatch.Target{Service: "other", Instance: "other-1"}
	s3 := leader.agent()
	s3.ack(batch("b3", wire.NewMetrics("", other, sampleAt(now, 1), nil)), "b3")
	s3.close()
	watching.until("the other one is away", func(e event) bool {
		if e.Service == shop.Service && e.Status == wire.Disconnected {
			t.Error("it counts as away")
		}
		return e.Service == other.Service && e.Status == wire.Disconnected
	})
	for _, r := range hubs {
		if err := r.shows(wire.Connected)(); err != nil {
			t.Error(err)
		}
	}
	s2.close()
	for _, r := range hubs {
		eventually(t, "it is away", r.shows(wire.Disconnected))
	}
	eventually(t, "an alert says so", func() error {
		if n := len(leader.alerts("service=shop&type=disconnect&state=firing")); n != 1 {
			return fmt.Errorf("%d alerts", n)
		}
		return nil
	})
}

// An alert is told once, whoever leads: the leader goes after it was told, and after
// another verdict was stored of which it knew nothing.
func TestTheNextLeaderTellsWhatTheLastOneDidNot(t *testing.T) {
	ear := &ear{}
	hook := httptest.NewServer(ear)
	defer hook.Close()
	config := shared(t)
	cfg := func() Config {
		c := config()
		c.Presence.AlertAfter = time.Minute
		c.Notify.Channels = []notify.Channel{{Name: "hook", Type: "webhook", URL: hook.URL, Group: time.Millisecond}}
		return c
	}
	hubs := together(t, 3, cfg)
	leader, others := split(t, hubs)
	now := time.Now()
	s := others[0].agent()
	s.ack(batch("b1", wire.NewMetrics("", shop, sampleAt(now, 1e8), leaking())), "b1")
	eventually(t, "it is told", ear.hears("fired shop"))
	leader.stop()
	cart := memwatch.Target{Service: "cart", Instance: "cart-1"}
	s.ack(batch("b2", wire.NewMetrics("", cart, sampleAt(now, 1e8), leaking())), "b2")
	eventually(t, "what nobody led for is told by the next leader", ear.hears("fired shop", "fired cart"))
	leader, others = split(t, others)
	eventually(t, "both are known", others[0].fires(2))
	if resp := others[0].decideAt("/api/alerts/"+others[0].alerts("service=cart&type=leak")[0].ID+"/acknowledge", `{}`); resp != http.StatusOK {
		t.Errorf("acknowledge with the new leader: %d", resp)
	}
	again := start(t, cfg()) // one that comes back
	eventually(t, "both are known to one that comes", again.fires(2))
	leader.stop()
	b := others[0].agent()
	b.ack(batch("b3", wire.NewMetrics("", shop, sampleAt(now.Add(time.Minute), 1e8), healthy())), "b3")
	b.ack(batch("b4", wire.NewMetrics("", shop, sampleAt(now.Add(12*time.Minute), 1e8), healthy())), "b4")
	eventually(t, "its end is told", ear.hears("fired shop", "fired cart", "resolved shop"))
}

func TestABrowserStartsAnewWhenAnotherHubLeads(t *testing.T) {
	hubs := together(t, 2, shared(t))
	leader, others := split(t, hubs)
	b := others[0].dial("/ws")
	leader.stop()
	var err error
	for err == nil {
		_, err = b.events()
	}
	if err == nil || !bytes.Contains([]byte(err.Error()), []byte("1013")) {
		t.Errorf("%v, want to be told to come again with 1013", err)
	}
	eventually(t, "the other one leads", func() error {
		if !others[0].leads() {
			return errNotYet
		}
		return nil
	})
}

// A browser's state may come from a hub that has not heard yet what its live
// connection is past.
func TestABrowserGetsWhatHappenedJustBeforeItCame(t *testing.T) {
	hubs := together(t, 2, shared(t))
	s := hubs[0].agent()
	s.ack(batch("b1", wire.NewMetrics("", shop, sampleAt(time.Now(), 1e8), leaking())), "b1")
	eventually(t, "it is shown", hubs[1].shows(wire.Connected))
	b := hubs[1].dial("/ws")
	b.until("what came before", func(e event) bool { return e.Type == wire.TypeServiceUpdate && e.Instance == shop.Instance })
}

func TestAHubPassesOverWhatANewerOneSays(t *testing.T) {
	cfg := shared(t)
	hubs := together(t, 2, cfg)
	newer := joined(t, cfg().Store, hubs[0])
	for _, said := range []string{`{"weather":{"sunny":true}}`, `not JSON`, `{"readings":[{"type":"metrics","v":9,"service":"shop","instance":"shop-1","timestamp":` +
		fmt.Sprint(time.Now().UnixMilli()) + `,"sample":{"t":1,"liveHeapBytes":5},"mood":"good"}]}`} {
		if err := <-newer.Send(t.Context(), []byte(said), nil); err != nil {
			t.Fatal(err)
		}
	}
	for _, r := range hubs {
		eventually(t, "what it understands is shown", r.shows(wire.Connected))
	}
}

func TestUsersAndSessionsHoldOnEveryHub(t *testing.T) {
	config := shared(t)
	cfg := func() Config { c := config(); c.Auth.Required = true; return c }
	a, b := start(t, cfg()), start(t, cfg())
	access, err := OpenAccess(t.Context(), cfg())
	if err != nil {
		t.Fatal(err)
	}
	defer access.Close()
	if err := access.AddUser(t.Context(), "ann", "operator", "correct horse battery"); err != nil {
		t.Fatal(err)
	}
	resp, err := a.http.Post("http://"+a.addr+"/api/session", "application/json", bytes.NewBufferString(`{"name":"ann","password":"correct horse battery"}`))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK || len(resp.Cookies()) == 0 {
		t.Fatalf("sign in: %s", resp.Status)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+b.addr+"/api/services", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.AddCookie(resp.Cookies()[0])
	if resp, err = b.http.Do(req); err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Errorf("with the session of another hub: %s", resp.Status)
	}
}

func TestAHubWithProfilesElsewhereDoesNotJoin(t *testing.T) {
	cfg := shared(t)
	start(t, cfg())
	other := cfg()
	other.Data = t.TempDir()
	err := Run(t.Context(), other, quiet())
	if err == nil || !bytes.Contains([]byte(err.Error()), []byte("the hubs of one database must keep their profiles in one place")) {
		t.Errorf("%v", err)
	}
}

func TestAHubThatWasDeafForLongReadsTheStateAnew(t *testing.T) {
	cfg := shared(t)
	r := together(t, 1, cfg)[0]
	deaf, err := open(t.Context(), cfg(), quiet())
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := deaf.close(); err != nil {
			t.Error(err)
		}
	}()
	s := r.agent()
	s.ack(batch("b1", wire.NewMetrics("", shop, sampleAt(time.Now(), 1e8), leaking())), "b1")
	eventually(t, "the alert", r.fires(1))
	eventually(t, "the verdict is stored", func() error {
		known, err := deaf.store.Instances(t.Context())
		if err == nil && (len(known) != 1 || known[0].Verdict == nil) {
			err = errNotYet
		}
		return err
	})
	browser := httptest.NewServer(deaf.feed)
	defer browser.Close()
	b := (&running{t: t, addr: browser.Listener.Addr().String(), http: browser.Client()}).dial("/")
	if _, err := b.events(); err != nil {
		t.Fatal(err)
	}
	deaf.following.heard = time.Now().Add(-relay.Keep) // what it missed is no longer kept
	if err := deaf.round(t.Context(), &deaf.following); err != nil {
		t.Fatal(err)
	}
	if got, ok := deaf.fleet.Service(shop.Service); !ok || got.Instances[0].Sample == nil || got.OpenAlerts != 1 || got.Verdict == nil {
		t.Errorf("%+v", got)
	}
	for err == nil {
		_, err = b.events()
	}
	if !bytes.Contains([]byte(err.Error()), []byte("1013")) {
		t.Errorf("a browser is told %v, want to come again with 1013", err)
	}
}

// While the database is away agents are told to send later, nobody counts as gone,
// and nothing is lost.
func TestWhileTheDatabaseIsAwayNobodyCountsAsGone(t *testing.T) {
	server := pgtest.Start(t)
	url, dir := server.Database(t), t.TempDir()
	cfg := func() Config {
		c := quick(dir)
		c.Store, c.Presence.Silence = url, time.Second
		return c
	}
	r := together(t, 1, cfg)[0]
	s := r.agent()
	now := time.Now()
	s.ack(batch("b1", wire.NewMetrics("", shop, sampleAt(now, 1), nil)), "b1")
	eventually(t, "it is shown", r.shows(wire.Connected))
	if err := server.Kill(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the hub says that it is not ready", func() error {
		resp, err := r.http.Get("http://" + r.addr + "/readyz")
		if err != nil {
			return err
		}
		resp.Body.Close()
		if resp.StatusCode == http.StatusOK {
			return errNotYet
		}
		return nil
	})
	if err := server.Begin(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it leads again", func() error {
		if _, err := pgx.Connect(t.Context(), url); err != nil {
			return err
		}
		s.send(batch("b2", wire.NewMetrics("", shop, sampleAt(now.Add(time.Second), 2), leaking())))
		if a := s.answer(); a.Type != wire.TypeAck {
			return errors.New(a.Message)
		}
		return r.fires(1)()
	})
	if n := len(r.alerts("type=disconnect")); n != 0 {
		t.Errorf("%d alerts that it was away", n)
	}
}
