// Package durable writes files and folders that are there whole or not at all,
// whatever ends the process or the machine meanwhile: temporary name in the
// same folder, fsync, rename, fsync of the folder. Files are readable by their
// owner alone (0600, folders 0700).
//
// Paths and bytes come in; what they mean is the callers' business. It keeps no
// state and may be used from any goroutine.
package durable

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// tempPrefix starts the names of what is not whole yet; see Clean.
const tempPrefix = ".memwatch-"

// File is a file being written under a temporary name. End it with Commit or
// Abort.
type File struct {
	*os.File
	path string
	done bool
}

// Create opens a temporary file beside path; Commit makes it path.
func Create(path string) (*File, error) {
	f, err := os.CreateTemp(filepath.Dir(path), tempPrefix+"*")
	if err != nil {
		return nil, fmt.Errorf("create %s: %w", path, err)
	}
	return &File{File: f, path: path}, nil
}

// Commit makes the file durable under its path, in place of what was there.
// On an error nothing of it is left and the path is as it was, save when only
// the folder's fsync failed: then the file is there, but a power cut may undo it.
func (f *File) Commit() error {
	if err := f.Sync(); err != nil {
		f.Abort()
		return fmt.Errorf("sync %s: %w", f.path, err)
	}
	f.done = true
	if err := f.Close(); err != nil {
		_ = os.Remove(f.Name())
		return fmt.Errorf("close %s: %w", f.path, err)
	}
	if err := os.Rename(f.Name(), f.path); err != nil {
		_ = os.Remove(f.Name())
		return fmt.Errorf("commit: %w", err)
	}
	return SyncDir(filepath.Dir(f.path))
}

// Abort removes the temporary file. After Commit it does nothing.
func (f *File) Abort() {
	if f.done {
		return
	}
	f.done = true
	_ = f.Close()
	_ = os.Remove(f.Name())
}

// WriteFile puts data at path, in place of what was there.
func WriteFile(path string, data []byte) error {
	f, err := Create(path)
	if err != nil {
		return err
	}
	if _, err := f.Write(data); err != nil {
		f.Abort()
		return fmt.Errorf("write %s: %w", path, err)
	}
	return f.Commit()
}

// WriteDir makes a new folder at path of the files that fill writes into the
// temporary folder it is given. Path must not be there yet.
func WriteDir(path string, fill func(dir string) error) error {
	tmp, err := os.MkdirTemp(filepath.Dir(path), tempPrefix+"*")
	if err != nil {
		return fmt.Errorf("create %s: %w", path, err)
	}
	if err := fillDir(tmp, fill); err != nil {
		_ = os.RemoveAll(tmp)
		return err
	}
	if err := os.Rename(tmp, path); err != nil {
		_ = os.RemoveAll(tmp)
		return fmt.Errorf("commit: %w", err)
	}
	return SyncDir(filepath.Dir(path))
}

func fillDir(dir string, fill func(dir string) error) error {
	if err := fill(dir); err != nil {
		return err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("list %s: %w", dir, err)
	}
	for _, e := range entries {
		if err := syncPath(filepath.Join(dir, e.Name())); err != nil {
			return err
		}
	}
	return SyncDir(dir)
}

// RemoveDir removes a folder and all in it. A crash leaves it whole or leaves
// what Clean removes. It needs no room on the disk.
func RemoveDir(path string) error {
	tmp := filepath.Join(filepath.Dir(path), tempPrefix+filepath.Base(path))
	if err := os.Rename(path, tmp); err != nil {
		return fmt.Errorf("remove: %w", err)
	}
	if err := os.RemoveAll(tmp); err != nil {
		return fmt.Errorf("remove %s: %w", path, err)
	}
	return nil
}

// MkdirAll makes a folder and its missing parents, durable and for the owner
// alone. What is there already keeps its mode.
func MkdirAll(dir string) error {
	if info, err := os.Stat(dir); err == nil {
		if !info.IsDir() {
			return fmt.Errorf("make folder %s: it is a file", dir)
		}
		return nil
	}
	parent := filepath.Dir(dir)
	if parent != dir {
		if err := MkdirAll(parent); err != nil {
			return err
		}
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("make folder: %w", err)
	}
	return SyncDir(parent)
}

// SyncDir makes what was created, renamed and removed in dir durable.
func SyncDir(dir string) error { return syncPath(dir) }

func syncPath(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("sync: %w", err)
	}
	defer func() { _ = f.Close() }()
	// Some file systems cannot sync a folder and say so with EINVAL.
	if err := f.Sync(); err != nil && !errors.Is(err, syscall.EINVAL) {
		return fmt.Errorf("sync %s: %w", path, err)
	}
	return nil
}

// Clean removes what writes that were cut off left behind in dir. Nothing may
// be writing there meanwhile; see Lock.
func Clean(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("clean %s: %w", dir, err)
	}
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), tempPrefix) {
			continue
		}
		if err := os.RemoveAll(filepath.Join(dir, e.Name())); err != nil {
			return fmt.Errorf("clean: %w", err)
		}
	}
	return nil
}

// IsFull reports whether err says that the disk or the quota is full.
func IsFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}
