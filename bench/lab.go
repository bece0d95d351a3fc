package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// lab builds programs, runs them and reads what they used.
type lab struct {
	dir    string // of the programs and their files
	pairs  int
	length time.Duration
	soak   time.Duration // how long a soak lasts
	plots  string        // folder for drawings; "" is for none
	out    io.Writer
}

func newLab(ctx context.Context, pairs int, length, soak time.Duration, out io.Writer) (*lab, error) {
	if runtime.GOOS != "linux" {
		return nil, errors.New("CPU time and memory are read from /proc: run this on Linux")
	}
	dir, err := os.MkdirTemp("", "memwatch-bench-")
	if err != nil {
		return nil, err
	}
	l := &lab{dir: dir, pairs: pairs, length: length, soak: soak, out: out}
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", dir+"/",
		"./cmd/memwatchd", "./cmd/memwatch-hub", "./bench/target", "./bench/plain", "./bench/profiled", "./bench/raw")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if said, err := build.CombinedOutput(); err != nil {
		l.close()
		return nil, fmt.Errorf("build the programs: %w\n%s", err, said)
	}
	return l, nil
}

func (l *lab) close() { _ = os.RemoveAll(l.dir) }

// stamp says how a section came about.
func (l *lab) stamp(r row) string {
	commit := "unknown"
	if b, err := exec.Command("git", "describe", "--always", "--dirty").Output(); err == nil {
		commit = strings.TrimSpace(string(b))
	}
	figures := fmt.Sprintf("medians of %d runs (least–most)", l.pairs)
	if r.once != "" {
		figures = r.once
	}
	return fmt.Sprintf("`go run ./bench %s`, %s, commit %s, %s, %d cores; %s.",
		r.name, time.Now().UTC().Format("2 January 2006"), commit, runtime.Version(), runtime.NumCPU(), figures)
}

// process is a running program.
type process struct {
	cmd *exec.Cmd
	url string // where it says that it listens
}

var listening = regexp.MustCompile(`http://127\.0\.0\.1:\d+`)

// start runs a program until stop; with waitURL, it waits for the program to
// say where it listens.
func (l *lab) start(ctx context.Context, waitURL bool, name string, args ...string) (*process, error) {
	path := name
	if !filepath.IsAbs(name) {
		path = filepath.Join(l.dir, name)
	}
	p := &process{cmd: exec.CommandContext(ctx, path, args...)}
	p.cmd.Dir = l.dir
	// A session of its own, as a service manager gives it: the kernel shares the CPU out
	// among sessions, not processes.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setsid: true}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.cmd.Stderr = p.cmd.Stdout
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	lines := bufio.NewScanner(out)
	for waitURL && lines.Scan() {
		if p.url = listening.FindString(lines.Text()); p.url != "" {
			break
		}
	}
	if waitURL && p.url == "" {
		p.stop()
		return nil, fmt.Errorf("%s did not say where it listens", name)
	}
	go func() { _, _ = io.Copy(io.Discard, out) }()
	return p, nil
}

func (p *process) stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	_ = p.cmd.Wait()
}

// kill ends it as a crash does.
func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
}

// cpu is the CPU time used so far, in milliseconds, of all threads.
func (p *process) cpu() (float64, error) {
	// utime and stime of /proc/PID/stat count in hundredths of a second; the
	// scheduler's own account is exact, but forgets threads that have ended.
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", p.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	var total float64
	for _, path := range tasks {
		b, err := os.ReadFile(path)
		if err != nil {
			continue // a thread that has just ended
		}
		ns, _, _ := strings.Cut(string(b), " ")
		v, err := strconv.ParseFloat(ns, 64)
		if err != nil {
			return 0, fmt.Errorf("%s: %w", path, err)
		}
		total += v / 1e6
	}
	if len(tasks) == 0 {
		return 0, fmt.Errorf("process %d has ended", p.cmd.Process.Pid)
	}
	return total, nil
}

// rss is the resident memory, in megabytes.
func (p *process) rss() (float64, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", p.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	fields := strings.Fields(string(b))
	if len(fields) < 2 {
		return 0, fmt.Errorf("/proc/%d/statm: %q", p.cmd.Process.Pid, b)
	}
	pages, err := strconv.ParseFloat(fields[1], 64)
	return pages * float64(os.Getpagesize()) / 1e6, err
}

// used is the CPU time that processes take while wait lasts, in milliseconds each.
func used(ctx context.Context, wait time.Duration, ps ...*process) ([]float64, error) {
	before := make([]float64, len(ps))
	for i, p := range ps {
		var err error
		if before[i], err = p.cpu(); err != nil {
			return nil, err
		}
	}
	select {
	case <-time.After(wait):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	for i, p := range ps {
		now, err := p.cpu()
		if err != nil {
			return nil, err
		}
		before[i] = now - before[i]
	}
	return before, nil
}
