package blob

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// placeFile lies in a folder of profiles and names it.
const placeFile = "place"

// Place names the folder, so that hubs on several machines can tell whether they
// have the same one; it makes the name with the first question.
func (f *Files) Place() (string, error) {
	dir := f.cfg.Dir
	path := filepath.Join(dir, placeFile)
	named := func() (string, error) {
		b, err := os.ReadFile(path)
		if err != nil {
			return "", err
		}
		return "folder " + strings.TrimSpace(string(b)), nil
	}
	name, err := named()
	if !errors.Is(err, fs.ErrNotExist) {
		return name, err
	}
	// Whole before it has its name: several hubs may ask at the same time.
	made, err := os.CreateTemp(dir, placeFile+"-*")
	if err != nil {
		return "", fmt.Errorf("name the folder of profiles: %w", err)
	}
	defer func() { _ = os.Remove(made.Name()) }()
	_, err = fmt.Fprintln(made, rand.Text())
	if err = errors.Join(err, made.Sync(), made.Close()); err != nil {
		return "", fmt.Errorf("name the folder of profiles: %w", err)
	}
	if err := os.Link(made.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return "", fmt.Errorf("name the folder of profiles: %w", err)
	}
	return named()
}
