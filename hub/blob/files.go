package blob

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// Config says where files lie and how large they may become. Zero sizes mean the defaults.
type Config struct {
	// Dir is the folder; it is made if need be.
	Dir string
	// MaxBlobBytes bounds one blob; 256 MiB.
	MaxBlobBytes int64
	// MaxBytes bounds all blobs together; 20 GiB.
	MaxBytes int64
}

// Validate says what is wrong with the configuration.
func (c Config) Validate() error {
	switch {
	case c.Dir == "":
		return errors.New("blob: Dir is empty: want a folder")
	case c.MaxBlobBytes < 0:
		return fmt.Errorf("blob: MaxBlobBytes is %d: want 0 (256 MiB) or more", c.MaxBlobBytes)
	case c.MaxBytes < 0:
		return fmt.Errorf("blob: MaxBytes is %d: want 0 (20 GiB) or more", c.MaxBytes)
	}
	return nil
}

// Files keeps blobs in a folder: the blob abcd… is the file ab/cd…, what was
// received of an unfinished one partial/abcd…. A crash at any moment leaves a
// blob either complete or partial.
type Files struct {
	cfg Config

	mu    sync.Mutex
	usage Usage
	busy  map[string]*use
}

// use is one blob being changed.
type use struct {
	sync.Mutex
	users int // guarded by Files.mu
}

var _ Store = (*Files)(nil)

// partialDir cannot be taken for the first two digits of a blob.
const partialDir = "partial"

// OpenFiles opens a folder of blobs and counts what is there.
func OpenFiles(cfg Config) (*Files, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if cfg.MaxBlobBytes == 0 {
		cfg.MaxBlobBytes = 256 << 20
	}
	if cfg.MaxBytes == 0 {
		cfg.MaxBytes = 20 << 30
	}
	f := &Files{cfg: cfg, busy: map[string]*use{}, usage: Usage{MaxBytes: cfg.MaxBytes}}
	if err := os.MkdirAll(filepath.Join(cfg.Dir, partialDir), 0o750); err != nil {
		return nil, fmt.Errorf("open blobs: %w", err)
	}
	err := filepath.WalkDir(cfg.Dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		f.usage.Bytes += info.Size()
		if filepath.Base(filepath.Dir(path)) != partialDir {
			f.usage.Blobs++
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("open blobs: %w", err)
	}
	return f, nil
}

func (f *Files) blobPath(name string) string {
	return filepath.Join(f.cfg.Dir, name[:2], name[2:])
}

func (f *Files) partialPath(name string) string {
	return filepath.Join(f.cfg.Dir, partialDir, name)
}

// lock keeps others from changing the same blob until unlock.
func (f *Files) lock(name string) (unlock func()) {
	f.mu.Lock()
	u := f.busy[name]
	if u == nil {
		u = &use{}
		f.busy[name] = u
	}
	u.users++
	f.mu.Unlock()
	u.Lock()
	return func() {
		u.Unlock()
		f.mu.Lock()
		if u.users--; u.users == 0 {
			delete(f.busy, name)
		}
		f.mu.Unlock()
	}
}

// grow books bytes, if there is room for them.
func (f *Files) grow(n int64) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.usage.Bytes+n > f.usage.MaxBytes {
		return fmt.Errorf("%d bytes of %d used: %w", f.usage.Bytes, f.usage.MaxBytes, ErrFull)
	}
	f.usage.Bytes += n
	return nil
}

func (f *Files) book(blobs int, bytes int64) {
	f.mu.Lock()
	f.usage.Blobs += blobs
	f.usage.Bytes += bytes
	f.mu.Unlock()
}

// Usage implements Store.
func (f *Files) Usage() Usage {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.usage
}

// size is a file's; -1 when there is none.
func size(path string) (int64, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return -1, nil
	} else if err != nil {
		return -1, err
	}
	return info.Size(), nil
}

// Open implements Store.
func (f *Files) Open(_ context.Context, name string) (io.ReadSeekCloser, int64, error) {
	if err := CheckName(name); err != nil {
		return nil, 0, err
	}
	file, err := os.Open(f.blobPath(name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, 0, fmt.Errorf("blob %s: %w", name, ErrNotFound)
	} else if err != nil {
		return nil, 0, fmt.Errorf("open blob %s: %w", name, err)
	}
	info, err := file.Stat()
	if err != nil {
		return nil, 0, errors.Join(fmt.Errorf("open blob %s: %w", name, err), file.Close())
	}
	return file, info.Size(), nil
}

// Has implements Store.
func (f *Files) Has(_ context.Context, name string) (bool, error) {
	if err := CheckName(name); err != nil {
		return false, err
	}
	n, err := size(f.blobPath(name))
	if err != nil {
		return false, fmt.Errorf("blob %s: %w", name, err)
	}
	return n >= 0, nil
}

// Delete implements Store.
func (f *Files) Delete(_ context.Context, name string) error {
	if err := CheckName(name); err != nil {
		return err
	}
	defer f.lock(name)()
	for _, file := range []struct {
		path  string
		blobs int
	}{{f.blobPath(name), 1}, {f.partialPath(name), 0}} {
		n, err := size(file.path)
		if err == nil && n >= 0 {
			err = f.remove(file.path, file.blobs, n)
		}
		if err != nil {
			return fmt.Errorf("delete blob %s: %w", name, err)
		}
	}
	return nil
}

func (f *Files) remove(path string, blobs int, bytes int64) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f.book(-blobs, -bytes)
	return nil
}

// Old implements Store.
func (f *Files) Old(ctx context.Context, before time.Time) (names []string, err error) {
	err = filepath.WalkDir(f.cfg.Dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := filepath.Base(filepath.Dir(path)) + e.Name()
		if e.IsDir() || CheckName(name) != nil {
			return ctx.Err()
		}
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil // deleted meanwhile
		}
		if err == nil && info.ModTime().Before(before) {
			names = append(names, name)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list old blobs: %w", err)
	}
	return names, nil
}

// Sweep implements Store.
func (f *Files) Sweep(ctx context.Context, before time.Time) (removed int, err error) {
	entries, err := os.ReadDir(filepath.Join(f.cfg.Dir, partialDir))
	if err != nil {
		return 0, fmt.Errorf("sweep blobs: %w", err)
	}
	for _, e := range entries {
		if ctx.Err() != nil {
			return removed, ctx.Err()
		}
		if CheckName(e.Name()) != nil {
			continue // not ours
		}
		ok, err := f.sweepOne(e.Name(), before)
		if err != nil {
			return removed, fmt.Errorf("sweep blobs: %w", err)
		}
		if ok {
			removed++
		}
	}
	return removed, nil
}

func (f *Files) sweepOne(name string, before time.Time) (bool, error) {
	defer f.lock(name)()
	info, err := os.Stat(f.partialPath(name))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil // finished meanwhile
	} else if err != nil {
		return false, err
	}
	if !info.ModTime().Before(before) {
		return false, nil
	}
	return true, f.remove(f.partialPath(name), 0, info.Size())
}
