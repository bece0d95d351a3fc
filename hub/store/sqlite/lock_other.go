//go:build !unix

package sqlite

import (
	"io"
	"os"
)

// lockFile takes no lock where the system has no flock.
func lockFile(path string) (io.Closer, error) {
	return os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o640)
}
