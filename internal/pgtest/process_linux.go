package pgtest

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	osuser "os/user"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
)

// process is a server's process. It ends with this one, whatever ends that.
type process struct {
	cmd   *exec.Cmd
	ended chan struct{}

	mu  sync.Mutex
	out bytes.Buffer
}

// Write implements io.Writer: what the server says.
func (p *process) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.out.Write(b)
}

func (p *process) log() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.out.String()
}

func run(program string, args []string, dir string) (*process, error) {
	p := &process{ended: make(chan struct{})}
	p.cmd = exec.Command(program, args...) //nolint:gosec,noctx // the program is the system's; it is ended by a signal
	p.cmd.Dir, p.cmd.Stdout, p.cmd.Stderr = dir, p, p
	unprivileged(p.cmd)
	p.cmd.SysProcAttr.Pdeathsig = syscall.SIGQUIT
	started := make(chan error)
	go func() {
		// The signal comes when the thread ends that started it: this one stays.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := p.cmd.Start()
		started <- err
		if err == nil {
			_ = p.cmd.Wait()
			close(p.ended)
		}
	}()
	return p, <-started
}

// interrupt ends it in order.
func (p *process) interrupt() error { return p.signal(syscall.SIGINT) }

// kill ends it and its children at once, without order: PostgreSQL's "immediate"
// shutdown, after which it recovers as after a crash.
func (p *process) kill() error { return p.signal(syscall.SIGQUIT) }

func (p *process) signal(sig syscall.Signal) error {
	select {
	case <-p.ended:
		return nil
	default:
	}
	if err := syscall.Kill(p.cmd.Process.Pid, sig); err != nil && !errors.Is(err, syscall.ESRCH) {
		return err
	}
	<-p.ended
	return nil
}

// cpu is what it and its children have used, in ticks of 10 ms: those that ended by
// its own account, the others by theirs.
func (p *process) cpu() (ticks int64) {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, file := range stats {
		b, err := os.ReadFile(file)
		if err != nil {
			continue // ended meanwhile
		}
		_, rest, _ := strings.Cut(string(b), ") ")
		f := strings.Fields(rest) // from the third field on: state, parent, …
		if len(f) < 15 || f[1] != strconv.Itoa(p.cmd.Process.Pid) && filepath.Base(filepath.Dir(file)) != strconv.Itoa(p.cmd.Process.Pid) {
			continue
		}
		for _, n := range f[11:15] { // user, system, and those of children that ended
			used, _ := strconv.ParseInt(n, 10, 64)
			ticks += used
		}
	}
	return ticks
}

// unprivileged has a program run as somebody else where this is root, as which
// PostgreSQL refuses to run.
func unprivileged(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{}
	if os.Geteuid() != 0 {
		return
	}
	if uid, gid, err := somebody(); err == nil {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	}
}

// own gives the folder to whom the server runs as.
func own(dir string) error {
	if os.Geteuid() != 0 {
		return nil
	}
	uid, gid, err := somebody()
	if err != nil {
		return err
	}
	// Whoever it is must be able to get there.
	if info, err := os.Stat(filepath.Dir(dir)); err != nil {
		return err
	} else if info.Mode().Perm()&0o001 == 0 {
		return fmt.Errorf("the folder for temporary files %s is closed to others: set TMPDIR to one that is not", filepath.Dir(dir))
	}
	return os.Chown(dir, uid, gid)
}

func somebody() (uid, gid int, err error) {
	for _, name := range []string{"postgres", "nobody"} {
		var u *osuser.User
		if u, err = osuser.Lookup(name); err == nil {
			uid, _ = strconv.Atoi(u.Uid)
			gid, _ = strconv.Atoi(u.Gid)
			return uid, gid, nil
		}
	}
	return 0, 0, fmt.Errorf("PostgreSQL does not run as root: %w", err)
}
