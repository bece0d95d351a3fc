package blob

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"syscall"
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

// received is how many bytes are there, and whether they are all.
func (f *Files) received(name string) (n int64, complete bool, err error) {
	if n, err = size(f.blobPath(name)); err != nil || n >= 0 {
		return n, true, err
	}
	n, err = size(f.partialPath(name))
	return max(n, 0), false, err
}

// Partial implements Store.
func (f *Files) Partial(_ context.Context, name string) (int64, error) {
	if err := CheckName(name); err != nil {
		return 0, err
	}
	n, _, err := f.received(name)
	if err != nil {
		return 0, fmt.Errorf("blob %s: %w", name, err)
	}
	return n, nil
}

// Write implements Store.
func (f *Files) Write(_ context.Context, name string, offset int64, part []byte) (int64, error) {
	if err := CheckName(name); err != nil {
		return 0, err
	}
	defer f.lock(name)()
	have, complete, err := f.received(name)
	if err != nil {
		return 0, fmt.Errorf("blob %s: %w", name, err)
	}
	if offset < 0 || offset > have {
		return have, fmt.Errorf("blob %s: %w", name, &OffsetError{Want: have})
	}
	end := offset + int64(len(part))
	if complete || end <= have {
		return have, nil
	}
	if end > f.cfg.MaxBlobBytes {
		return have, fmt.Errorf("blob %s: %w: at most %d bytes", name, ErrTooLarge, f.cfg.MaxBlobBytes)
	}
	if err := f.add(name, have, part[have-offset:]); err != nil {
		return have, fmt.Errorf("write blob %s: %w", name, err)
	}
	return end, nil
}

// add appends bytes to what was received.
func (f *Files) add(name string, have int64, part []byte) (err error) {
	if err := f.grow(int64(len(part))); err != nil {
		return err
	}
	path := f.partialPath(name)
	defer func() {
		if err != nil {
			// What a failed write left behind must not be counted on later.
			if e := os.Truncate(path, have); e != nil && !errors.Is(e, fs.ErrNotExist) {
				err = errors.Join(err, e)
			}
			f.book(0, -int64(len(part)))
			if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
				err = fmt.Errorf("%w: %w", ErrFull, err)
			}
		}
	}()
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE, 0o640)
	if err != nil {
		return err
	}
	_, err = file.WriteAt(part, have)
	return errors.Join(err, file.Close())
}

// Finish implements Store.
func (f *Files) Finish(_ context.Context, name string, size int64) error {
	if err := CheckName(name); err != nil {
		return err
	}
	defer f.lock(name)()
	have, complete, err := f.received(name)
	if err != nil {
		return fmt.Errorf("finish blob %s: %w", name, err)
	}
	if complete && have == size {
		return nil
	}
	if complete {
		return fmt.Errorf("blob %s: %w: it has %d bytes, announced were %d", name, ErrMismatch, have, size)
	}
	if have < size {
		return fmt.Errorf("blob %s: %w", name, &OffsetError{Want: have})
	}
	sum, err := f.syncAndSum(name)
	if err != nil {
		return fmt.Errorf("finish blob %s: %w", name, err)
	}
	if have != size || sum != name {
		if err := f.remove(f.partialPath(name), 0, have); err != nil {
			return fmt.Errorf("discard blob %s: %w", name, err)
		}
		return fmt.Errorf("blob %s: %w: received %d bytes with SHA-256 %s, announced were %d", name, ErrMismatch, have, sum, size)
	}
	if err := f.place(name); err != nil {
		return fmt.Errorf("finish blob %s: %w", name, err)
	}
	f.book(1, 0)
	return nil
}

// syncAndSum makes the received bytes durable and hashes them.
func (f *Files) syncAndSum(name string) (sum string, err error) {
	file, err := os.OpenFile(f.partialPath(name), os.O_RDWR|os.O_CREATE, 0o640)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	h := sha256.New()
	if _, err := io.Copy(h, file); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), file.Sync()
}

// place gives a complete file its name, durably.
func (f *Files) place(name string) error {
	path := f.blobPath(name)
	dir := filepath.Dir(path)
	if err := os.Mkdir(dir, 0o750); err == nil {
		if err := syncDir(f.cfg.Dir); err != nil {
			return err
		}
	} else if !errors.Is(err, fs.ErrExist) {
		return err
	}
	if err := os.Rename(f.partialPath(name), path); err != nil {
		return err
	}
	return syncDir(dir)
}

func syncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
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
