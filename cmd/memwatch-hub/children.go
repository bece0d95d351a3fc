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
	"sync"
	"syscall"
	"time"
)

// program finds a program of this house: beside this one, or on the PATH.
func program(name string) (string, error) {
	if self, err := os.Executable(); err == nil {
		beside := filepath.Join(filepath.Dir(self), name)
		if info, err := os.Stat(beside); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			return beside, nil
		}
	}
	path, err := exec.LookPath(name)
	if err != nil {
		return "", fmt.Errorf("the demo needs the program %s beside memwatch-hub or on the PATH: build all of them with 'make build'", name)
	}
	return path, nil
}

// children are the processes that this one started. They end with it: by stop,
// and where it is killed, by the kernel or by the end of their standard input.
type children struct {
	logs  string
	ended func(error) // told when one ends by itself

	wg    sync.WaitGroup
	mu    sync.Mutex
	alive []*child
	over  bool
}

type child struct {
	cmd   *exec.Cmd
	stdin io.Closer
	ended chan struct{}
}

var listensOn = regexp.MustCompile(`http://127\.0\.0\.1:\d+`)

// start starts a process whose output goes to a log. If it is named, it is a
// service that says where it listens; that address is returned.
func (c *children) start(ctx context.Context, name, program string, args ...string) (url string, err error) {
	label := name
	if label == "" {
		label = filepath.Base(program)
	}
	log, err := os.Create(filepath.Join(c.logs, label+".log"))
	if err != nil {
		return "", fmt.Errorf("start %s: %w", label, err)
	}
	// stop ends it, gently first; a context would kill it.
	k := &child{cmd: exec.Command(program, args...), ended: make(chan struct{})} //nolint:noctx
	endWithParent(k.cmd)
	if k.stdin, err = k.cmd.StdinPipe(); err != nil {
		return "", errors.Join(fmt.Errorf("start %s: %w", label, err), log.Close())
	}
	said := make(chan string, 1)
	out := &firstMatch{to: log, found: said}
	k.cmd.Stdout, k.cmd.Stderr = out, log
	started := make(chan error)
	c.wg.Go(func() { c.live(k, label, log, started) })
	if err := <-started; err != nil {
		return "", fmt.Errorf("start %s: %w", label, err)
	}
	c.mu.Lock()
	c.alive = append(c.alive, k)
	c.mu.Unlock()
	if name == "" {
		return "", nil
	}
	select {
	case url := <-said:
		return url, nil
	case <-k.ended:
		return "", fmt.Errorf("%s ended at once: see %s", label, log.Name())
	case <-ctx.Done():
		return "", context.Cause(ctx)
	case <-time.After(10 * time.Second):
		return "", fmt.Errorf("%s did not say within 10 s where it listens: see %s", label, log.Name())
	}
}

// live starts a process and waits for its end, on one system thread: the kernel
// ends a child with the thread that started it.
func (c *children) live(k *child, label string, log *os.File, started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer close(k.ended)
	defer func() { _ = log.Close() }()
	err := k.cmd.Start()
	started <- err
	if err != nil {
		return
	}
	err = k.cmd.Wait()
	c.mu.Lock()
	over := c.over
	c.mu.Unlock()
	if !over {
		c.ended(fmt.Errorf("%s ended (%s): see %s", label, describe(err), log.Name()))
	}
}

func describe(err error) string {
	if err == nil {
		return "exit status 0"
	}
	return err.Error()
}

// patience is how long children may take to end when asked.
const patience = 8 * time.Second

// stop asks all children to end, the last one first, and waits for them.
func (c *children) stop() {
	c.mu.Lock()
	c.over = true
	alive := c.alive
	c.mu.Unlock()
	for i := len(alive) - 1; i >= 0; i-- {
		_ = alive[i].cmd.Process.Signal(syscall.SIGTERM)
		_ = alive[i].stdin.Close()
	}
	late := time.AfterFunc(patience, func() {
		for _, k := range alive {
			_ = k.cmd.Process.Kill()
		}
	})
	defer late.Stop()
	c.wg.Wait()
}

// firstMatch passes output on and reports the first address in it.
type firstMatch struct {
	to    io.Writer
	found chan<- string
	line  []byte
	done  bool
}

func (f *firstMatch) Write(p []byte) (int, error) {
	if !f.done {
		f.line = append(f.line, p...)
		advance, line, _ := bufio.ScanLines(f.line, false)
		for ; advance > 0 && !f.done; advance, line, _ = bufio.ScanLines(f.line, false) {
			if m := listensOn.Find(line); m != nil {
				f.found <- string(m)
				f.done, f.line = true, nil
				break
			}
			f.line = f.line[advance:]
		}
		if len(f.line) > 64<<10 {
			f.line = nil
		}
	}
	return f.to.Write(p)
}
