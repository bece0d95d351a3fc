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
	"syscall"
)

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
