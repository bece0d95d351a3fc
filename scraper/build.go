package scraper

import (
	"bytes"
	"debug/buildinfo"
	"maps"
	"os"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Build says which program a target is, by the keys below; what is not known is
// not there. It lets people see since which version something happens.
type Build map[string]string

// The keys of a Build.
const (
	// BuildVersion is the program's own, as v1.4.2.
	BuildVersion = "version"
	// BuildRevision is the commit that it was built of.
	BuildRevision = "revision"
	// BuildRuntime is what runs it, as go1.26.8 or v20.11.0.
	BuildRuntime = "runtime"
	// BuildPath is the main package of a Go program.
	BuildPath = "path"
)

// buildOfMetric are the series that tell of the runtime, their labels by key.
// Besides, a program may tell of itself by NAME_build_info.
var buildOfMetric = map[string]map[string]string{
	"go_info":             {"version": BuildRuntime},
	"go_build_info":       {"version": BuildVersion, "path": BuildPath},
	"nodejs_version_info": {"version": BuildRuntime},
}

const ownBuildInfo = "_build_info"

// builds gathers what one Prometheus text tells.
type builds struct {
	runtime, own Build
	series       int // NAME_build_info; of several, none is known to be the program's
}

func (b *builds) add(name string, labels []byte) {
	if by := buildOfMetric[name]; by != nil {
		for label, key := range by {
			b.runtime = b.runtime.with(key, labelValue(labels, label))
		}
		return
	}
	b.series++
	b.own = Build{}.with(BuildVersion, labelValue(labels, "version")).with(BuildRevision, labelValue(labels, "revision"))
}

// build is what is certain: what the program says of itself before what its
// runtime says of it.
func (b *builds) build() Build {
	if b.series != 1 {
		return b.runtime
	}
	return b.own.over(b.runtime)
}

func (b Build) with(key, value string) Build {
	if !isBuildWord(value) {
		return b
	}
	if b == nil {
		b = Build{}
	}
	b[key] = strings.Clone(value) // it may be a piece of a large text
	return b
}

// over lays b over what else is known.
func (b Build) over(other Build) Build {
	if len(other) == 0 {
		return b
	}
	out := maps.Clone(other)
	maps.Copy(out, b)
	return out
}

// maxBuildWord is what may be shown, sent and stored of a stranger's text.
const maxBuildWord = 100

func isBuildWord(s string) bool {
	switch s {
	case "", "(devel)", "unknown":
		return false
	}
	return len(s) <= maxBuildWord && utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl)
}

// labelValue is the value of a label in {…}; "" where it is not there.
func labelValue(labels []byte, name string) string {
	rest := bytes.TrimPrefix(bytes.TrimLeft(labels, " \t"), []byte("{"))
	for {
		key, after, ok := bytes.Cut(rest, []byte(`="`))
		if !ok {
			return ""
		}
		end := 0
		for end < len(after) && after[end] != '"' {
			if after[end] == '\\' {
				end++
			}
			end++
		}
		if end >= len(after) {
			return ""
		}
		if string(bytes.Trim(key, ", \t")) == name {
			return unescape.Replace(string(after[:end]))
		}
		rest = after[end+1:]
	}
}

var unescape = strings.NewReplacer(`\\`, `\`, `\"`, `"`, `\n`, "\n")

// buildOfFile is what a Go program's file says of it; nothing for others.
func buildOfFile(path string) Build {
	f, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer func() { _ = f.Close() }()
	info, err := buildinfo.Read(f)
	if err != nil {
		return nil
	}
	b := Build{}.with(BuildRuntime, info.GoVersion).with(BuildPath, info.Path).with(BuildVersion, info.Main.Version)
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			b = b.with(BuildRevision, s.Value)
		}
	}
	return b
}

// Build is what the newest readings tell of the program; the caller must not
// change it.
func (s *Scraper) Build() Build {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.build
}
