// Package version says which build of memwatch this is, from what the Go
// toolchain records in the binary.
package version

import (
	"fmt"
	"runtime"
	"runtime/debug"
)

// String is the module's version, or for a build from a work tree the commit:
// "v1.2.3", "devel-2a9ca47", with "-dirty" when files were changed.
func String() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	return from(info)
}

// Info is what the command version answers.
type Info struct {
	Program string `json:"program"`
	Version string `json:"version"`
	// Revision is the commit; absent when the build knows none.
	Revision string `json:"revision,omitempty"`
	Go       string `json:"go"`
	OS       string `json:"os"`
	Arch     string `json:"arch"`
}

// Of is the build that runs, as a program of this name.
func Of(program string) Info {
	out := Info{Program: program, Version: String(), Go: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH}
	if info, ok := debug.ReadBuildInfo(); ok {
		out.Revision = setting(info, "vcs.revision")
	}
	return out
}

func (i Info) String() string {
	return fmt.Sprintf("%s %s (%s, %s/%s)", i.Program, i.Version, i.Go, i.OS, i.Arch)
}

func from(info *debug.BuildInfo) string {
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return v
	}
	revision := setting(info, "vcs.revision")
	if revision == "" {
		return "devel"
	}
	v := "devel-" + revision[:min(7, len(revision))]
	if setting(info, "vcs.modified") == "true" {
		v += "-dirty"
	}
	return v
}

func setting(info *debug.BuildInfo, key string) string {
	for _, s := range info.Settings {
		if s.Key == key {
			return s.Value
		}
	}
	return ""
}
