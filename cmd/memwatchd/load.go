package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"
)

// loadOutcome is what became of the command that ran as the load.
type loadOutcome struct {
	Args []string `json:"args"`
	// ExitStatus is -1 when a signal ended it.
	ExitStatus int `json:"exitStatus"`
	// Stopped says that it was still running when the check ended.
	Stopped bool `json:"stopped"`
}

// loadRun is a command under way.
type loadRun struct {
	args []string
	done chan struct{}
	// The rest is for after done.
	stopped bool
	status  int
}

// startLoad starts the command and calls ended when it ends. It is told to
// stop when ctx ends, and killed when it does not within five seconds. What it
// prints goes to out: standard output is the result's.
func startLoad(ctx context.Context, ended func(), args []string, out io.Writer) (*loadRun, error) {
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Stdout, cmd.Stderr = out, out
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 5 * time.Second
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the command: %w", err)
	}
	l := &loadRun{args: args, done: make(chan struct{})}
	go func() {
		defer close(l.done)
		defer ended()
		_ = cmd.Wait() // what it says is in ProcessState
		l.stopped = ctx.Err() != nil
		l.status = cmd.ProcessState.ExitCode()
	}()
	return l, nil
}

// wait returns what became of it; nil when there was none.
func (l *loadRun) wait() *loadOutcome {
	if l == nil {
		return nil
	}
	<-l.done
	return &loadOutcome{Args: l.args, ExitStatus: l.status, Stopped: l.stopped}
}

func (o *loadOutcome) String() string {
	switch {
	case o.Stopped:
		return fmt.Sprintf("%s was stopped with the check", o.Args[0])
	case o.ExitStatus < 0:
		return fmt.Sprintf("%s was ended by a signal", o.Args[0])
	}
	return fmt.Sprintf("%s ended with status %d", o.Args[0], o.ExitStatus)
}
