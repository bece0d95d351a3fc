package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestStoreCommandsSayWhatIsMissing(t *testing.T) {
	dir := t.TempDir()
	for _, tc := range []struct {
		args   []string
		status int
		says   string
	}{
		{[]string{"migrate"}, exitUsage, "--store is missing: want postgres://user@host/database"},
		{[]string{"migrate", "--store", "redis://x"}, exitUsage, `"redis" is not allowed: want postgres://user@host/database`},
		{[]string{"migrate", "--store", "postgres://127.0.0.1:1/x"}, exitFailed, "database cannot be reached"},
		{[]string{"copy", "--from", dir}, exitUsage, "--from or --to is missing"},
		{[]string{"copy", "--from", dir, "--to", "x.db"}, exitUsage, `"x.db" is not allowed`},
		{[]string{"copy", "--from", dir, "--to", "postgres://127.0.0.1:1/x"}, exitFailed, "memwatch.db: no such file or directory: want a hub's data folder"},
		{[]string{"serve", "--store", "redis://x"}, exitUsage, `store: "redis" is not allowed`},
	} {
		var stdout, stderr bytes.Buffer
		if status := run(t.Context(), tc.args, &stdout, &stderr); status != tc.status || !strings.Contains(stderr.String(), tc.says) {
			t.Errorf("%v: exit %d, %q; want %d and %q", tc.args, status, stderr.String(), tc.status, tc.says)
		}
	}
	file := filepath.Join(dir, "hub.yaml")
	if err := os.WriteFile(file, []byte("store: postgres://me@127.0.0.1:1/x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var stdout, stderr bytes.Buffer
	if status := run(t.Context(), []string{"backup", "--config", file, "--to", filepath.Join(dir, "copy")}, &stdout, &stderr); status != exitUsage ||
		!strings.Contains(stderr.String(), "back that database up with pg_dump --format=custom") {
		t.Errorf("backup: exit %d, %q", status, stderr.String())
	}
}
