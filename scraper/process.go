package scraper

import (
	"bytes"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/zupee/memwatch"
)

// process reads what the system knows of the target: resident memory, start
// time and the cgroup's limit. It works where the process can be seen: the same
// machine, or a shared process namespace. The zero value knows no process.
type process struct {
	pid   int
	start time.Time
}

// userHZ is the unit of start times in /proc/PID/stat: 100 on every Linux port
// that Go runs on.
const userHZ = 100

// find looks for the process that listens on the target's port of this
// machine; it stays unknown when there is none or it may not be seen.
func (p *process) find(base *url.URL) {
	*p = process{}
	port, err := strconv.ParseUint(base.Port(), 10, 16)
	if err != nil || !isLoopback(base.Hostname()) {
		return
	}
	inodes := listeners(uint16(port))
	if len(inodes) == 0 {
		return
	}
	links, _ := filepath.Glob("/proc/[0-9]*/fd/*")
	for _, link := range links {
		to, err := os.Readlink(link)
		if err == nil && inodes[to] {
			pid, _ := strconv.Atoi(strings.Split(link, "/")[2])
			p.use(pid)
			return
		}
	}
}

// use takes a known process.
func (p *process) use(pid int) {
	start, err := startTime(pid)
	if err == nil {
		*p = process{pid: pid, start: start}
	}
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// listeners are the sockets that listen on a TCP port, as /proc/PID/fd names them.
func listeners(port uint16) map[string]bool {
	const listen, local, state, inode = "0A", 1, 3, 9
	found := map[string]bool{}
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		text, err := os.ReadFile(table)
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(text)) {
			f := strings.Fields(line)
			if len(f) > inode && f[state] == listen && strings.HasSuffix(f[local], fmt.Sprintf(":%04X", port)) {
				found["socket:["+f[inode]+"]"] = true
			}
		}
	}
	return found
}

// read adds what the system says to a sample; it reports false when the process
// is gone or another has its number.
func (p *process) read(s *memwatch.Sample) bool {
	if p.pid == 0 {
		return true
	}
	start, err := startTime(p.pid)
	if err != nil || !start.Equal(p.start) {
		return false
	}
	s.Start = p.start
	// Fields of statm are pages: total, resident, …
	if text, err := os.ReadFile(p.path("statm")); err == nil {
		if f := strings.Fields(string(text)); len(f) > 1 {
			if pages, err := strconv.ParseFloat(f[1], 64); err == nil {
				s.Set(memwatch.RSSBytes, pages*float64(os.Getpagesize()))
			}
		}
	}
	if limit, ok := cgroupLimit(p.pid); ok {
		s.Set(memwatch.LimitBytes, limit)
	}
	return true
}

func (p *process) path(file string) string { return fmt.Sprintf("/proc/%d/%s", p.pid, file) }

// startTime is when a process began, from ticks since boot.
func startTime(pid int) (time.Time, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return time.Time{}, err
	}
	// The name in parentheses may hold spaces; field 22 is the 20th after it.
	_, rest, _ := bytes.Cut(text[max(0, bytes.LastIndexByte(text, ')')):], []byte(" "))
	fields := strings.Fields(string(rest))
	if len(fields) < 20 {
		return time.Time{}, fmt.Errorf("/proc/%d/stat has %d fields", pid, len(fields))
	}
	ticks, err := strconv.ParseInt(fields[19], 10, 64)
	if err != nil {
		return time.Time{}, err
	}
	boot, err := bootTime()
	return boot.Add(time.Duration(ticks) * time.Second / userHZ), err
}

func bootTime() (time.Time, error) {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return time.Time{}, err
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "btime "); ok {
			sec, err := strconv.ParseInt(strings.TrimSpace(rest), 10, 64)
			return time.Unix(sec, 0).UTC(), err
		}
	}
	return time.Time{}, fmt.Errorf("/proc/stat has no btime")
}

// cgroupLimit is the lowest memory limit on the way from the process's cgroup
// to the root, version 2 or 1.
func cgroupLimit(pid int) (float64, bool) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
	if err != nil {
		return 0, false
	}
	lowest, found := noLimit, false
	for line := range strings.Lines(string(text)) {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(parts) != 3 {
			continue
		}
		root, file := "/sys/fs/cgroup", "memory.max"
		if parts[1] == "memory" {
			root, file = "/sys/fs/cgroup/memory", "memory.limit_in_bytes"
		} else if parts[1] != "" {
			continue
		}
		for dir := filepath.Clean("/" + parts[2]); ; dir = filepath.Dir(dir) {
			if v, err := readNumber(filepath.Join(root, dir, file)); err == nil && v < lowest {
				lowest, found = v, true
			}
			if dir == "/" {
				break
			}
		}
	}
	return lowest, found
}

func readNumber(path string) (float64, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	return strconv.ParseFloat(strings.TrimSpace(string(text)), 64) // "max" is no number: no limit
}
