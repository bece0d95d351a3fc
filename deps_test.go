package memwatch_test

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"path"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/zupee/memwatch"

// room is one line of the table: a package and what it may import.
type room struct {
	name string
	may  []string
}

// rooms says who may import whom (docs/architecture.md has the why): for each
// package, the packages of this module it may import besides the root. A name
// that ends in /... stands for a whole subtree. "*" allows everything, for the
// places that join rooms.
var rooms = []room{
	{name: ".", may: []string{"internal/flatjson"}},
	{name: "wire", may: []string{"internal/flatjson"}},
	{name: "internal/flatjson"},
	{name: "internal/ws"},
	{name: "internal/durable"},
	{name: "internal/pgtest"},
	{name: "internal/version"},
	{name: "internal/output"},
	{name: "internal/schematest"},
	{name: "internal/mantest"},
	{name: "scraper/...", may: []string{"scraper/..."}},
	{name: "discovery"},
	{name: "detector/...", may: []string{"detector/..."}},
	{name: "recording"},
	{name: "capture", may: []string{"internal/durable"}},
	{name: "spool", may: []string{"internal/durable"}},
	{name: "uplink", may: []string{"wire", "internal/ws"}},
	{name: "agent/...", may: []string{"discovery", "wire", "scraper/...", "detector", "capture", "spool", "uplink", "recording", "internal/version", "internal/durable"}},
	{name: "config", may: []string{"discovery", "agent", "scraper/...", "detector", "capture", "spool", "uplink"}},
	{name: "hub/ingest", may: []string{"wire", "internal/ws"}},
	{name: "hub/store"},
	{name: "hub/store/...", may: []string{"hub/store/..."}},
	{name: "hub/blob/...", may: []string{"hub/blob/...", "internal/durable"}},
	{name: "hub/alert"},
	{name: "hub/notify"},
	{name: "hub/relay"},
	{name: "hub/live", may: []string{"wire", "internal/ws"}},
	{name: "hub/api", may: []string{"wire"}},
	{name: "hub/auth"},
	{name: "hub", may: []string{"wire", "hub/...", "internal/version", "internal/durable"}},
	{name: "assistant", may: []string{"wire", "hub/api"}},
	{name: "ui"},
	{name: "inject"},
	{name: "cmd/memwatchd", may: []string{"inject", "config", "agent", "wire", "scraper/...", "detector", "recording", "capture", "internal/version", "internal/output"}},
	{name: "cmd/memwatch-hub", may: []string{"assistant", "inject", "hub", "hub/auth", "ui", "internal/version", "internal/output"}},
	{name: "examples/...", may: []string{"examples/..."}},
	{name: "memwatchtest", may: []string{"detector", "scraper/pprof"}},
	{name: "eval/...", may: []string{"*"}},
	{name: "e2e/...", may: []string{"*"}},
	{name: "bench/...", may: []string{"*"}},
}

// light rooms import the standard library alone besides this module.
var light = []string{".", "internal/flatjson", "wire", "detector", "recording"}

type goPackage struct {
	ImportPath string
	Imports    []string
}

// TestDeps keeps the house's table of who may import whom true.
func TestDeps(t *testing.T) {
	for _, pkg := range listPackages(t) {
		name := inModule(pkg.ImportPath)
		i := slices.IndexFunc(rooms, func(r room) bool { return matches(r.name, name) })
		if i < 0 {
			t.Errorf("package %s has no line in the table of rooms: add it there and in docs/architecture.md", name)
			continue
		}
		for _, imp := range pkg.Imports {
			if !strings.HasPrefix(imp, module) {
				if slices.Contains(light, name) && strings.Contains(strings.Split(imp, "/")[0], ".") {
					t.Errorf("%s imports %s: this room takes the standard library only", name, imp)
				}
				continue
			}
			dep := inModule(imp)
			if dep == "." || allowed(rooms[i].may, dep) {
				continue
			}
			t.Errorf("%s imports %s; it may import only the root package and %v", name, dep, rooms[i].may)
		}
	}
}

// sidecar are the modules that memwatchd is made of: it runs beside every replica
// of every service, and what it weighs is paid as often (docs/adr/0001).
var sidecar = []string{
	"github.com/KimMachineGun/automemlimit", "github.com/VictoriaMetrics/metrics", "github.com/google/pprof", "github.com/google/uuid",
	"github.com/klauspost/compress", "github.com/pbnjay/memory", "github.com/spf13/cobra", "github.com/spf13/pflag",
	"github.com/valyala/fastrand", "github.com/valyala/histogram", module, "golang.org/x/sync", "golang.org/x/sys", "golang.org/x/term",
	"golang.org/x/time", "gopkg.in/yaml.v3", "nhooyr.io/websocket",
}

// TestTheSidecarStaysLight names the module that a change brought into memwatchd.
func TestTheSidecarStaysLight(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", "-f", "{{with .Module}}{{.Path}}{{end}}", "./cmd/memwatchd").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	for _, m := range slices.Compact(slices.Sorted(strings.FieldsSeq(string(out)))) {
		if !slices.Contains(sidecar, m) {
			t.Errorf("memwatchd is made of %s too: is it worth its weight? then it gets a line in docs/adr/0001-dependencies.md, and one here", m)
		}
	}
}

func inModule(importPath string) string {
	return path.Clean("./" + strings.TrimPrefix(strings.TrimPrefix(importPath, module), "/"))
}

func matches(pattern, name string) bool {
	if tree, ok := strings.CutSuffix(pattern, "/..."); ok {
		return name == tree || strings.HasPrefix(name, tree+"/")
	}
	return pattern == name
}

func allowed(may []string, dep string) bool {
	return slices.ContainsFunc(may, func(m string) bool { return m == "*" || matches(m, dep) })
}

func listPackages(t *testing.T) []goPackage {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-json=ImportPath,Imports", "./...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var pkgs []goPackage
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p goPackage
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return pkgs
		} else if err != nil {
			t.Fatalf("go list: %v", err)
		}
		pkgs = append(pkgs, p)
	}
}
