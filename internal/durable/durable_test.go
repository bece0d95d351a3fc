package durable_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/zupee/memwatch/internal/durable"
)

func TestWriteFileReplacesAndIsPrivate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a")
	for _, want := range []string{"one", "two"} {
		if err := durable.WriteFile(path, []byte(want)); err != nil {
			t.Fatal(err)
		}
		if got, _ := os.ReadFile(path); string(got) != want {
			t.Errorf("file holds %q, want %q", got, want)
		}
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("mode %o, want 600", info.Mode().Perm())
	}
	onlyEntry(t, filepath.Dir(path), "a")
}

func TestAbortLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	f, err := durable.Create(filepath.Join(dir, "a"))
	if err != nil {
		t.Fatal(err)
	}
	f.Abort()
	f.Abort()
	onlyEntry(t, dir, "")
}

func TestCleanRemovesWhatACrashLeft(t *testing.T) {
	dir := t.TempDir()
	if _, err := durable.Create(filepath.Join(dir, "cut-off")); err != nil {
		t.Fatal(err)
	}
	if err := durable.WriteFile(filepath.Join(dir, "whole"), nil); err != nil {
		t.Fatal(err)
	}
	if err := durable.Clean(dir); err != nil {
		t.Fatal(err)
	}
	onlyEntry(t, dir, "whole")
}

func TestWriteDirIsAllOrNothing(t *testing.T) {
	parent := t.TempDir()
	path := filepath.Join(parent, "bundle")
	boom := errors.New("boom")
	fill := func(err error) func(string) error {
		return func(dir string) error {
			if werr := os.WriteFile(filepath.Join(dir, "x"), []byte("x"), 0o600); werr != nil {
				return werr
			}
			return err
		}
	}
	if err := durable.WriteDir(path, fill(boom)); !errors.Is(err, boom) {
		t.Fatalf("error %v, want boom", err)
	}
	onlyEntry(t, parent, "")
	if err := durable.WriteDir(path, fill(nil)); err != nil {
		t.Fatal(err)
	}
	onlyEntry(t, parent, "bundle")
	onlyEntry(t, path, "x")
	defer func() {
		if err := durable.RemoveDir(path); err != nil {
			t.Error(err)
		}
		onlyEntry(t, parent, "")
	}()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o700 {
		t.Errorf("mode %o, want 700", info.Mode().Perm())
	}
}

func TestMkdirAllRefusesAFileInTheWay(t *testing.T) {
	dir := t.TempDir()
	if err := durable.MkdirAll(filepath.Join(dir, "a", "b")); err != nil {
		t.Fatal(err)
	}
	if err := durable.WriteFile(filepath.Join(dir, "f"), nil); err != nil {
		t.Fatal(err)
	}
	if err := durable.MkdirAll(filepath.Join(dir, "f")); err == nil {
		t.Error("no error for a file where the folder should be")
	}
}

func TestLockIsExclusiveUntilClosed(t *testing.T) {
	dir := t.TempDir()
	lock, err := durable.Lock(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := durable.Lock(dir); !errors.Is(err, durable.ErrLocked) {
		t.Errorf("second lock: %v, want ErrLocked", err)
	}
	if err := lock.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := durable.Lock(dir)
	if err != nil {
		t.Fatal(err)
	}
	_ = again.Close()
}

func TestWriteIntoAMissingFolderNamesThePath(t *testing.T) {
	path := filepath.Join(t.TempDir(), "gone", "a")
	if err := durable.WriteFile(path, nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error %v, want one that wraps ErrNotExist", err)
	}
}

func onlyEntry(t *testing.T, dir, name string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if (name == "" && len(names) > 0) || (name != "" && (len(names) != 1 || names[0] != name)) {
		t.Errorf("%s holds %q, want only %q", dir, names, name)
	}
}
