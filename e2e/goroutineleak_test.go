//go:build occasional

package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/zupee/memwatch"
)

// A runtime that knows which goroutines can never run again is asked once, and
// believed. Such a runtime has its standard library built anew, which takes a
// minute or two, so it is run by name: go test -tags occasional -run GoroutineLeak ./e2e
func TestARealGoroutineLeakProfileIsProof(t *testing.T) {
	build := exec.Command("go", "build", "-o", filepath.Join(binaries, "abandoned"), "./testdata/abandoned")
	build.Env = append(os.Environ(), "GOEXPERIMENT=goroutineleakprofile")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build with GOEXPERIMENT=goroutineleakprofile: %v\n%s", err, out)
	}
	url := start(t, "abandoned").line(t, `listens on (http://\S+)`)[1]
	v := checked(t, url, "20s", "200ms")
	if v.Kind != memwatch.KindGoroutine || len(v.Culprits) == 0 || v.Culprits[0].Function != "main.reply" || v.Culprits[0].Certainty != memwatch.Certain {
		t.Errorf("%s, culprits %+v: want goroutine, main.reply for certain", v.Kind, v.Culprits)
	}
	for _, g := range v.Gates {
		if g.Name == "proof" {
			if !g.Passed {
				t.Errorf("%+v: want it to be proof", g)
			}
			return
		}
	}
	t.Errorf("no gate speaks of the proof: %+v", v.Gates)
}
