package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// running is a run command with its log.
type running struct {
	log  syncBuffer
	done chan int
}

// startRun runs the agent in this process; it ends with the test, well.
func startRun(t *testing.T, file string) *running {
	t.Helper()
	r := &running{done: make(chan int, 1)}
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		r.done <- run(ctx, []string{"run", "--config", file}, system{
			out: &r.log, err: &r.log, env: func(string) (string, bool) { return "", false },
		})
	}()
	t.Cleanup(func() {
		cancel()
		if status := <-r.done; status != exitOK {
			t.Errorf("exit status %d, log:\n%s", status, r.log.String())
		}
	})
	r.says(t, "msg=watching")
	return r
}

// says waits until the log has a text.
func (r *running) says(t *testing.T, text string) {
	t.Helper()
	deadline := time.After(30 * time.Second)
	poll := time.NewTicker(20 * time.Millisecond)
	defer poll.Stop()
	for !strings.Contains(r.log.String(), text) {
		select {
		case <-poll.C:
		case <-deadline:
			t.Fatalf("the log lacks %q:\n%s", text, r.log.String())
		}
	}
}

func writeConfig(t *testing.T, file, more string) {
	t.Helper()
	doc := "dashboardUrl: \"\"\ncheckInterval: 100ms\nlisten: \"\"\nenableHeapSnapshots: false\nstateDir: \"\"\n" + more
	if err := os.WriteFile(file, []byte(doc), 0o600); err != nil {
		t.Fatal(err)
	}
}

// Not parallel: a signal is the whole process's.
func TestTheConfigurationIsReadAgainOnSIGHUPAndWhenItsFileChanges(t *testing.T) {
	file := filepath.Join(t.TempDir(), "config.yaml")
	one := "targets: [{service: one, url: '" + target(t) + "'}]\n"
	writeConfig(t, file, one)
	r := startRun(t, file)

	if err := syscall.Kill(os.Getpid(), syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	r.says(t, "SIGHUP")
	r.says(t, `msg="configuration reloaded" targets=1`)

	writeConfig(t, file, one+"chekInterval: 5s\n")
	r.says(t, "configuration not reloaded: the one before stays in effect")
	r.says(t, "config.yaml:7: chekInterval: unknown key")

	writeConfig(t, file, "targets: [{service: one, url: '"+target(t)+"'}, {service: two, url: '"+target(t)+"'}]\nlog: {level: debug, format: json}\n")
	r.says(t, `msg="configuration reloaded" targets=2`)
	r.says(t, "log.format takes effect at the next start only")
}
