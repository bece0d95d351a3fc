package scraper

import (
	"bytes"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/zupee/memwatch"
)

// process reads what the system knows of the target: resident memory, start
// time, the cgroup's usage and limit, and the GC settings it was started with.
// It works where the process can be seen: the same machine, or a shared process
// namespace. pid 0 knows no process.
type process struct {
	root  string // "/", but for tests
	pid   int
	start time.Time
	env   memwatch.Sample // GOGC and GOMEMLIMIT
	build Build
}

// claim is what a target says of itself. A port of this machine may belong to a
// tunnel or a proxy (kubectl port-forward, ssh -L, docker-proxy): a listening
// process is taken for the target only when it fits.
type claim struct {
	args  []string  // its command line
	start time.Time // when it started
}

func (c claim) empty() bool { return len(c.args) == 0 && c.start.IsZero() }

// clockSlack is how far two readings of one start time may lie apart: whole
// seconds, and a clock that is being set.
const clockSlack = 2 * time.Second

// userHZ is the unit of start times in /proc/PID/stat: 100 on every Linux port
// that Go runs on.
const userHZ = 100

// find looks for the one process that listens where the target answers and is
// what the target says of itself; it stays unknown when there is none, more than
// one, or it may not be seen.
func (p *process) find(base *url.URL, socket string, is claim) {
	*p = process{root: p.root}
	if is.empty() {
		return
	}
	sockets := p.listeners(base, socket)
	if len(sockets) == 0 {
		return
	}
	pids := p.holders(sockets)
	pids = slices.DeleteFunc(pids, func(pid int) bool { return !p.fits(pid, is) })
	if len(pids) == 1 {
		p.use(pids[0])
	}
}

// use takes a known process.
func (p *process) use(pid int) {
	start, err := p.startTime(pid)
	if err != nil {
		return
	}
	*p = process{root: p.root, pid: pid, start: start, build: buildOfFile(p.file(pid, "exe"))}
	p.readEnv()
}

