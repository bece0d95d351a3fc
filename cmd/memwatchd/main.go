// Command memwatchd watches the memory of services from beside them: it reads
// the endpoints that they have, decides whether they leak, and tells a hub.
//
// Flags, environment and signals end here; what is done with them is the
// business of agent/.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

// The exit statuses of every command (once has a meaning for 1 of its own: found).
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
	// exitUnjudged is once's: a target could not be read, or too little was seen.
	exitUnjudged = 3
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], system{out: os.Stdout, err: os.Stderr, env: os.LookupEnv}))
}

// system is the outside world as commands see it.
type system struct {
	out, err io.Writer
	env      func(string) (string, bool)
}

// statusError is an error with the exit status that it means; a nil cause
// means that everything has been said already.
type statusError struct {
	status int
	cause  error
}

func (e *statusError) Error() string {
	if e.cause == nil {
		return fmt.Sprintf("exit status %d", e.status)
	}
	return e.cause.Error()
}

func (e *statusError) Unwrap() error { return e.cause }

func usage(err error) error { return &statusError{exitUsage, err} }

// run is main with its surroundings given; it returns the exit status.
func run(ctx context.Context, args []string, sys system) int {
	root := newRoot(sys) //nolint:contextcheck // cobra hands the context to each command
	root.SetArgs(args)
	root.SetOut(sys.out)
	root.SetErr(sys.err)
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return exitOK
	}
	status := exitFailed
	var s *statusError
	if errors.As(err, &s) {
		status = s.status
		if s.cause == nil {
			return status
		}
	} else if cmd == root {
		status = exitUsage // cobra's own word on an unknown command
	}
	_, _ = fmt.Fprintf(sys.err, "%s: %v\n", cmd.CommandPath(), err)
	if status == exitUsage {
		_, _ = fmt.Fprintf(sys.err, "Try '%s --help'.\n", cmd.CommandPath())
	}
	return status
}

func newRoot(sys system) *cobra.Command {
	root := &cobra.Command{
		Use:   "memwatchd",
		Short: "Says that a service leaks memory, where, how fast, and until when",
		Long: "memwatchd watches services through the pprof, expvar and metrics endpoints that they\n" +
			"have already, decides on the spot whether they leak, and saves the heap profiles that\n" +
			"prove it. Nothing is installed in the watched service.",
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          cobra.NoArgs,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usage(err) })
	root.AddCommand(newRun(sys), newOnce(sys), newRecord(sys), newReplay(sys), newConfig(sys), newKubeInject(sys), newVersion(sys))
	return root
}

// args turns cobra's complaint about arguments into a usage error.
func args(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, a []string) error {
		if err := check(cmd, a); err != nil {
			return usage(err)
		}
		return nil
	}
}
