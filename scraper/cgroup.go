package scraper

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// cgroups reads memory limits of control groups, version 2 and 1. root is "/",
// but for tests.
type cgroups struct{ root string }

// version is where the files of one version of cgroups are, and their names.
type version struct{ mount, limit, usage, inactive string }

var (
	v2 = version{"sys/fs/cgroup", "memory.max", "memory.current", "inactive_file "}
	v1 = version{"sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file "}
)

// group is the control group that limits a process; none when limit is 0.
type group struct {
	version
	dir   string
	limit float64
}

// tightest is the group with the lowest limit on the way from the process's
// group to the root; none when nothing limits the process, or its group cannot
// be seen.
func (c cgroups) tightest(pid int) group {
	proc := filepath.Join(c.root, "proc", strconv.Itoa(pid))
	text, err := os.ReadFile(filepath.Join(proc, "cgroup"))
	if err != nil {
		return group{}
	}
	own, _ := os.ReadFile(filepath.Join(c.root, "proc/self/cgroup"))
	least := group{limit: noLimit}
	for line := range bytes.Lines(text) {
		v, path, known := parseCgroup(string(bytes.TrimSpace(line)))
		if !known {
			continue
		}
		for _, dir := range c.groups(v, path, proc, bytes.Contains(own, line)) {
			g := group{version: v, dir: dir}
			if g.limit, err = readNumber(filepath.Join(dir, v.limit)); err != nil || g.limit >= least.limit {
				continue
			}
			if _, ok := g.usage(); ok {
				least = g
			}
		}
	}
	if least.dir == "" {
		return group{}
	}
	return least
}

// usage is what a group uses, less its inactive file cache.
func (g *group) usage() (float64, bool) {
	if g.dir == "" {
		return 0, false
	}
	used, err := readNumber(filepath.Join(g.dir, g.version.usage))
	return max(0, used-statValue(filepath.Join(g.dir, "memory.stat"), g.inactive)), err == nil
}

// parseCgroup reads a line of /proc/PID/cgroup: hierarchy:controllers:path.
func parseCgroup(line string) (v version, path string, ok bool) {
	parts := strings.SplitN(line, ":", 3)
	switch {
	case len(parts) != 3:
		return v, "", false
	case parts[0] == "0" && parts[1] == "":
		return v2, parts[2], true
	case parts[1] == "memory":
		return v1, parts[2], true
	}
	return v, "", false
}

// groups are the folders of a cgroup and those above it. A path that leads out
// of what is mounted here ("/../…", or a host's path seen from a container) is
// another container's: its own mount tells, where it may be looked at. Ours
// tells only when the process shares our group: else we would take our own
// limit for the target's.
func (c cgroups) groups(v version, path, proc string, shared bool) []string {
	mount := filepath.Join(c.root, v.mount)
	dir := filepath.Join(mount, path)
	if _, err := os.Stat(dir); err == nil && !strings.Contains(path+"/", "/../") {
		var dirs []string
		for ; len(dir) >= len(mount); dir = filepath.Dir(dir) {
			dirs = append(dirs, dir)
		}
		return dirs
	}
	if shared {
		return []string{mount}
	}
	return []string{filepath.Join(proc, "root", v.mount)}
}

func readNumber(path string) (float64, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseUint(string(bytes.TrimSpace(text)), 10, 64) // "max" is no number: no limit
	return float64(n), err
}

// statValue is the number after a name in memory.stat; 0 when it is not there.
func statValue(path, name string) float64 {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0
	}
	for line := range bytes.Lines(text) {
		if rest, ok := bytes.CutPrefix(line, []byte(name)); ok {
			n, _ := strconv.ParseFloat(string(bytes.TrimSpace(rest)), 64)
			return n
		}
	}
	return 0
}
