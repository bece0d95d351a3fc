package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/zupee/memwatch/hub"
)

func TestMain(m *testing.M) {
	if os.Getenv("MEMWATCH_TEST_CHILD") != "" {
		os.Exit(pretend())
	}
	goleak.VerifyTestMain(m)
}

// pretend stands for a service or an agent: it says where it listens, and waits.
func pretend() int {
	fmt.Println("listens on http://127.0.0.1:1234")
	if os.Getenv("MEMWATCH_TEST_CHILD") == "ends" {
		return 3
	}
	var b [1]byte
	_, _ = os.Stdin.Read(b[:])
	return 0
}

func TestExampleConfigurationIsTheDefault(t *testing.T) {
	cfg, err := load(filepath.Join("..", "..", "hub.example.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	want := hub.DefaultConfig()
	want.Hosts, want.Live.Origins = []string{}, []string{}
	want.Auth.OIDC.Operators, want.Auth.OIDC.Viewers = []string{}, []string{}
	want.Auth.Proxy.From, want.Auth.Proxy.Operators = []string{}, []string{}
	if want.Notify.Channels = cfg.Notify.Channels; len(cfg.Notify.Channels) > 0 || !reflect.DeepEqual(cfg, want) {
		t.Errorf("example = %+v\nwant      %+v", cfg, want)
	}
	if err := cfg.Validate(); err != nil {
		t.Error(err)
	}
	b, err := os.ReadFile(filepath.Join("..", "..", "hub.example.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	checkNamed(t, string(b), reflect.TypeFor[hub.Config]())
}

// checkNamed reports the keys of a type that a text does not have.
func checkNamed(t *testing.T, text string, typ reflect.Type) {
	t.Helper()
	for f := range typ.Fields() {
		key := f.Tag.Get("yaml")
		if key == "-" {
			continue
		}
		if !strings.Contains(text, key+":") {
			t.Errorf("the example does not have %s", key)
		}
		inner := f.Type
		if inner.Kind() == reflect.Slice {
			inner = inner.Elem()
		}
		if inner.Kind() == reflect.Struct {
			checkNamed(t, text, inner)
		}
	}
}

func TestBadConfigurationsAreRefusedInWords(t *testing.T) {
	for file, want := range map[string]string{
		"unknown-key.yaml":    "line 2: unknown key lisen: did you mean listen?",
		"unknown-inner.yaml":  "line 3: unknown key live.windw: did you mean live.window?",
		"unknown-listed.yaml": "line 6: unknown key notify.channels[0].minSevrity: did you mean notify.channels[0].minSeverity?",
		"bad-duration.yaml":   "line 2: cannot unmarshal !!str `soon` into time.Duration",
		"no-yaml.yaml":        "yaml:",
		"open.yaml":           `listen: other machines can reach "0.0.0.0:4000", and this hub asks nobody who they are: say --auth`,
		"bad-value.yaml":      "live.maxClients: 0 is not allowed: want 1 to 1000000",
		"no-link.yaml":        `notify.link: missing: ":4000" (listen) is no address that people can reach: want one such as https://`,
		"missing.yaml":        "read configuration: open testdata/missing.yaml",
	} {
		file = filepath.Join("testdata", file)
		for _, args := range [][]string{{"serve", "--config", file}, {"config", "check", file}} {
			var stdout, stderr bytes.Buffer
			if status := run(t.Context(), args, &stdout, &stderr); status != exitUsage || !strings.Contains(stderr.String(), want) {
				t.Errorf("%v: exit %d, %q; want 2 and %q", args, status, stderr.String(), want)
			}
		}
	}
}

func TestMistakesOnTheCommandLine(t *testing.T) {
	for _, args := range [][]string{{"serv"}, {"serve", "--prot", "1"}, {"serve", "extra"}, {"version", "x"}, {"demo", "--for", "long"}, {"serve", "--listen", ":4000"}} {
		var stdout, stderr bytes.Buffer
		if status := run(t.Context(), args, &stdout, &stderr); status != exitUsage || !strings.Contains(stderr.String(), "--help") {
			t.Errorf("%v: exit %d, %q; want 2 and a hint", args, status, stderr.String())
		}
	}
	var stdout, stderr bytes.Buffer
	if status := run(t.Context(), []string{"version"}, &stdout, &stderr); status != exitOK || !strings.HasPrefix(stdout.String(), "memwatch-hub ") {
		t.Errorf("version: exit %d, %q", status, stdout.String())
	}
}

func TestUsersAndTokensByCommand(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "password")
	if err := os.WriteFile(file, []byte("a long password\nrest"), 0o600); err != nil {
		t.Fatal(err)
	}
	var token string
	for _, c := range []struct {
		args   []string
		status int
		says   string
	}{
		{[]string{"user", "add", "ann", "--role", "operator", "--password-file", file}, exitOK, ""},
		{[]string{"user", "add", "ann", "--password-file", file}, exitFailed, `user "ann": exists already`},
		{[]string{"user", "add", "bob", "--role", "king", "--password-file", file}, exitFailed, `role: "king" is not allowed: want viewer or operator`},
		{[]string{"user", "role", "ann", "viewer"}, exitOK, ""},
		{[]string{"user", "password", "ann", "--password-file", file}, exitOK, ""},
		{[]string{"user", "list"}, exitOK, "ann   viewer"},
		{[]string{"user", "remove", "bob"}, exitFailed, `user "bob": not found`},
		{[]string{"user", "remove", "ann"}, exitOK, ""},
		{[]string{"user", "add"}, exitUsage, "--help"},
		{[]string{"token", "create", "edge", "--expires", "24h"}, exitOK, "memwatch_"},
		{[]string{"token", "create", "edge", "--role", "root"}, exitFailed, `role: "root" is not allowed: want agent or viewer or operator`},
		{[]string{"token", "list"}, exitOK, "edge  agent"},
		{[]string{"token", "create", "shop", "--services", "shop,cart-*"}, exitOK, "memwatch_"},
		{[]string{"token", "list"}, exitOK, "shop  agent  shop,cart-*"},
		{[]string{"token", "create", "shop", "--services", "[", "--expires", "1h"}, exitFailed, `services: "[" is not allowed: want a service's name`},
		{[]string{"token", "create", "shop", "--services", "shop", "--role", "viewer"}, exitFailed, "services: a token of the role viewer cannot be held to services: want agent"},
		{[]string{"token", "revoke", "other"}, exitFailed, `token "other": not found`},
		{[]string{"token", "revoke", "edge"}, exitOK, ""},
	} {
		var stdout, stderr bytes.Buffer
		status := run(t.Context(), append(c.args, "--data", dir), &stdout, &stderr)
		said := stdout.String() + stderr.String()
		if status != c.status || !strings.Contains(said, c.says) {
			t.Errorf("%v: exit %d, %q; want %d and %q", c.args, status, said, c.status, c.says)
		}
		if c.args[1] == "create" && status == exitOK {
			token = strings.TrimSpace(stdout.String())
		} else if token != "" && strings.Contains(said, token) {
			t.Errorf("%v shows the token again", c.args)
		}
	}
}

func TestUsersAndTokensOfNoHubAreAMistake(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "not-there")
	for _, args := range [][]string{
		{"user", "list"},
		{"user", "remove", "ann"},
		{"user", "role", "ann", "viewer"},
		{"user", "password", "ann", "--password-file", os.DevNull},
		{"token", "list"},
		{"token", "revoke", "edge"},
	} {
		var stdout, stderr bytes.Buffer
		status := run(t.Context(), append(args, "--data", dir), &stdout, &stderr)
		if status != exitFailed || !strings.Contains(stderr.String(), "no hub has users or tokens in "+dir) {
			t.Errorf("%v: exit %d, %q", args, status, stderr.String())
		}
	}
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the folder was made: %v", err)
	}
	var stdout, stderr bytes.Buffer
	if status := run(t.Context(), []string{"token", "create", "edge", "--data", dir}, &stdout, &stderr); status != exitOK || !strings.Contains(stderr.String(), dir) {
		t.Errorf("exit %d, %q, want the folder named", status, stderr.String())
	}
}

// lockedBuffer may be written and read at the same time.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// waitFor returns the first submatch of the address in what is written.
func (l *lockedBuffer) waitFor(t *testing.T) string {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(20 * time.Second)
	for {
		if m := listensOn.FindString(l.String()); m != "" {
			return m
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("no address in %q", l.String())
		}
	}
}

func TestServeServesThePageUntilItIsTold(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var stdout, stderr lockedBuffer
	ended := make(chan int, 1)
	go func() {
		ended <- run(ctx, []string{"serve", "--listen", "127.0.0.1:0", "--data", t.TempDir()}, &stdout, &stderr)
	}()
	url := stderr.waitFor(t)
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	resp, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK || !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/html") {
		t.Errorf("page: %s, %s", resp.Status, resp.Header.Get("Content-Type"))
	}
	cancel()
	if status := <-ended; status != exitOK {
		t.Errorf("exit %d: %s", status, stderr.String())
	}
}

