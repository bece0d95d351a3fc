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

	"github.com/zupee/memwatch/internal/durable"
)

// Copy copies one blob from a folder of Files, that may be in use, to another. The
// error is ErrNotFound when it is not there and ErrMismatch when its bytes are not
// what its name says.
func Copy(ctx context.Context, from, to, name string) (size int64, err error) {
	if err := CheckName(name); err != nil {
		return 0, err
	}
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	in, err := os.Open(filepath.Join(from, name[:2], name[2:]))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, fmt.Errorf("blob %s: %w", name, ErrNotFound)
	} else if err != nil {
		return 0, fmt.Errorf("copy blob %s: %w", name, err)
	}
	defer func() { _ = in.Close() }()
	path := filepath.Join(to, name[:2], name[2:])
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return 0, fmt.Errorf("copy blob %s: %w", name, err)
	}
	out, err := durable.Create(path)
	if err != nil {
		return 0, fmt.Errorf("copy blob %s: %w", name, err)
	}
	hash := sha256.New()
	if size, err = io.Copy(io.MultiWriter(out, hash), in); err != nil {
		out.Abort()
		return 0, fmt.Errorf("copy blob %s: %w", name, err)
	}
	if hex.EncodeToString(hash.Sum(nil)) != name {
		out.Abort()
		return 0, fmt.Errorf("copy blob %s: %w", name, ErrMismatch)
	}
	return size, out.Commit()
}
