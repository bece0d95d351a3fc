package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"runtime/metrics"
	"syscall"
	"time"
)

// A service that leaks is killed when it meets its limit, and started again by
// whoever keeps it running. leaky plays both parts, so that it may be left
// running without eating the machine.

// waitUntilFull returns true when the process holds limit bytes, false when ctx ends.
func waitUntilFull(ctx context.Context, limit uint64) bool {
	held := []metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return false
		case <-tick.C:
			metrics.Read(held)
			if held[0].Value.Uint64()-held[1].Value.Uint64() >= limit {
				return true
			}
		}
	}
}

// startAgain replaces the process by a new one at the same address; it returns
// only when that fails.
func startAgain(addr string, args []string, stderr io.Writer) int {
	program, err := os.Executable()
	if err == nil {
		// Of a flag given twice the last counts.
		err = syscall.Exec(program, append(append([]string{os.Args[0]}, args...), "--listen", addr), os.Environ()) //nolint:gosec // itself
	}
	fmt.Fprintf(stderr, "leaky: start again: %v\n", err)
	return 1
}
