package assistant

import (
	"encoding/pem"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/zupee/memwatch/hub/api"
)

func TestAHubThatCannotBeAskedIsRefusedAtOnce(t *testing.T) {
	dir := t.TempDir()
	empty, secret := filepath.Join(dir, "empty"), filepath.Join(dir, "secret")
	for file, text := range map[string]string{empty: "\n", secret: "memwatch_x_y\n"} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		cfg  Config
		says string
	}{
		{Config{Hub: "hub:4000"}, "want an address such as https://hub.example.com"},
		{Config{Hub: "ws://hub:4000"}, "want an address"},
		{Config{Hub: "https://me:secret@hub"}, "put a token in a file"},
		{Config{Hub: "http://hub:4000", TokenFile: secret}, "want https"},
		{Config{Hub: "https://hub", TokenFile: empty}, "empty: want what memwatch-hub token create --role viewer printed"},
		{Config{Hub: "https://hub", TokenFile: filepath.Join(dir, "none")}, "--token-file: open"},
		{Config{Hub: "https://hub", CAFile: secret}, "no certificate in it"},
		{Config{Hub: "https://hub", CAFile: filepath.Join(dir, "none")}, "--ca-file: open"},
	} {
		_, err := New(c.cfg, "test")
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%+v: %v; want %q", c.cfg, err, c.says)
		}
		if err != nil && strings.Contains(err.Error(), "me:secret") {
			t.Errorf("a secret is told: %v", err)
		}
	}
	for _, good := range []Config{{Hub: "http://localhost:4000/", TokenFile: secret}, {Hub: "https://hub/under/a/path", TokenFile: secret}, {Hub: "http://[::1]:4000", TokenFile: secret}} {
		if _, err := New(good, "test"); err != nil {
			t.Errorf("%+v: %v", good, err)
		}
	}
}

func TestWhatIsNoHubIsSaidToBeNone(t *testing.T) {
	for body, status := range map[string]int{"<html>": http.StatusOK, "nothing here": http.StatusNotFound, `{"error":"no"}`: http.StatusBadGateway} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(status)
			_, _ = w.Write([]byte(body))
		}))
		c, err := newClient(Config{Hub: s.URL})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := get[api.Alerts](t.Context(), c, nil, "alerts"); err == nil || !strings.Contains(err.Error(), "is --hub its address?") {
			t.Errorf("%q: %v", body, err)
		}
		s.Close()
	}
}

func TestAHubsOwnAuthorityIsTrustedWhenItIsNamed(t *testing.T) {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/under/api/alerts" || r.URL.RawQuery != "limit=1" {
			http.NotFound(w, r)
			return
		}
		_, _ = w.Write([]byte(`{"alerts":[],"total":7}`))
	}))
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // one client refuses the certificate
	s.StartTLS()
	defer s.Close()
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	for ca, says := range map[string]string{"": "--ca-file", file: ""} {
		c, err := newClient(Config{Hub: s.URL + "/under/", CAFile: ca})
		if err != nil {
			t.Fatal(err)
		}
		got, err := get[api.Alerts](t.Context(), c, url.Values{"limit": {"1"}}, "alerts")
		c.http.CloseIdleConnections()
		if says == "" && (err != nil || got.Total != 7) {
			t.Errorf("with its authority named: %+v, %v", got, err)
		}
		if says != "" && (err == nil || !strings.Contains(err.Error(), says)) {
			t.Errorf("without: %v; want %q", err, says)
		}
	}
}

func TestEveryToolOnlyReadsAndHasSchemas(t *testing.T) {
	s, err := New(Config{Hub: "http://127.0.0.1:1"}, "test")
	if err != nil {
		t.Fatal(err)
	}
	here, there := mcp.NewInMemoryTransports()
	serving, err := s.Connect(t.Context(), there, nil)
	if err != nil {
		t.Fatal(err)
	}
	client, err := mcp.NewClient(&mcp.Implementation{Name: "test", Version: "1"}, nil).Connect(t.Context(), here, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer serving.Wait()
	defer client.Close()
	got, err := client.ListTools(t.Context(), nil)
	if err != nil || len(got.Tools) != 8 {
		t.Fatalf("%d tools: %v", len(got.Tools), err)
	}
	for _, tool := range got.Tools {
		if !tool.Annotations.ReadOnlyHint || tool.InputSchema == nil || tool.OutputSchema == nil || tool.Description == "" {
			t.Errorf("%s: %+v", tool.Name, tool)
		}
	}
}

// serve calls walk twice, once through walk itself.
func TestAFunctionThatCallsItselfCountsOnce(t *testing.T) {
	root := &api.Node{Function: "root", Value: 10, Base: 2, Children: []*api.Node{
		{Function: "serve", Value: 10, Base: 2, Children: []*api.Node{
			{Function: "walk", Value: 9, Base: 2, Children: []*api.Node{{Function: "walk", Value: 4}, {Function: "leaf", Value: 3, Base: 2}}},
		}},
	}}
	want := map[string]functionRow{
		"serve": {Function: "serve", Flat: 1, Cum: 8}, "walk": {Function: "walk", Flat: 6, Cum: 7}, "leaf": {Function: "leaf", Flat: 1, Cum: 1},
	}
	rows := tally(root, func(n *api.Node) int64 { return n.Value - n.Base })
	if len(rows) != len(want) {
		t.Fatalf("%+v", rows)
	}
	for _, r := range rows {
		if r != want[r.Function] {
			t.Errorf("%+v, want %+v", r, want[r.Function])
		}
	}
}
