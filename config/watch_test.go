package config

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"
)

// watched calls test in a bubble with a function that has the file looked at
// once and returns how many changes were seen so far.
func watched(t *testing.T, path string, test func(t *testing.T, look func() int)) {
	synctest.Test(t, func(t *testing.T) {
		tick, n := make(chan time.Time), 0
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go Watch(ctx, path, tick, func() { n++ })
		synctest.Wait()
		test(t, func() int {
			tick <- time.Time{}
			synctest.Wait()
			return n
		})
	})
}

func put(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestAChangedFileIsSeenOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config.yaml")
	put(t, path, "a")
	watched(t, path, func(t *testing.T, look func() int) {
		if n := look(); n != 0 {
			t.Fatalf("%d changes of a file that did not change", n)
		}
		put(t, path, "longer")
		look()
		look()
		if n := look(); n != 1 {
			t.Errorf("%d changes seen of one", n)
		}
	})
}

func TestAFileBeingWrittenIsLetBe(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config.yaml")
	put(t, path, "a")
	watched(t, path, func(t *testing.T, look func() int) {
		for _, text := range []string{"", "x", "xx", "xxx"} {
			put(t, path, text)
			if look() != 0 {
				t.Fatal("told of a file that changed at every look")
			}
		}
		if n := look(); n != 1 {
			t.Errorf("%d changes seen after the last byte, want 1", n)
		}
	})
}

func TestAFilePutInThePlaceOfAnotherIsSeen(t *testing.T) {
	dir := t.TempDir()
	path, other := filepath.Join(dir, "config.yaml"), filepath.Join(dir, "other")
	put(t, path, "same")
	put(t, other, "same")
	info, err := os.Stat(path)
	must(t, err)
	must(t, os.Chtimes(other, info.ModTime(), info.ModTime()))
	watched(t, path, func(t *testing.T, look func() int) {
		must(t, os.Rename(other, path))
		look()
		if n := look(); n != 1 {
			t.Errorf("%d changes seen, want 1", n)
		}
	})
}

// Kubernetes mounts a ConfigMap as config.yaml → ..data/config.yaml and
// ..data → ..<time>, and turns ..data.
func TestAConfigMapThatIsSwappedIsSeen(t *testing.T) {
	dir := t.TempDir()
	for _, version := range []string{"..1", "..2"} {
		must(t, os.Mkdir(filepath.Join(dir, version), 0o700))
		put(t, filepath.Join(dir, version, "config.yaml"), version)
	}
	must(t, os.Symlink("..1", filepath.Join(dir, "..data")))
	path := filepath.Join(dir, "config.yaml")
	must(t, os.Symlink(filepath.Join("..data", "config.yaml"), path))
	watched(t, path, func(t *testing.T, look func() int) {
		must(t, os.Symlink("..2", filepath.Join(dir, "..data_tmp")))
		must(t, os.Rename(filepath.Join(dir, "..data_tmp"), filepath.Join(dir, "..data")))
		must(t, os.RemoveAll(filepath.Join(dir, "..1")))
		look()
		if n := look(); n != 1 {
			t.Errorf("%d changes seen, want 1", n)
		}
	})
}

func TestAFileThatIsGoneIsSeen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config.yaml")
	put(t, path, "a")
	watched(t, path, func(t *testing.T, look func() int) {
		must(t, os.Remove(path))
		look()
		if n := look(); n != 1 {
			t.Errorf("%d changes seen, want 1", n)
		}
	})
}
