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

// Place names a folder of profiles, so that hubs on several machines can tell
// whether they have the same one; it makes the name with the first question.
func Place(dir string) (string, error) {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return "", fmt.Errorf("folder of profiles: %w", err)
	}
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
	f, err := os.CreateTemp(dir, placeFile+"-*")
	if err != nil {
		return "", fmt.Errorf("name the folder of profiles: %w", err)
	}
	defer func() { _ = os.Remove(f.Name()) }()
	_, err = fmt.Fprintln(f, rand.Text())
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return "", fmt.Errorf("name the folder of profiles: %w", err)
	}
	if err := os.Link(f.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return "", fmt.Errorf("name the folder of profiles: %w", err)
	}
	return named()
}
