package main

import (
	"io"
	"log/slog"

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
			"as a sidecar does.",
		Example: "  memwatchd run --config config.yaml\n" +
			"  memwatchd run --service-name shop --dashboard-url ws://hub:4000",
		Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := config.Load(file, sys.env, optionValues(cmd.Flags()))
			if err != nil {
				return usage(err)
			}
			log := newLog(sys.err, cfg.Log)
			log.Info("memwatchd starts", "version", version.String())
			return agent.Run(cmd.Context(), cfg.Agent(), log)
		},
	}
	cmd.Flags().StringVar(&file, "config", "", "configuration file (YAML); see config.example.yaml")
	addOptions(cmd.Flags())
	return cmd
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

func newLog(w io.Writer, cfg config.Log) *slog.Logger {
	level := map[string]slog.Level{"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError}[cfg.Level]
	opts := &slog.HandlerOptions{Level: level}
	if cfg.Format == "json" {
		return slog.New(slog.NewJSONHandler(w, opts))
	}
	return slog.New(slog.NewTextHandler(w, opts))
}
