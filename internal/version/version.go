// Package version says which build of memwatch this is, from what the Go
// toolchain records in the binary.
package version

import (
	"fmt"
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

// Long adds the Go release and the platform.
func Long() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return String()
	}
	return fmt.Sprintf("%s (%s, %s/%s)", from(info), info.GoVersion, setting(info, "GOOS"), setting(info, "GOARCH"))
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
