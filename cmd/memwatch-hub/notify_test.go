package main

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/zupee/memwatch/internal/schematest"
)

func TestNotifyTestSaysWhatBecameOfEachChannel(t *testing.T) {
	got := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if got++; r.URL.Path == "/bad" {
			w.WriteHeader(http.StatusForbidden)
		}
	}))
	defer server.Close()
	file := filepath.Join(t.TempDir(), "hub.yaml")
	config := "notify:\n  channels:\n    - {name: good, type: webhook, url: " + server.URL + "}\n    - {name: bad, type: webhook, url: " + server.URL + "/bad}\n"
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		args   []string
		status int
		out    string
		says   string
	}{
		{[]string{"--config", file, "good"}, exitOK, "good: sent\n", ""},
		{[]string{"--config", file}, exitFailed, "good: sent\nbad: FAILED: ", "1 of 2 channels failed"},
		{[]string{"--config", file, "godo"}, exitFailed, "", `channel "godo" is not in the configuration: want good, bad`},
		{nil, exitFailed, "", "notify.channels: there are none"},
		{[]string{"--config", "testdata/unknown-listed.yaml"}, exitUsage, "", "unknown key"},
	} {
		var stdout, stderr bytes.Buffer
		status := run(t.Context(), append([]string{"notify", "test"}, tc.args...), &stdout, &stderr)
		if status != tc.status || !strings.HasPrefix(stdout.String(), tc.out) || !strings.Contains(stderr.String(), tc.says) {
			t.Errorf("%v: exit %d, %q, %q", tc.args, status, stdout.String(), stderr.String())
		}
	}
	var stdout, stderr bytes.Buffer
	if status := run(t.Context(), []string{"notify", "test", "--config", file, "--output", "json"}, &stdout, &stderr); status != exitFailed {
		t.Errorf("exit %d: %s", status, stderr.String())
	}
	schematest.Fits(t, "hub-notify.schema.json", stdout.Bytes())
	if got != 5 {
		t.Errorf("%d requests, want 5", got)
	}
}
