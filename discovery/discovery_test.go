package discovery

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func newFinder(cfg Config, log *bytes.Buffer) *finder {
	return &finder{
		cfg: cfg, dns: system{}, log: slog.New(slog.NewTextHandler(log, nil)),
		known: map[string][]Target{}, failing: map[string]bool{},
	}
}

func urls(targets []Target) string {
	var out []string
	for _, t := range targets {
		out = append(out, t.URL)
	}
	return strings.Join(out, " ")
}

func TestTargetFilesOfPrometheusAreRead(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "a.json"), `[{"targets":["10.0.0.2:6060","10.0.0.1:6060"],"labels":{"service":"shop","__meta_x":"y"}}]`)
	write(t, filepath.Join(dir, "b.yaml"), "- targets: [https://pay:1/debug, 10.0.0.1:6060]\n")
	write(t, filepath.Join(dir, "c.yaml"), "[]")
	cfg := DefaultConfig()
	cfg.Files, cfg.Path = []string{filepath.Join(dir, "*.json"), filepath.Join(dir, "*.yaml")}, "/app"
	got := newFinder(cfg, new(bytes.Buffer)).look(t.Context())
	if want := "http://10.0.0.1:6060/app http://10.0.0.2:6060/app https://pay:1/debug"; urls(got) != want {
		t.Fatalf("found %s, want %s", urls(got), want)
	}
	if l := got[0].Labels; l["service"] != "shop" || len(l) != 1 {
		t.Errorf("labels %v, want service alone, of the first file that has the target", l)
	}
}

func TestABrokenFileLeavesItsTargetsAndSaysSoOnce(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "a.yaml")
	cfg := DefaultConfig()
	cfg.Files = []string{file}
	var log bytes.Buffer
	f := newFinder(cfg, &log)
	write(t, file, "- targets: [a:1]\n")
	f.look(t.Context())
	for _, broken := range []string{"- targts: [b:1]\n", "", "{", "- targets: ['']\n", strings.Repeat("#", maxFileBytes+1)} {
		write(t, file, broken)
		if got := urls(f.look(t.Context())); got != "http://a:1" {
			t.Errorf("%.20q: found %s, want what was there before", broken, got)
		}
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if got := urls(f.look(t.Context())); got != "http://a:1" {
		t.Errorf("the file is gone: found %s, want what was there before", got)
	}
	if n := strings.Count(log.String(), "those known before stay"); n != 1 || !strings.Contains(log.String(), "field targts not found") {
		t.Errorf("said %d times:\n%s", n, log.String())
	}
	write(t, file, "- targets: [b:1]\n")
	if got := urls(f.look(t.Context())); got != "http://b:1" || !strings.Contains(log.String(), "found again") {
		t.Errorf("found %s\n%s", got, log.String())
	}
}

func TestAFileOfAPatternThatGoesTakesItsTargetsAlong(t *testing.T) {
	dir := t.TempDir()
	cfg := DefaultConfig()
	cfg.Files = []string{filepath.Join(dir, "*.yaml")}
	f := newFinder(cfg, new(bytes.Buffer))
	write(t, filepath.Join(dir, "a.yaml"), "- targets: [a:1]\n")
	write(t, filepath.Join(dir, "b.yaml"), "- targets: [b:1]\n")
	f.look(t.Context())
	if err := os.Remove(filepath.Join(dir, "a.yaml")); err != nil {
		t.Fatal(err)
	}
	if got := urls(f.look(t.Context())); got != "http://b:1" {
		t.Errorf("found %s, want b alone", got)
	}
}

func TestANamedFileThatIsGoneIsAFailureBesideAPatternToo(t *testing.T) {
	dir := t.TempDir()
	cfg := DefaultConfig()
	cfg.Files = []string{filepath.Join(dir, "named.yaml"), filepath.Join(dir, "more", "*.yaml")}
	var log bytes.Buffer
	f := newFinder(cfg, &log)
	write(t, cfg.Files[0], "- targets: [a:1]\n")
	f.look(t.Context())
	if err := os.Remove(cfg.Files[0]); err != nil {
		t.Fatal(err)
	}
	if got := urls(f.look(t.Context())); got != "http://a:1" || !strings.Contains(log.String(), "those known before stay") {
		t.Errorf("found %s, want a as before\n%s", got, log.String())
	}
}

func TestAFolderThatCannotBeListedChangesNothing(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "targets")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	cfg := DefaultConfig()
	cfg.Files = []string{filepath.Join(dir, "*.yaml")}
	var log bytes.Buffer
	f := newFinder(cfg, &log)
	write(t, filepath.Join(dir, "a.yaml"), "- targets: [a:1]\n")
	f.look(t.Context())
	if err := os.Rename(dir, dir+".away"); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(dir, dir); err != nil { // to itself: it is there and cannot be opened
		t.Fatal(err)
	}
	for range 2 {
		if got := urls(f.look(t.Context())); got != "http://a:1" || !strings.Contains(log.String(), "those known before stay") {
			t.Errorf("found %s, want a as before\n%s", got, log.String())
		}
	}
}