// beside puts programs where the demo finds them.
func beside(t *testing.T, names ...string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, name := range names {
		if err := os.Symlink(self, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", dir)
}

func TestDemoWithoutItsProgramsSaysWhatToDo(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	var stdout, stderr bytes.Buffer
	status := run(t.Context(), []string{"demo", "--listen", "127.0.0.1:0"}, &stdout, &stderr)
	if status != exitFailed || !strings.Contains(stderr.String(), "make build") {
		t.Errorf("exit %d, %q", status, stderr.String())
	}
}

func TestDemoStartsAndEndsItsChildren(t *testing.T) {
	beside(t, "leaky", "memwatchd")
	t.Setenv("MEMWATCH_TEST_CHILD", "waits")
	data := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var stdout, stderr lockedBuffer
	ended := make(chan int, 1)
	go func() {
		ended <- run(ctx, []string{"demo", "--listen", "127.0.0.1:0", "--data", data}, &stdout, &stderr)
	}()
	stdout.waitFor(t)
	b, err := os.ReadFile(filepath.Join(data, "memwatchd.yaml"))
	if err != nil || !strings.Contains(string(b), "service: catalog") || !strings.Contains(string(b), "url: http://127.0.0.1:1234") {
		t.Errorf("the agent's configuration = %s, %v", b, err)
	}
	if n := len(childrenOf(t)); n != 4 {
		t.Errorf("%d children, want 4", n)
	}
	cancel()
	if status := <-ended; status != exitOK {
		t.Errorf("exit %d: %s", status, stderr.String())
	}
	if left := childrenOf(t); len(left) != 0 {
		t.Errorf("children left: %v", left)
	}
}

func TestDemoEndsWhenAChildDoes(t *testing.T) {
	beside(t, "leaky", "memwatchd")
	t.Setenv("MEMWATCH_TEST_CHILD", "ends")
	var stdout, stderr lockedBuffer
	status := run(t.Context(), []string{"demo", "--listen", "127.0.0.1:0", "--data", t.TempDir()}, &stdout, &stderr)
	if status != exitFailed || !strings.Contains(stderr.String(), "ended") || !strings.Contains(stderr.String(), ".log") {
		t.Errorf("exit %d, %q; want 1, who ended and its log", status, stderr.String())
	}
}

// childrenOf lists this process's children.
func childrenOf(t *testing.T) []string {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("needs /proc")
	}
	tasks, err := filepath.Glob("/proc/self/task/*/children")
	if err != nil {
		t.Fatal(err)
	}
	var pids []string
	for _, task := range tasks {
		b, err := os.ReadFile(task) // a thread may have ended meanwhile
		if err == nil {
			pids = append(pids, strings.Fields(string(b))...)
		}
	}
	return pids
}
