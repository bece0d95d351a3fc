package config

import (
	"context"
	"io/fs"
	"os"
	"time"
)

// Watch calls changed whenever the file at path has become another one and has
// stayed so for a look, until ctx ends. It looks at each tick rather than wait
// for the kernel's word: that also finds a symbolic link that was turned (as
// Kubernetes does with a ConfigMap), a file that an editor put in the place of
// another, and a file on a network disk.
func Watch(ctx context.Context, path string, tick <-chan time.Time, changed func()) {
	known := find(path)
	before := known
	for {
		select {
		case <-tick:
		case <-ctx.Done():
			return
		}
		now := find(path)
		// One that still changes is being written.
		if !same(now, known) && same(now, before) {
			known = now
			changed()
		}
		before = now
	}
}

// find is the file behind a name, nil when there is none.
func find(path string) fs.FileInfo {
	info, err := os.Stat(path)
	if err != nil {
		return nil
	}
	return info
}

func same(a, b fs.FileInfo) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	return os.SameFile(a, b) && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime())
}