func TestTargetsBeyondTheMostAreCutAndThatIsSaid(t *testing.T) {
	cfg := DefaultConfig()
	cfg.Files = []string{filepath.Join(t.TempDir(), "a.yaml")}
	var log bytes.Buffer
	f := newFinder(cfg, &log)
	targets := make([]string, MaxTargets+1)
	for i := range targets {
		targets[i] = fmt.Sprintf("a:%d", i+1)
	}
	write(t, cfg.Files[0], "- targets: ["+strings.Join(targets, ", ")+"]\n")
	for range 2 {
		if n := len(f.look(t.Context())); n != MaxTargets {
			t.Errorf("%d are found", n)
		}
	}
	if n := strings.Count(log.String(), "the rest is not watched"); n != 1 {
		t.Errorf("said %d times, want once:\n%s", n, log.String())
	}
}

// zone is a name server.
type zone struct {
	services map[string][]*net.SRV
	hosts    map[string][]string
	err      error
}

func (z *zone) srv(_ context.Context, name string) ([]*net.SRV, error) {
	if z.err != nil || z.services[name] == nil {
		return nil, z.fail(name)
	}
	return z.services[name], nil
}

func (z *zone) addresses(_ context.Context, name string) ([]string, error) {
	if z.err != nil || z.hosts[name] == nil {
		return nil, z.fail(name)
	}
	return append([]string(nil), z.hosts[name]...), nil
}

func (z *zone) fail(name string) error {
	if z.err != nil {
		return z.err
	}
	return &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
}

func TestNamesAreResolvedAndAServerThatIsAwayChangesNothing(t *testing.T) {
	z := &zone{
		services: map[string][]*net.SRV{"_pprof._tcp.shop": {{Target: "shop-1.", Port: 7000}, {Target: "shop-0.", Port: 7001}}},
		hosts:    map[string][]string{"pay": {"10.0.0.9", "fd00::1"}},
	}
	cfg := DefaultConfig()
	cfg.DNS, cfg.Port, cfg.Scheme = []string{"_pprof._tcp.shop", "pay"}, 8080, "https"
	var log bytes.Buffer
	f := newFinder(cfg, &log)
	f.dns = z
	const all = "https://10.0.0.9:8080 https://[fd00::1]:8080 https://shop-0:7001 https://shop-1:7000"
	if got := urls(f.look(t.Context())); got != all {
		t.Errorf("found %s, want %s", got, all)
	}
	z.err = errors.New("server misbehaving")
	if got := urls(f.look(t.Context())); got != all || !strings.Contains(log.String(), "resolve pay: server misbehaving") {
		t.Errorf("the server is away: found %s\n%s", got, log.String())
	}
	z.err = nil
	delete(z.hosts, "pay")
	if got := urls(f.look(t.Context())); got != "https://shop-0:7001 https://shop-1:7000" {
		t.Errorf("a name is gone: found %s", got)
	}
}

func TestChangesAloneAreTold(t *testing.T) {
	file := filepath.Join(t.TempDir(), "a.yaml")
	write(t, file, "- targets: [a:1]\n")
	synctest.Test(t, func(t *testing.T) {
		cfg := DefaultConfig()
		cfg.Files = []string{file}
		ctx, cancel := context.WithCancel(t.Context())
		var told []string
		done := make(chan struct{})
		go func() {
			defer close(done)
			Run(ctx, cfg, func(found []Target) { told = append(told, urls(found)) }, slog.New(slog.DiscardHandler))
		}()
		time.Sleep(5*cfg.Every + time.Second) // of a clock that jumps; not at a tick
		write(t, file, "- targets: [a:1, b:1]\n")
		time.Sleep(5 * cfg.Every)
		write(t, file, "- targets: [a:1, b:1]\n  labels: {team: pay}\n")
		time.Sleep(5 * cfg.Every)
		cancel()
		<-done
		if got, want := strings.Join(told, ", "), "http://a:1, http://a:1 http://b:1, http://a:1 http://b:1"; got != want {
			t.Errorf("told %s, want %s", got, want)
		}
	})
}

func TestABadDiscoveryNamesTheField(t *testing.T) {
	for want, change := range map[string]func(*Config){
		"files and dns are both empty":     func(*Config) {},
		`files has "[": want a file`:       func(c *Config) { c.Files = []string{"["} },
		`dns has "http://x": want a name`:  func(c *Config) { c.DNS = []string{"http://x"} },
		"port is 0: want 1 to 65535":       func(c *Config) { c.DNS, c.Port = []string{"x"}, 0 },
		`scheme is "ftp": want http`:       func(c *Config) { c.DNS, c.Scheme = []string{"x"}, "ftp" },
		`path is "x": want one that begin`: func(c *Config) { c.DNS, c.Path = []string{"x"}, "x" },
		"every is 1ms: want 1s to 1h":      func(c *Config) { c.DNS, c.Every = []string{"x"}, time.Millisecond },
	} {
		cfg := DefaultConfig()
		change(&cfg)
		if err := cfg.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

func FuzzTargetFile(f *testing.F) {
	f.Add([]byte(`[{"targets":["a:1"],"labels":{"service":"x"}}]`))
	f.Add([]byte("- targets: [a:1]\n  labels: {a: b}\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		targets, err := newFinder(DefaultConfig(), new(bytes.Buffer)).parse(text)
		for _, target := range targets {
			if err != nil || target.URL == "" {
				t.Errorf("%+v with %v", target, err)
			}
		}
	})
}
