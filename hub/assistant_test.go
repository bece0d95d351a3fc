package hub

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/zupee/memwatch"
	"github.com/zupee/memwatch/assistant"
	"github.com/zupee/memwatch/hub/auth"
	"github.com/zupee/memwatch/wire"
)

// session is an assistant's, over the protocol.
type session struct {
	t *testing.T
	*mcp.ClientSession
}

func (r *running) assistant(cfg assistant.Config) *session {
	r.t.Helper()
	cfg.Hub = "http://" + r.addr
	server, err := assistant.New(cfg, "test")
	if err != nil {
		r.t.Fatal(err)
	}
	here, there := mcp.NewInMemoryTransports()
	serving, err := server.Connect(r.t.Context(), there, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	client, err := mcp.NewClient(&mcp.Implementation{Name: "test", Version: "1"}, nil).Connect(r.t.Context(), here, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() {
		client.Close()
		serving.Wait()
	})
	return &session{r.t, client}
}

// call returns the words of an answer, and reads its structured content.
func (s *session) call(tool string, args map[string]any, into any) string {
	s.t.Helper()
	res, err := s.CallTool(s.t.Context(), &mcp.CallToolParams{Name: tool, Arguments: args})
	if err != nil {
		s.t.Fatalf("%s: %v", tool, err)
	}
	words := res.Content[0].(*mcp.TextContent).Text
	if res.IsError != (into == nil) {
		s.t.Fatalf("%s: error %t: %s", tool, res.IsError, words)
	}
	if into != nil {
		b, err := json.Marshal(res.StructuredContent)
		if err == nil {
			err = json.Unmarshal(b, into)
		}
		if err != nil {
			s.t.Fatalf("%s: %v", tool, err)
		}
	}
	return words
}

// leakOfShop is what an agent sends of a leak: readings, a verdict, both profiles.
func leakOfShop(r *running) {
	before, after := heapProfile(r.t, 5_000), heapProfile(r.t, 9_000_000)
	base, leak := captureOf("c1-base", memwatch.RoleBaseline, before, ""), captureOf("c2-leak", memwatch.RoleLeaking, after, "c1-base")
	v := leaking()
	v.Culprits[0].Stack = []memwatch.Frame{{Function: "main.(*Cart).Add", File: "main.go", Line: 20}, {Function: "main.serve", File: "main.go", Line: 10}}
	v.Gates = []memwatch.Gate{{Name: "trend", Need: ">= 3.5", Passed: true, Detail: "live heap rises"}}
	a := r.agent()
	a.ack(wire.Registration{Type: wire.TypeRegistration, V: 1, ID: "r", Service: shop.Service, Instance: shop.Instance}, "r")
	for _, c := range []*memwatch.Capture{base, leak} {
		id := "s-" + c.ID
		a.send(snapshotOf(id, c))
		a.answer()
		data := before
		if c == leak {
			data = after
		}
		a.sendChunk(id, 0, data)
		a.answer()
	}
	a.ack(batch("b1", wire.NewMetrics("", shop, sampleAt(time.Now().Add(-time.Minute), 40<<20), healthy())), "b1")
	a.ack(batch("b2", wire.NewMetrics("", shop, sampleAt(time.Now(), 100<<20), v)), "b2")
}

func TestAnAssistantWalksFromTheFleetToTheCulprit(t *testing.T) {
	r := start(t, quick(t.TempDir()))
	s := r.assistant(assistant.Config{})
	var fleet struct {
		Total    int
		Services []struct{ Name, State, Culprit string }
	}
	if words := s.call("list_services", nil, &fleet); fleet.Total != 0 || !strings.Contains(words, "No agent has sent anything") {
		t.Errorf("an empty hub: %+v, %s", fleet, words)
	}
	leakOfShop(r)
	words := s.call("list_services", map[string]any{"state": "leaking"}, &fleet)
	if len(fleet.Services) != 1 || fleet.Services[0].Culprit != "main.(*Cart).Add" || !strings.Contains(words, "1 leaking") {
		t.Fatalf("fleet %+v: %s", fleet, words)
	}
	name := fleet.Services[0].Name
	var service struct {
		Gates   []struct{ Name string }
		Members []struct{ LiveHeapBytes float64 }
		Alerts  []struct{ ID, Severity, FiredAt string }
	}
	words = s.call("get_service", map[string]any{"service": name}, &service)
	if len(service.Alerts) != 1 || len(service.Gates) != 1 || len(service.Members) != 1 || service.Members[0].LiveHeapBytes != 100<<20 ||
		!strings.Contains(words, "trend: passed: live heap rises") || !strings.Contains(words, "live heap 100 MiB") {
		t.Fatalf("service %+v: %s", service, words)
	}
	var found struct {
		Culprits []struct {
			Function string
			Stack    []struct {
				Function string
				Line     int
			}
		}
	}
	words = s.call("culprit_stacks", map[string]any{"service": name}, &found)
	if len(found.Culprits) != 1 || len(found.Culprits[0].Stack) != 2 || found.Culprits[0].Stack[0].Line != 20 || !strings.Contains(words, "main.serve main.go:10") {
		t.Fatalf("culprits %+v: %s", found, words)
	}
	var story struct {
		Culprit  string
		State    string
		Log      []struct{ Action string }
		Profiles []struct{ ID, Base, Role string }
	}
	words = s.call("get_alert", map[string]any{"alert": service.Alerts[0].ID}, &story)
	if story.Culprit != "main.(*Cart).Add" || story.State != "firing" || len(story.Log) == 0 || story.Log[0].Action != "fire" || len(story.Profiles) != 2 ||
		!strings.Contains(words, `profile_diff with profile "c2-leak"`) {
		t.Fatalf("story %+v: %s", story, words)
	}
	var grown struct {
		Base      string
		Total     int64
		BaseTotal int64
		Functions []struct {
			Function  string
			Flat, Cum int64
		}
	}
	words = s.call("profile_diff", map[string]any{"profile": "c2-leak"}, &grown)
	if f := grown.Functions; grown.Base != "c1-base" || len(f) < 2 || f[0].Function != "main.(*Cart).Add" || f[0].Flat != 8_995_000 ||
		grown.Total-grown.BaseTotal != 8_995_000 || !strings.Contains(words, "main.(*Cart).Add") {
		t.Fatalf("diff %+v: %s", grown, words)
	}
	s.call("profile_top", map[string]any{"profile": "c1-base", "limit": 1}, &grown)
	if f := grown.Functions; len(f) != 1 || f[0].Function != "main.(*Cart).Add" || f[0].Flat != 5_000 {
		t.Errorf("top %+v", grown)
	}
	var list struct {
		Total  int
		Alerts []struct{ ID string }
	}
	if s.call("list_alerts", map[string]any{"type": "leak"}, &list); list.Total != 1 || list.Alerts[0].ID != service.Alerts[0].ID {
		t.Errorf("alerts %+v", list)
	}
	if s.call("list_profiles", map[string]any{"service": "shop", "kind": "heap"}, &list); list.Total != 2 {
		t.Errorf("profiles %+v", list)
	}
}

func TestWhatAnAssistantCannotHaveSaysWhatToDo(t *testing.T) {
	r := start(t, quick(t.TempDir()))
	leakOfShop(r)
	s := r.assistant(assistant.Config{})
	for _, c := range []struct {
		tool string
		args map[string]any
		says string
	}{
		{"get_service", map[string]any{"service": "shpo"}, `there is no service "shpo"; list_services has the names`},
		{"get_service", map[string]any{"service": ""}, "service is empty"},
		{"culprit_stacks", map[string]any{"service": "a/b"}, `there is no service "a/b"`},
		{"get_alert", map[string]any{"alert": "no"}, `there is no alert "no"; list_alerts`},
		{"get_alert", map[string]any{"alert": ""}, "alert is empty"},
		{"profile_top", map[string]any{"profile": "no"}, `there is no profile "no"; list_profiles`},
		{"profile_top", map[string]any{"profile": ""}, "profile is empty"},
		{"profile_top", map[string]any{"profile": "c1-base", "type": "cpu"}, "want one of inuse_objects, inuse_space"},
		{"profile_diff", map[string]any{"profile": "c1-base"}, "say one as base"},
		{"list_services", map[string]any{"state": "sick"}, `state is "sick": want learning, healthy, suspect or leaking`},
		{"list_services", map[string]any{"limit": 1000}, "limit is 1000: want 1 to 200"},
		{"list_alerts", map[string]any{"severity": "awful"}, "want one of info, warning, critical"},
		{"list_alerts", map[string]any{"service": 3}, "service"},
	} {
		if words := s.call(c.tool, c.args, nil); !strings.Contains(words, c.says) {
			t.Errorf("%s %v: %s; want it to say %q", c.tool, c.args, words, c.says)
		}
	}
	r.stop()
	if words := s.call("list_services", nil, nil); !strings.Contains(words, "cannot be reached") || !strings.Contains(words, "--hub") {
		t.Errorf("without a hub: %s", words)
	}
}

func TestAnAssistantNeedsAViewersToken(t *testing.T) {
	cfg := quick(t.TempDir())
	cfg.Auth.Required = true
	r := start(t, cfg)
	db, err := auth.OpenDB(t.Context(), cfg.Data)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	file := filepath.Join(t.TempDir(), "token")
	if words := r.assistant(assistant.Config{}).call("list_services", nil, nil); !strings.Contains(words, "--token-file") {
		t.Errorf("without a token: %s", words)
	}
	for role, says := range map[auth.Role]string{auth.RoleAgent: "must be viewer or operator", auth.RoleViewer: ""} {
		_, secret, err := db.CreateToken(t.Context(), string(role), role, 0)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(secret+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		s := r.assistant(assistant.Config{TokenFile: file})
		var fleet struct{ Total int }
		if says == "" {
			s.call("list_services", nil, &fleet)
		} else if words := s.call("list_services", nil, nil); !strings.Contains(words, says) {
			t.Errorf("%s: %s", role, words)
		}
	}
}
