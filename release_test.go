package memwatch_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

// TestEveryFileOfTheReleaseExists reads .goreleaser.yaml: what it packs must be in
// the repository, or be made by scripts/release-files.
func TestEveryFileOfTheReleaseExists(t *testing.T) {
	b, err := os.ReadFile(".goreleaser.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var cfg struct {
		Builds   []struct{ Main, Binary string }
		Archives []struct{ Files []struct{ Src string } }
		Nfpms    []struct {
			Contents []struct{ Src, Dst string }
			Scripts  map[string]string
		}
		Docker []struct {
			Dockerfile string
			Flags      []string
			Extra      []string `yaml:"extra_files"`
		} `yaml:"dockers_v2"`
	}
	if err := yaml.Unmarshal(b, &cfg); err != nil {
		t.Fatal(err)
	}
	made := []string{"bin/release/ca-certificates.crt", "bin/release/completions/*"}
	var programs []string
	for _, c := range cfg.Builds {
		exists(t, filepath.Join(c.Main, "main.go"))
		programs = append(programs, c.Binary)
		for _, shell := range []string{"bash", "zsh", "fish"} {
			made = append(made, "bin/release/completions/"+c.Binary+"."+shell)
		}
	}
	var packed, placed int
	file := func(src string) {
		if packed++; !slices.Contains(made, src) {
			exists(t, src)
		}
	}
	for _, a := range cfg.Archives {
		for _, f := range a.Files {
			file(f.Src)
		}
	}
	for _, p := range cfg.Nfpms {
		for _, c := range p.Contents {
			file(c.Src)
			if placed++; !filepath.IsAbs(c.Dst) {
				t.Errorf("%s goes to %q: want an absolute path", c.Src, c.Dst)
			}
		}
		for _, script := range p.Scripts {
			file(script)
		}
	}
	recipe, err := os.ReadFile("Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range cfg.Docker {
		for _, src := range append(d.Extra, d.Dockerfile) {
			file(src)
		}
		for _, f := range d.Flags {
			if target := strings.TrimPrefix(f, "--target="); !slices.Contains(programs, target) || !strings.Contains(string(recipe), " AS "+target+"\n") {
				t.Errorf("the image %s has no program or no target in the Dockerfile", target)
			}
		}
	}
	if len(programs) != 3 || packed < 20 || placed < 10 || len(cfg.Docker) != 2 {
		t.Errorf("%d programs, %d files, %d of them in packages, %d images: was all of it read?", len(programs), packed, placed, len(cfg.Docker))
	}
}

func exists(t *testing.T, pattern string) {
	t.Helper()
	if found, err := filepath.Glob(pattern); err != nil || len(found) == 0 {
		t.Errorf("%s: no such file", pattern)
	}
}
