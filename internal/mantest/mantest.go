// Package mantest makes the man pages of docs/man from the commands, and checks
// that they are fresh. Tests alone import it: the generator is not shipped.
package mantest

import (
	"bytes"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

// Fresh fails unless docs/man has a page for each command of root, as it is now,
// and no other; with update it writes them.
func Fresh(t *testing.T, update bool, root *cobra.Command) {
	t.Helper()
	_, file, _, _ := runtime.Caller(0)
	dir := filepath.Join(filepath.Dir(file), "..", "..", "docs", "man")
	root.InitDefaultCompletionCmd("bash")
	root.DisableAutoGenTag = true
	want := map[string][]byte{}
	pages(t, root, want)
	found, err := filepath.Glob(filepath.Join(dir, root.Name()+"*.1"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range found {
		name := filepath.Base(path)
		if want[name] == nil && (name == root.Name()+".1" || strings.HasPrefix(name, root.Name()+"-")) {
			if !update {
				t.Errorf("docs/man/%s: there is no such command", name)
			} else if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, page := range want {
		path := filepath.Join(dir, name)
		if update {
			if err := os.WriteFile(path, page, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, page) {
			t.Errorf("docs/man/%s is not what the command says: run make generated", name)
		}
	}
}

// pages adds the page of a command, and those of the commands below it.
func pages(t *testing.T, cmd *cobra.Command, into map[string][]byte) {
	t.Helper()
	if !cmd.IsAvailableCommand() || cmd.IsAdditionalHelpTopicCommand() {
		return
	}
	var b bytes.Buffer
	never := time.Unix(0, 0).UTC() // the same page each day
	name := strings.ReplaceAll(cmd.CommandPath(), " ", "-")
	header := &doc.GenManHeader{Title: strings.ToUpper(name), Section: "1", Source: "memwatch", Manual: "memwatch", Date: &never}
	if err := doc.GenMan(cmd, header, &b); err != nil {
		t.Fatal(err)
	}
	into[name+".1"] = bytes.ReplaceAll(b.Bytes(), []byte("Jan 1970"), nil)
	if cmd.Name() == "completion" {
		return // one page for all shells
	}
	for _, c := range cmd.Commands() {
		pages(t, c, into)
	}
}
