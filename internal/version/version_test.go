package version

import (
	"runtime/debug"
	"testing"
)

func TestVersionComesFromTheBuild(t *testing.T) {
	vcs := func(revision, modified string) []debug.BuildSetting {
		return []debug.BuildSetting{{Key: "vcs.revision", Value: revision}, {Key: "vcs.modified", Value: modified}}
	}
	for want, info := range map[string]*debug.BuildInfo{
		"v1.2.3":              {Main: debug.Module{Version: "v1.2.3"}, Settings: vcs("2a9ca4712345", "false")},
		"devel-2a9ca47":       {Main: debug.Module{Version: "(devel)"}, Settings: vcs("2a9ca4712345", "false")},
		"devel-2a9ca47-dirty": {Settings: vcs("2a9ca4712345", "true")},
		"devel":               {Main: debug.Module{Version: "(devel)"}},
	} {
		if got := from(info); got != want {
			t.Errorf("from(%+v) = %q, want %q", info, got, want)
		}
	}
}
