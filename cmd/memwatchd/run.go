package main

import (
	"context"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/zupee/memwatch/agent"
	"github.com/zupee/memwatch/config"
	"github.com/zupee/memwatch/internal/version"
)

func newRun(sys system) *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Watch services for good and tell the hub",
		Long: "Watches the targets of the configuration until it is told to end (SIGTERM). Flags beat the\n" +
			"environment, the environment beats the file. Without a file it watches http://localhost:6060,\n" +
			"as a sidecar does. The file is read again when it changes and on SIGHUP; one with mistakes\n" +
			"changes nothing.",
		Example: "  memwatchd run --config config.yaml\n" +
			"  memwatchd run --service-name shop --dashboard-url ws://hub:4000",
		Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			hangup := make(chan os.Signal, 1)
			signal.Notify(hangup, syscall.SIGHUP)
			defer signal.Stop(hangup)
			load := func() (config.Config, error) { return config.Load(file, sys.env, optionValues(cmd.Flags())) }
			cfg, err := load()
			if err != nil {
				return usage(err)
			}
			level := new(slog.LevelVar)
			log := newLog(sys.err, cfg.Log, level)
			log.Info("memwatchd starts", "version", version.String())
			fitMemory(sys.env, containerLimit, log)

			r := reloader{file: file, load: load, hangup: hangup, level: level, format: cfg.Log.Format, log: log, out: make(chan agent.Reload)}
			ctx, cancel := context.WithCancel(cmd.Context())
			stopped := make(chan struct{})
			go func() {
				defer close(stopped)
				r.run(ctx)
			}()
			defer func() {
				cancel()
				<-stopped
			}()
			return agent.Run(ctx, cfg.Agent(), r.out, log)
		},
	}
	cmd.Flags().StringVar(&file, "config", "", "configuration file (YAML); see config.example.yaml")
	addOptions(cmd.Flags())
	return cmd
}

// lookEvery is how often the configuration file is looked at.
const lookEvery = 2 * time.Second

// reloader reads the configuration again when there is a reason to.
type reloader struct {
	file   string
	load   func() (config.Config, error)
	hangup <-chan os.Signal
	level  *slog.LevelVar
	format string
	log    *slog.Logger
	out    chan agent.Reload
}

func (r *reloader) run(ctx context.Context) {
	changed := make(chan struct{}, 1)
	if r.file != "" {
		tick := time.NewTicker(lookEvery)
		defer tick.Stop()
		watching := make(chan struct{})
		go func() {
			defer close(watching)
			config.Watch(ctx, r.file, tick.C, func() {
				select {
				case changed <- struct{}{}:
				default:
				}
			})
		}()
		defer func() { <-watching }()
	}
	for {
		select {
		case <-changed:
			r.log.Info("configuration file changed", "file", r.file)
		case <-r.hangup:
			r.log.Info("told to read the configuration again", "signal", "SIGHUP")
		case <-ctx.Done():
			return
		}
		select {
		case r.out <- r.reload():
		case <-ctx.Done():
			return
		}
	}
}

// reload reads the configuration, and sees to the part of it that is ours.
func (r *reloader) reload() agent.Reload {
	cfg, err := r.load()
	if err != nil {
		return agent.Reload{Err: err}
	}
	r.level.Set(levels[cfg.Log.Level])
	if cfg.Log.Format != r.format {
		r.log.Warn("log.format takes effect at the next start only", "found", cfg.Log.Format, "now", r.format)
	}
	return agent.Reload{Config: cfg.Agent()}
}

// addOptions adds a flag for each key that may be set by one.
func addOptions(flags *pflag.FlagSet) {
	for _, o := range config.Options() {
		flags.String(o.Flag, o.Default, o.Help+" (env "+o.Env+")")
		if o.Bool {
			flags.Lookup(o.Flag).NoOptDefVal = "true"
		}
	}
}

// optionValues are the flags that were given, by name.
func optionValues(flags *pflag.FlagSet) map[string]string {
	given := map[string]string{}
	for _, o := range config.Options() {
		if f := flags.Lookup(o.Flag); f != nil && f.Changed {
			given[o.Flag] = f.Value.String()
		}
	}
	return given
}

var levels = map[string]slog.Level{"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError}

// newLog writes at level, which cfg sets.
func newLog(w io.Writer, cfg config.Log, level *slog.LevelVar) *slog.Logger {
	level.Set(levels[cfg.Level])
	opts := &slog.HandlerOptions{Level: level}
	if cfg.Format == "json" {
		return slog.New(slog.NewJSONHandler(w, opts))
	}
	return slog.New(slog.NewTextHandler(w, opts))
}
