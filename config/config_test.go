package config

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"gopkg.in/yaml.v3"
)

func noEnv(string) (string, bool) { return "", false }

const example = "../config.example.yaml"

func TestTheExampleIsTheDefaults(t *testing.T) {
	got, err := Load(example, noEnv, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := Default()
	if !reflect.DeepEqual(plain(got), plain(want)) {
		t.Errorf("%s comes to\n%+v\nwant the defaults\n%+v", example, plain(got), plain(want))
	}
	if got.Log != want.Log {
		t.Errorf("log: %+v, want %+v", got.Log, want.Log)
	}
}

// plain is a configuration in the agent's words, with no difference between
// what is empty and what is not there.
func plain(c Config) any {
	a := c.Agent()
	for i := range a.Targets {
		if len(a.Targets[i].Labels) == 0 {
			a.Targets[i].Labels = nil
		}
		if len(a.Targets[i].Scrape.Headers) == 0 {
			a.Targets[i].Scrape.Headers = nil
		}
	}
	return a
}

func TestTheExampleHasEveryKeyAndSaysWhatItIs(t *testing.T) {
	b, err := os.ReadFile(example)
	if err != nil {
		t.Fatal(err)
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(b, &doc); err != nil {
		t.Fatal(err)
	}
	requireKeys(t, doc.Content[0], reflect.TypeFor[Config](), "")
	for _, o := range Options() {
		for _, word := range []string{o.Env, "--" + o.Flag} {
			if !strings.Contains(string(b), word) {
				t.Errorf("%s does not name %s", example, word)
			}
		}
	}
}

func requireKeys(t *testing.T, n *yaml.Node, typ reflect.Type, path string) {
	t.Helper()
	for _, f := range fieldsOf(typ) {
		i := slices.IndexFunc(n.Content, func(k *yaml.Node) bool { return k.Value == f.key })
		if i < 0 {
			t.Errorf("%s lacks %s", example, join(path, f.key))
			continue
		}
		value := n.Content[i+1]
		switch {
		case f.typ.Kind() == reflect.Struct:
			requireKeys(t, value, f.typ, join(path, f.key))
		case f.typ == reflect.TypeFor[[]Target]():
			requireKeys(t, value.Content[0], f.typ.Elem(), join(path, f.key)+"[0]")
		}
	}
}

// Each bad file has its whole message here.
var bad = map[string]string{
	"unknown-key.yaml": `testdata/unknown-key.yaml:2: chekInterval: unknown key: did you mean "checkInterval"?`,
	"unknown-nested.yaml": `testdata/unknown-nested.yaml:3: spool.size: unknown key: allowed here are dir, maxBytes, maxMemoryBytes, syncEvery, maxRejected
testdata/unknown-nested.yaml:6: targets[0].serivce: unknown key: did you mean "service"?`,
	"twice.yaml":    `testdata/twice.yaml:3: serviceName: the key is there twice, first in line 1: delete one`,
	"duration.yaml": `testdata/duration.yaml:1: checkInterval: found "10 parsecs": want a duration such as 10s or 1m30s, or a number of milliseconds`,
	"bare.yaml":     `testdata/bare.yaml:1: grace: found "10": want a duration such as 10s or 1m30s`,
	"range.yaml":    `testdata/range.yaml:1: checkInterval: found 5ms: want 100ms to 1h`,
	"size.yaml":     `testdata/size.yaml:2: spool.maxBytes: found "lots": want a size such as 50MiB or 1GB`,
	"room.yaml":     `testdata/room.yaml:2: spool.maxBytes: 1000 is not allowed: want 1 MiB or more`,
	"type.yaml":     "testdata/type.yaml:1: leakThresholdMB: found \"much\": want a number\ntestdata/type.yaml:2: enableHeapSnapshots: found \"perhaps\": want true or false\ntestdata/type.yaml:3: targets: found keys with values: want a list\ntestdata/type.yaml:5: log: found \"loud\": want keys with values",
	"null.yaml":     `testdata/null.yaml:1: checkInterval: nothing is there: want a duration such as 10s or 1m30s, or a number of milliseconds, or leave the key out`,
	"level.yaml":    `testdata/level.yaml:2: log.level: found "loud": want debug, info, warn, error`,
	"discovery.yaml": `testdata/discovery.yaml:3: discovery[0].every: is 1ms: want 1s to 1h
testdata/discovery.yaml:4: discovery[1]: url or instance is set: those are found; scheme and path say the rest
testdata/discovery.yaml:7: discovery[2].timeout: is 1ms: want 100ms to 5m`,
	"duplicate.yaml": `testdata/duplicate.yaml:5: targets[1]: service "shop" with instance "shop-1" is targets[0] already: give each its own instance`,
	"url.yaml":       `testdata/url.yaml:3: targets[0].url: found "ftp://shop": the scheme "ftp" is not known; want http://host:port, host:port, :port or unix:///path.sock`,
	"no-url.yaml":    `testdata/no-url.yaml:2: targets[0].url: found "": it is empty; want http://host:port, host:port, :port or unix:///path.sock`,
	"hub.yaml":       `testdata/hub.yaml:1: dashboardUrl: found "localhost:4000": want ws://host:port or wss://host:port, or empty to work without a hub`,
	"endpoint.yaml":  `testdata/endpoint.yaml:5: targets[0].endpoints.heap: is "heap": want a path that begins with /, a whole URL, or off`,
	"syntax.yaml":    `testdata/syntax.yaml: line 2: found character that cannot start any token`,
	"merge.yaml":     `testdata/merge.yaml:2: log: the anchor here holds itself: take the alias out of it`,
	"two.yaml":       `testdata/two.yaml:2: a second document begins here: one file holds one configuration`,
	"list.yaml":      `testdata/list.yaml:1: found a list: want keys with values`,
	"listen.yaml":    `testdata/listen.yaml:1: listen: found "4001": want host:port such as 127.0.0.1:4001, a port from 0 to 65535, or empty for none`,
	"all.yaml": `testdata/all.yaml:2: checkInterval: found "soon": want a duration such as 10s or 1m30s, or a number of milliseconds
testdata/all.yaml:3: leakThresholdMB: found -1: want more than 0, at most 1048576
testdata/all.yaml:4: histrySize: unknown key: did you mean "historySize"?
testdata/all.yaml:5: listen: found "127.0.0.1:99999": want host:port such as 127.0.0.1:4001, a port from 0 to 65535, or empty for none
testdata/all.yaml:7: spool.maxBytes: found "lots": want a size such as 50MiB or 1GB
testdata/all.yaml:9: targets[0]: found "shop": want keys with values
testdata/all.yaml:10: targets[1].url: found "ftp://shop": the scheme "ftp" is not known; want http://host:port, host:port, :port or unix:///path.sock
testdata/all.yaml:11: targets[2].timeout: is 1ms: want 100ms to 5m`,
	"tls.yaml":    `testdata/tls.yaml:2: uplink.certFile: it goes with uplink.keyFile: want both or neither`,
	"secret.yaml": `testdata/secret.yaml:1: dashboardUrl: found "wss://u:xxxxx@hub": a secret in a URL ends in logs: put the token in a file, uplink.tokenFile`,
	"urls.yaml":   `testdata/urls.yaml:2: uplink.urls: "hub:1": want a URL that begins with ws:// or wss://, as ws://localhost:4000`,
	"both.yaml": `testdata/both.yaml:2: targets[0]: username and bearerTokenFile are both set: want one
testdata/both.yaml:4: discovery[0]: files and dns are both empty: want one of them`,
	"name.yaml": `testdata/name.yaml:2: targets[0]: service "shop\nfront": want 1 to 200 characters, none of them control characters`,
}

func TestEachBadFileIsRefusedInItsOwnWords(t *testing.T) {
	files, err := filepath.Glob("testdata/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if len(files) != len(bad) {
		t.Errorf("%d files in testdata, %d in the table", len(files), len(bad))
	}
	for name, want := range bad {
		_, err := Load("testdata/"+name, noEnv, nil)
		if err == nil {
			t.Errorf("%s was taken", name)
		} else if err.Error() != want {
			t.Errorf("%s:\n got %s\nwant %s", name, err, want)
		}
	}
}

func TestFlagsBeatTheEnvironmentAndThatBeatsTheFile(t *testing.T) {
	file := write(t, "checkInterval: 5s\nleakThresholdMB: 7\nserviceName: from-file\n")
	env := func(name string) (string, bool) {
		v, ok := map[string]string{"MEMWATCH_CHECK_INTERVAL": "2500", "MEMWATCH_SERVICE_NAME": "from-env", "MEMWATCH_LOG_LEVEL": "debug"}[name]
		return v, ok
	}
	c, err := Load(file, env, map[string]string{"service-name": "from-flag", "enable-heap-snapshots": "false"})
	if err != nil {
		t.Fatal(err)
	}
	if c.CheckInterval != 2500*time.Millisecond || c.LeakThresholdMB != 7 || c.ServiceName != "from-flag" || c.Log.Level != "debug" || c.EnableHeapSnapshots {
		t.Errorf("got %+v", c)
	}
	if got := c.Agent().Targets[0].Service; got != "from-flag" {
		t.Errorf("the target's service is %q", got)
	}
}

func TestABadVariableOrFlagIsNamed(t *testing.T) {
	env := func(name string) (string, bool) { return "soon", name == "MEMWATCH_CHECK_INTERVAL" }
	_, err := Load("", env, map[string]string{"log-level": "loud"})
	want := `environment MEMWATCH_CHECK_INTERVAL: checkInterval: found "soon": want a duration such as 10s or 1m30s, or a number of milliseconds
flag --log-level: log.level: found "loud": want debug, info, warn, error`
	if err == nil || err.Error() != want {
		t.Errorf("got %v\nwant %s", err, want)
	}
	_, err = Load("", noEnv, map[string]string{"log-level": "loud"})
	want = `flag --log-level: log.level: found "loud": want debug, info, warn, error`
	if err == nil || err.Error() != want {
		t.Errorf("got %v\nwant %s", err, want)
	}
}

func TestEmptyFileIsOneTargetBesideASidecar(t *testing.T) {
	c, err := Load(write(t, "# nothing\n"), noEnv, map[string]string{"service-name": "shop"})
	if err != nil {
		t.Fatal(err)
	}
	a := c.Agent()
	host, _ := os.Hostname()
	if len(a.Targets) != 1 || a.Targets[0].Scrape.URL != "http://localhost:6060" || a.Targets[0].Service != "shop" || a.Targets[0].Instance != host+":6060" {
		t.Errorf("targets %+v", a.Targets)
	}
}

func TestTargetsKeepTheirDefaults(t *testing.T) {
	c, err := Load(write(t, "targets:\n- {service: 8080, url: ':7070', limit: 512MiB, labels: {zone: 1}}\n"), noEnv, nil)
	if err != nil {
		t.Fatal(err)
	}
	got := c.Targets[0]
	if got.Service != "8080" || got.LimitBytes != 512<<20 || got.Timeout != 10*time.Second || got.Labels["zone"] != "1" {
		t.Errorf("got %+v", got)
	}
}

func TestShowIsAFileThatComesToTheSameWithSecretsMasked(t *testing.T) {
	file := write(t, "checkInterval: 1500\nspool: {maxBytes: 3MiB}\ntargets:\n- {service: shop, instance: a, url: ':1', headers: {X-Key: hush}}\n")
	c, err := Load(file, noEnv, nil)
	if err != nil {
		t.Fatal(err)
	}
	b, err := c.Show()
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(b), "hush") {
		t.Errorf("a secret is shown:\n%s", b)
	}
	again, err := Load(write(t, string(b)), noEnv, nil)
	if err != nil {
		t.Fatal(err)
	}
	c.Targets[0].Headers["X-Key"] = mask
	if !reflect.DeepEqual(plain(again), plain(c)) {
		t.Errorf("what is shown comes to\n%+v\nwant\n%+v", plain(again), plain(c))
	}
}

func TestTheSchemaNamesEveryKeyAndNoOther(t *testing.T) {
	b, err := Schema()
	if err != nil {
		t.Fatal(err)
	}
	type node struct {
		Properties map[string]node
		Items      *node
		Additional any `json:"additionalProperties"`
	}
	var root node
	if err := json.Unmarshal(b, &root); err != nil {
		t.Fatal(err)
	}
	var check func(n node, typ reflect.Type, path string)
	check = func(n node, typ reflect.Type, path string) {
		fields := fieldsOf(typ)
		if len(n.Properties) != len(fields) || n.Additional != false {
			t.Errorf("%s: %d properties, want %d and no others (%v)", path, len(n.Properties), len(fields), n.Additional)
		}
		for _, f := range fields {
			p, ok := n.Properties[f.key]
			switch {
			case !ok:
				t.Errorf("%s is missing", join(path, f.key))
			case f.typ.Kind() == reflect.Struct:
				check(p, f.typ, join(path, f.key))
			case f.typ.Kind() == reflect.Slice && f.typ.Elem().Kind() == reflect.Struct:
				check(*p.Items, f.typ.Elem(), join(path, f.key))
			}
		}
	}
	check(root, reflect.TypeFor[Config](), "")
}

func TestSizes(t *testing.T) {
	for in, want := range map[string]int64{"50MiB": 50 << 20, "1.5GB": 15e8, "512Mi": 512 << 20, "10 KiB": 10 << 10, "0": 0, "77": 77, "2B": 2} {
		if got, err := ParseSize(in); err != nil || got != want {
			t.Errorf("ParseSize(%q) = %d, %v; want %d", in, got, err, want)
		}
	}
	for _, in := range []string{"", "MiB", "-1MiB", "1e30GB", "NaN", "Inf", "5 apples", "0x10"} {
		if got, err := ParseSize(in); err == nil {
			t.Errorf("ParseSize(%q) = %d, want an error", in, got)
		}
	}
	for _, n := range []int64{0, 1, 1 << 10, 50 << 20, 3 << 30, 1<<20 + 1} {
		if got, err := ParseSize(FormatSize(n)); err != nil || got != n {
			t.Errorf("%d is written as %s and read as %d, %v", n, FormatSize(n), got, err)
		}
	}
}

func TestAMissingFileIsSaid(t *testing.T) {
	if _, err := Load(filepath.Join(t.TempDir(), "gone.yaml"), noEnv, nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

func FuzzLoad(f *testing.F) {
	files, _ := filepath.Glob("testdata/*.yaml")
	for _, name := range append(files, example) {
		b, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		l := loader{cfg: Default(), shaper: shaper{source: "fuzz", lines: map[string]int{}}}
		l.file(doc)
		if len(l.errs) > 0 {
			return
		}
		if l.validate(); len(l.errs) > 0 {
			return
		}
		b, err := l.cfg.Show()
		if err != nil {
			t.Fatalf("taken, but cannot be shown: %v", err)
		}
		again := loader{cfg: Default(), shaper: shaper{source: "shown", lines: map[string]int{}}}
		if again.file(b); len(again.errs) > 0 {
			t.Fatalf("what is shown is refused: %v\n%s", again.errs, b)
		}
	})
}

func write(t *testing.T, doc string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(file, []byte(doc), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestASidecarHasOneTargetFromItsEnvironment(t *testing.T) {
	env := map[string]string{
		"MEMWATCH_SERVICE_NAME": "shop", "MEMWATCH_TARGET_URL": "http://localhost:9090/debug", "MEMWATCH_TARGET_LIMIT": "268435456",
		"MEMWATCH_LISTEN": ":4001", "MEMWATCH_CHECK_INTERVAL": "5s", "MEMWATCH_LEAK_THRESHOLD": "20",
	}
	lookup := func(k string) (string, bool) { v, ok := env[k]; return v, ok }
	cfg, err := Load("", lookup, nil)
	if err != nil {
		t.Fatal(err)
	}
	targets := cfg.Agent().Targets
	if len(targets) != 1 || targets[0].Service != "shop" || targets[0].Scrape.URL != "http://localhost:9090/debug" || targets[0].Scrape.LimitBytes != 256<<20 {
		t.Errorf("got %+v", targets)
	}
	env["MEMWATCH_TARGET_URL"] = "ftp://shop"
	if _, err := Load("", lookup, nil); err == nil || !strings.Contains(err.Error(), `environment MEMWATCH_TARGET_URL: targetUrl: found "ftp://shop": the scheme "ftp" is not known`) {
		t.Errorf("a bad URL: %v", err)
	}
}

func TestDiscoveryTakesTheKeysOfATarget(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config.yaml")
	text := "serviceName: shop\ndiscovery:\n  - dns: [_pprof._tcp.shop]\n    every: 1m\n    timeout: 3s\n    maxBytes: 2MiB\n    labels: {zone: a}\n    endpoints: {metrics: /m}\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := Load(path, func(string) (string, bool) { return "", false }, nil)
	if err != nil {
		t.Fatal(err)
	}
	env := map[string]string{"MEMWATCH_TARGET_URL": ""} // of no use beside sources
	if _, err := Load(path, func(k string) (string, bool) { v, ok := env[k]; return v, ok }, nil); err != nil {
		t.Error(err)
	}
	a := cfg.Agent()
	if len(a.Targets) != 0 || len(a.Discover) != 1 {
		t.Fatalf("%d targets and %d sources, want the source alone", len(a.Targets), len(a.Discover))
	}
	d := a.Discover[0]
	if d.Find.DNS[0] != "_pprof._tcp.shop" || d.Find.Every != time.Minute || d.Find.Port != 6060 || d.Like.Service != "shop" ||
		d.Like.Labels["zone"] != "a" || d.Like.Scrape.Timeout != 3*time.Second || d.Like.Scrape.MaxBytes != 2<<20 || d.Like.Scrape.Endpoints.Metrics != "/m" {
		t.Errorf("%+v", d)
	}
	if shown, err := cfg.Show(); err != nil || !strings.Contains(string(shown), "_pprof._tcp.shop") {
		t.Errorf("shown: %v\n%s", err, shown)
	}
}
