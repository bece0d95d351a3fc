package scraper

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
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
	root string // "/", but for tests
	pid  int
	// stat is /proc/PID/stat, kept open: it costs one call to read, and when the
	// process ends it is nobody else's, whoever gets its number.
	stat  *os.File
	line  [512]byte // of stat
	ticks int64     // when the process began, since boot
	start time.Time
	env   memwatch.Sample // GOGC and GOMEMLIMIT
	build Build
	// group is the one that limits the process, as of groupAt.
	group   group
	groupAt time.Time
}

// groupEvery is how often to look which group limits a process, and by how
// much; what the group uses is read each time.
const groupEvery = time.Minute

// clockSlack is how far two readings of one start time may lie apart: whole
// seconds, and a clock that is being set.
const clockSlack = 2 * time.Second

// userHZ is the unit of start times in /proc/PID/stat: 100 on every Linux port
// that Go runs on.
const userHZ = 100

// use takes a known process; it stays unknown when it cannot be seen.
func (p *process) use(pid int) {
	p.forget()
	f, err := os.Open(p.file(pid, "stat"))
	if err != nil {
		return
	}
	p.stat = f
	var start time.Time
	ticks, _, err := p.readStat()
	if err == nil {
		start, err = startTime(p.root, ticks)
	}
	if err != nil {
		p.forget()
		return
	}
	p.pid, p.ticks, p.start, p.build = pid, ticks, start, buildOfFile(p.file(pid, "exe"))
	p.readEnv()
}

// forget lets go of the process.
func (p *process) forget() {
	if p.stat != nil {
		_ = p.stat.Close()
	}
	*p = process{root: p.root}
}

// read adds what the system says to a sample; it reports false when the process
// is gone or another has its number.
func (p *process) read(s *memwatch.Sample) bool {
	if p.pid == 0 {
		return true
	}
	ticks, resident, err := p.readStat()
	if err != nil || ticks != p.ticks {
		return false
	}
	s.Start = p.start
	s.Set(memwatch.RSSBytes, float64(resident)*float64(os.Getpagesize()))
	if s.Time.Sub(p.groupAt).Abs() >= groupEvery {
		p.group, p.groupAt = cgroups{p.root}.tightest(p.pid), s.Time
	}
	if usage, ok := p.group.usage(); ok {
		s.Set(memwatch.LimitBytes, p.group.limit)
		s.Set(memwatch.CgroupBytes, usage)
	}
	for sig, v := range p.env.All() {
		set(s, sig, v)
	}
	return true
}

// readStat reads when the process began, in ticks since boot, and its resident
// pages.
func (p *process) readStat() (ticks, resident int64, err error) {
	n, err := p.stat.ReadAt(p.line[:], 0)
	if n == 0 {
		return 0, 0, err
	}
	return parseStat(p.line[:n])
}

// parseStat reads a line of /proc/PID/stat. The name in parentheses may hold
// spaces; fields 22 and 24 are the 20th and 22nd after it.
func parseStat(line []byte) (ticks, resident int64, err error) {
	_, rest, _ := bytes.Cut(line[max(0, bytes.LastIndexByte(line, ')')):], []byte(" "))
	place := 0
	for field := range bytes.FieldsSeq(rest) {
		switch place++; place {
		case 20:
			ticks, err = strconv.ParseInt(string(field), 10, 64)
		case 22:
			resident, err = strconv.ParseInt(string(field), 10, 64)
			return ticks, resident, err
		}
		if err != nil {
			return 0, 0, err
		}
	}
	return 0, 0, fmt.Errorf("a line of /proc/PID/stat has %d fields, want 24 or more", place+2)
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
func startTime(root string, ticks int64) (time.Time, error) {
	text, err := os.ReadFile(filepath.Join(root, "proc/stat"))
	if err != nil {
		return time.Time{}, err
	}
	for line := range bytes.Lines(text) {
		if rest, ok := bytes.CutPrefix(line, []byte("btime ")); ok {
			boot, err := strconv.ParseInt(string(bytes.TrimSpace(rest)), 10, 64)
			return time.Unix(boot, 0).UTC().Add(time.Duration(ticks) * time.Second / userHZ), err
		}
	}
	return time.Time{}, fmt.Errorf("%s has no btime", filepath.Join(root, "proc/stat"))
}
