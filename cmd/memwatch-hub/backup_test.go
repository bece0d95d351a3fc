package main

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"
)

func TestBackupSaysWhatIsMissing(t *testing.T) {
	dir := t.TempDir()
	for _, tc := range []struct {
		args   []string
		status int
		says   string
	}{
		{nil, exitUsage, "--to is missing: want a new folder"},
		{[]string{"--to", filepath.Join(dir, "copy"), "--data", filepath.Join(dir, "none")}, exitFailed, "none/memwatch.db: no such file or directory"},
		{[]string{"--to", dir, "--data", dir}, exitFailed, "it is there already: want a new folder"},
	} {
		var stdout, stderr bytes.Buffer
		if status := run(t.Context(), append([]string{"backup"}, tc.args...), &stdout, &stderr); status != tc.status || !strings.Contains(stderr.String(), tc.says) {
			t.Errorf("%v: exit %d, %q; want %d and %q", tc.args, status, stderr.String(), tc.status, tc.says)
		}
	}
}
