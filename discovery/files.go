package discovery

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// maxFileBytes bounds a target file.
const maxFileBytes = 4 << 20

// group is one entry of a target file, as Prometheus's file_sd_config has it.
type group struct {
	Targets []string          `yaml:"targets"`
	Labels  map[string]string `yaml:"labels"`
}

// files are those that the patterns stand for at present. A file that is named
// without a pattern is one even while it is not there.
func (f *finder) files() []string {
	var out []string
	for _, pattern := range f.cfg.Files {
		if !strings.ContainsAny(pattern, "*?[") {
			out = append(out, pattern)
			continue
		}
		matches, _ := filepath.Glob(pattern) // Validate has seen the pattern
		if _, err := os.ReadDir(filepath.Dir(pattern)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			matches = f.knownOf(pattern) // Glob takes a folder that cannot be listed for an empty one
		}
		out = append(out, matches...)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// knownOf are the files of a pattern that were there at the last look.
func (f *finder) knownOf(pattern string) (out []string) {
	for source := range f.known {
		name, isFile := strings.CutPrefix(source, "file ")
		if match, _ := filepath.Match(pattern, name); isFile && match {
			out = append(out, name)
		}
	}
	return out
}

func (f *finder) readFile(path string) ([]Target, error) {
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) && !slices.Contains(f.cfg.Files, path) {
		return nil, nil // taken away since it was listed
	}
	if err != nil {
		return nil, fmt.Errorf("read target file: %w", err)
	}
	defer func() { _ = file.Close() }()
	text, err := io.ReadAll(io.LimitReader(file, maxFileBytes+1))
	if err != nil {
		return nil, fmt.Errorf("read target file: %w", err)
	}
	if len(text) > maxFileBytes {
		return nil, fmt.Errorf("target file %s: larger than 4 MiB", path)
	}
	targets, err := f.parse(text)
	if err != nil {
		return nil, fmt.Errorf("target file %s: %w", path, err)
	}
	return targets, nil
}

// parse reads YAML, of which JSON is a part. Labels that begin with two
// underscores are Prometheus's own business.
func (f *finder) parse(text []byte) ([]Target, error) {
	if len(bytes.TrimSpace(text)) == 0 { // as while it is being written
		return nil, errors.New("it is empty: want [] for no targets")
	}
	var groups []group
	dec := yaml.NewDecoder(strings.NewReader(string(text)))
	dec.KnownFields(true)
	if err := dec.Decode(&groups); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf(`want a list as [{targets: ["host:port"], labels: {service: shop}}]: %s`, strings.TrimPrefix(err.Error(), "yaml: "))
	}
	var out []Target
	for i, g := range groups {
		labels := map[string]string{}
		for k, v := range g.Labels {
			if !strings.HasPrefix(k, "__") {
				labels[k] = v
			}
		}
		for _, address := range g.Targets {
			if address == "" {
				return nil, fmt.Errorf("[%d].targets has an empty address: want host:port", i)
			}
			out = append(out, Target{URL: f.url(address), Labels: labels})
		}
	}
	return out, nil
}