func (p *process) fits(pid int, is claim) bool {
	if len(is.args) > 0 {
		text, err := os.ReadFile(p.file(pid, "cmdline"))
		return err == nil && string(text) == strings.Join(is.args, "\x00")+"\x00"
	}
	start, err := p.startTime(pid)
	return err == nil && start.Sub(is.start).Abs() <= clockSlack
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// listeners are the sockets that listen where the target is, as /proc/PID/fd names them.
func (p *process) listeners(base *url.URL, socket string) map[string]bool {
	const listen, local, state, inode = "0A", 1, 3, 9
	const unixListen, unixState, unixInode, unixPath = "00010000", 3, 6, 7
	found := map[string]bool{}
	if socket != "" {
		p.eachSocket("unix", func(f []string) {
			if len(f) > unixPath && f[unixState] == unixListen && f[unixPath] == socket {
				found["socket:["+f[unixInode]+"]"] = true
			}
		})
		return found
	}
	port, err := strconv.ParseUint(base.Port(), 10, 16)
	if err != nil || !isLoopback(base.Hostname()) {
		return nil
	}
	for _, table := range []string{"tcp", "tcp6"} {
		p.eachSocket(table, func(f []string) {
			if len(f) > inode && f[state] == listen && strings.HasSuffix(f[local], fmt.Sprintf(":%04X", port)) {
				found["socket:["+f[inode]+"]"] = true
			}
		})
	}
	return found
}

func (p *process) eachSocket(table string, f func(fields []string)) {
	text, err := os.ReadFile(filepath.Join(p.root, "proc/net", table))
	if err != nil {
		return
	}
	for line := range bytes.Lines(text) {
		f(strings.Fields(string(line)))
	}
}

// holders are the processes that have one of the sockets open and may be seen.
func (p *process) holders(sockets map[string]bool) []int {
	var pids []int
	dirs, _ := filepath.Glob(filepath.Join(p.root, "proc/[0-9]*"))
	for _, dir := range dirs {
		links, err := os.ReadDir(filepath.Join(dir, "fd"))
		if err != nil {
			continue
		}
		for _, link := range links {
			to, err := os.Readlink(filepath.Join(dir, "fd", link.Name()))
			if err == nil && sockets[to] {
				if pid, err := strconv.Atoi(filepath.Base(dir)); err == nil {
					pids = append(pids, pid)
				}
				break
			}
		}
	}
	return pids
}

// read adds what the system says to a sample; it reports false when the process
// is gone or another has its number.
func (p *process) read(s *memwatch.Sample) bool {
	if p.pid == 0 {
		return true
	}
	start, err := p.startTime(p.pid)
	if err != nil || start.Sub(p.start).Abs() > clockSlack {
		return false
	}
	s.Start = p.start
	// Fields of statm are pages: total, resident, …
	if text, err := os.ReadFile(p.file(p.pid, "statm")); err == nil {
		if f := bytes.Fields(text); len(f) > 1 {
			if pages, err := strconv.ParseFloat(string(f[1]), 64); err == nil {
				s.Set(memwatch.RSSBytes, pages*float64(os.Getpagesize()))
			}
		}
	}
	if usage, limit, ok := (cgroups{p.root}).memory(p.pid); ok {
		s.Set(memwatch.LimitBytes, limit)
		s.Set(memwatch.CgroupBytes, usage)
	}
	for sig, v := range p.env.All() {
		set(s, sig, v)
	}
	return true
}

func (p *process) file(pid int, name string) string {
	return filepath.Join(p.root, "proc", strconv.Itoa(pid), name)
}

// readEnv takes the two settings of the Go runtime that tell how its heap is
// paced, and nothing else of the environment.
func (p *process) readEnv() {
	text, err := os.ReadFile(p.file(p.pid, "environ"))
	if err != nil {
		return // not permitted: the usual case in another container
	}
	for entry := range bytes.SplitSeq(text, []byte{0}) {
		if v, ok := bytes.CutPrefix(entry, []byte("GOGC=")); ok {
			if percent, err := strconv.ParseUint(string(v), 10, 31); err == nil && percent > 0 {
				p.env.Set(memwatch.GOGCPercent, float64(percent))
			}
		}
		if v, ok := bytes.CutPrefix(entry, []byte("GOMEMLIMIT=")); ok {
			if limit, ok := goMemLimit(string(v)); ok {
				p.env.Set(memwatch.GoMemLimitBytes, limit)
			}
		}
	}
}

// goMemLimit reads a size as GOMEMLIMIT takes it.
func goMemLimit(s string) (float64, bool) {
	unit := 1.0
	for suffix, size := range map[string]float64{"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40} {
		if n, ok := strings.CutSuffix(s, suffix); ok {
			s, unit = n, size
		}
	}
	n, err := strconv.ParseUint(strings.TrimSuffix(s, "B"), 10, 63)
	limit := float64(n) * unit
	return limit, err == nil && limit < noLimit
}

// startTime is when a process began, from ticks since boot.
func (p *process) startTime(pid int) (time.Time, error) {
	text, err := os.ReadFile(p.file(pid, "stat"))
	if err != nil {
		return time.Time{}, err
	}
	// The name in parentheses may hold spaces; field 22 is the 20th after it.
	_, rest, _ := bytes.Cut(text[max(0, bytes.LastIndexByte(text, ')')):], []byte(" "))
	fields := bytes.Fields(rest)
	if len(fields) < 20 {
		return time.Time{}, fmt.Errorf("%s has %d fields, want 22 or more", p.file(pid, "stat"), len(fields)+2)
	}
	ticks, err := strconv.ParseInt(string(fields[19]), 10, 64)
	if err != nil {
		return time.Time{}, err
	}
	boot, err := p.bootTime()
	return boot.Add(time.Duration(ticks) * time.Second / userHZ), err
}

func (p *process) bootTime() (time.Time, error) {
	text, err := os.ReadFile(filepath.Join(p.root, "proc/stat"))
	if err != nil {
		return time.Time{}, err
	}
	for line := range bytes.Lines(text) {
		if rest, ok := bytes.CutPrefix(line, []byte("btime ")); ok {
			sec, err := strconv.ParseInt(string(bytes.TrimSpace(rest)), 10, 64)
			return time.Unix(sec, 0).UTC(), err
		}
	}
	return time.Time{}, fmt.Errorf("/proc/stat has no btime")
}
