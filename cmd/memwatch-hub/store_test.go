package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
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
		{[]string{"copy"}, exitUsage, "--from or --to is missing"},
		{[]string{"copy", "--blobs-from", dir}, exitUsage, "--blobs-from or --blobs-to is missing"},
		{[]string{"copy", "--blobs-from", dir, "--blobs-to", "s3://key:secret@x"}, exitFailed, "a URL with credentials in it is not allowed"},
		{[]string{"serve", "--blobs", "s3://bucket?x=1"}, exitUsage, `blobs: parameter "x" is not known`},
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

func TestCopyTakesProfilesAlone(t *testing.T) {
	from, to := t.TempDir(), filepath.Join(t.TempDir(), "new")
	content := []byte("any bytes")
	sum := sha256.Sum256(content)
	name := hex.EncodeToString(sum[:])
	if err := os.Mkdir(filepath.Join(from, name[:2]), 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(from, name[:2], name[2:]), content, 0o600); err != nil {
		t.Fatal(err)
	}
	var stdout, stderr bytes.Buffer
	if status := run(t.Context(), []string{"copy", "--blobs-from", from, "--blobs-to", to}, &stdout, &stderr); status != 0 {
		t.Fatalf("exit %d: %s", status, stderr.String())
	}
	if want := to + ": the bytes of 1 profiles (9 bytes)\n"; stdout.String() != want {
		t.Errorf("%q, want %q", stdout.String(), want)
	}
	if got, err := os.ReadFile(filepath.Join(to, name[:2], name[2:])); string(got) != string(content) || err != nil {
		t.Errorf("%q, %v", got, err)
	}
}
