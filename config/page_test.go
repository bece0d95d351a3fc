package config

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write docs/configure.md anew")

const page = "../docs/configure.md"

// TestTheConfigurationPageIsFresh keeps docs/configure.md what the types and the
// example say; go test ./config -update writes it.
func TestTheConfigurationPageIsFresh(t *testing.T) {
	want := configurationPage(t)
	if *update {
		if err := os.WriteFile(page, want, 0o644); err != nil { //nolint:gosec // a page for all to read
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is not what the configuration is now: run go test ./config -update", page)
	}
}

func configurationPage(t *testing.T) []byte {
	t.Helper()
	var b bytes.Buffer
	b.WriteString(`# Configuration

This page is made from the configuration's types and examples; a test keeps it so. ` + "`memwatchd config check FILE`" + ` says everything
that is wrong with a file, by line; ` + "`config show`" + ` what it comes to; ` + "`config schema`" + ` prints a JSON Schema for editors.

## memwatchd: flags and environment

Flags beat the environment, the environment beats the file.

| key | environment | flag | default | |
|---|---|---|---|---|
`)
	for _, o := range Options() {
		def := "none"
		if o.Default != "" {
			def = "`" + o.Default + "`"
		}
		fmt.Fprintf(&b, "| `%s` | `%s` | `--%s` | %s | %s |\n", o.Key, o.Env, o.Flag, def, o.Help)
	}
	fmt.Fprintf(&b, "\n## memwatchd: every key\n\n```yaml\n%s```\n\n## memwatch-hub\n\nEvery key with its default: [hub.example.yaml](../hub.example.yaml).\n", read(t, example))
	return b.Bytes()
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimRight(string(text), "\n") + "\n"
}

// TestEveryOptionIsInTheExample holds the example's comments against the tags.
func TestEveryOptionIsInTheExample(t *testing.T) {
	text := read(t, example)
	for _, o := range Options() {
		key := o.Key[strings.LastIndex(o.Key, ".")+1:]
		line := regexp.MustCompile(`(?m)^ *` + regexp.QuoteMeta(key) + `:.*$`).FindString(text)
		if !strings.Contains(line, "env "+o.Env) || !strings.Contains(line, "flag --"+o.Flag) {
			t.Errorf("%s: want \"env %s, flag --%s\" beside it, found %q", o.Key, o.Env, o.Flag, line)
		}
	}
}
