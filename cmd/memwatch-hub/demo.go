package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"gopkg.in/yaml.v3"

	"github.com/zupee/memwatch/hub"
	"github.com/zupee/memwatch/ui"
)

// demoServices are what the demo watches. The leaks begin after a while, so that
// there is a healthy profile to compare with.
var demoServices = []struct{ name, leak string }{
	{"catalog", "none"},
	{"cart", "map"},
	{"mailer", "goroutine"},
}

const (
	demoLeakAfter = "20s"
	demoIntensity = "4"
)

func newDemo(stdout, stderr io.Writer) *cobra.Command {
	var listen, data string
	var length time.Duration
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Show it: a hub, an agent, one healthy and two leaky services",
		Long: "Run a hub, and as processes of their own memwatchd, one healthy and two leaky services.\n" +
			"All of them end with this command.",
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx := cmd.Context()
			if length > 0 {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, length)
				defer cancel()
			}
			cfg := hub.DefaultConfig()
			cfg.Listen, cfg.Data, cfg.UI = listen, data, ui.FS()
			if data == "" {
				dir, err := os.MkdirTemp("", "memwatch-demo-")
				if err != nil {
					return fmt.Errorf("make a folder for the demo: %w", err)
				}
				defer func() { _ = os.RemoveAll(dir) }()
				cfg.Data = dir
			}
			if err := cfg.Validate(); err != nil {
				return usageError{err}
			}
			return demo(ctx, cfg, stdout, newLogger(stderr, slog.LevelWarn))
		},
	}
	cmd.Flags().StringVar(&listen, "listen", hub.DefaultConfig().Listen, "`address` of the page")
	cmd.Flags().StringVar(&data, "data", "", "`folder` to keep everything in (default: a temporary one)")
	cmd.Flags().DurationVar(&length, "for", 0, "end after this `time` (default: when interrupted)")
	return cmd
}

// demo runs the hub in this process and the others beside it until ctx ends or
// one of them does.
func demo(ctx context.Context, cfg hub.Config, stdout io.Writer, logger *slog.Logger) error {
	leaky, err := program("leaky")
	if err != nil {
		return err
	}
	memwatchd, err := program("memwatchd")
	if err != nil {
		return err
	}
	logs := filepath.Join(cfg.Data, "logs")
	if err := os.MkdirAll(logs, 0o750); err != nil {
		return fmt.Errorf("make a folder for the demo: %w", err)
	}
	ctx, stop := context.WithCancelCause(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer stop(nil)

	ready := make(chan string, 1)
	cfg.Ready = func(addr string) { ready <- addr }
	wg.Go(func() {
		if err := hub.Run(ctx, cfg, logger); err != nil {
			stop(err)
		}
		stop(errEnded)
	})
	var addr string
	select {
	case addr = <-ready:
	case <-ctx.Done():
		return cause(ctx)
	}
	children := &children{logs: logs, ended: stop}
	defer children.stop()
	if err := children.startAll(ctx, leaky, memwatchd, cfg.Data, addr); err != nil {
		if ctx.Err() != nil {
			return cause(ctx)
		}
		return err
	}
	fmt.Fprintf(stdout, demoText, addr, cfg.Data)
	<-ctx.Done()
	return cause(ctx)
}

var errEnded = errors.New("the hub ended")

// cause is why the demo ended; being told to is no error.
func cause(ctx context.Context) error {
	err := context.Cause(ctx)
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, errEnded) {
		return nil
	}
	return err
}

const demoText = `
    memwatch demo:  http://%s

    catalog   healthy: noisy, but nothing that stays
    cart      leaks memory: a map without expiry
    mailer    leaks goroutines: blocked on a channel that nobody reads

    Both leaks begin after 20 seconds; give the detector a minute to be sure.
    Then look at the service that is on top: the function, how fast, until when,
    and the profiles that prove it.

    A service that holds 2 GiB starts again, as one killed at its limit would.

    Data and logs: %s
    Ctrl-C ends everything.

`

func (c *children) startAll(ctx context.Context, leaky, memwatchd, data, hubAddr string) error {
	agent := map[string]any{
		"dashboardUrl": "ws://" + hubAddr, "checkInterval": "1s",
		"listen":       "", // nobody asks for the agent's own metrics here
		"snapshotPath": filepath.Join(data, "snapshots"),
		"stateDir":     filepath.Join(data, "state"),
		"spool":        map[string]any{"dir": filepath.Join(data, "spool")},
	}
	var targets []map[string]string
	for _, s := range demoServices {
		url, err := c.start(ctx, s.name, leaky, "--name", s.name, "--listen", "127.0.0.1:0",
			"--intensity", demoIntensity, "--simulate-leak", s.leak, "--leak-after", demoLeakAfter, "--exit-with-parent")
		if err != nil {
			return err
		}
		targets = append(targets, map[string]string{"service": s.name, "instance": s.name + "-1", "url": url})
	}
	agent["targets"] = targets
	b, err := yaml.Marshal(agent)
	if err != nil {
		return fmt.Errorf("write the agent's configuration: %w", err)
	}
	file := filepath.Join(data, "memwatchd.yaml")
	if err := os.WriteFile(file, b, 0o600); err != nil {
		return fmt.Errorf("write the agent's configuration: %w", err)
	}
	_, err = c.start(ctx, "", memwatchd, "run", "--config", file)
	return err
}
