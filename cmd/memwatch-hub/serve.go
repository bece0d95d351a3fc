package main

import (
	"io"
	"log/slog"

	"github.com/spf13/cobra"

	"github.com/zupee/memwatch/hub"
	"github.com/zupee/memwatch/ui"
)

func newServe(stderr io.Writer) *cobra.Command {
	var file string
	var flags hub.Config
	var verbose bool
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the hub",
		Long: "Run the hub: agents, browsers and the API on one port, everything kept in one folder.\n" +
			"Flags beat the configuration file.",
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := load(file)
			if err != nil {
				return usageError{err}
			}
			if cmd.Flags().Changed("listen") {
				cfg.Listen = flags.Listen
			}
			if cmd.Flags().Changed("data") {
				cfg.Data = flags.Data
			}
			if cmd.Flags().Changed("store") {
				cfg.Store, cfg.StoreFile = flags.Store, ""
			}
			if cmd.Flags().Changed("blobs") {
				cfg.Blobs = flags.Blobs
			}
			if cmd.Flags().Changed("insecure") {
				cfg.Insecure = flags.Insecure
			}
			if cmd.Flags().Changed("auth") {
				cfg.Auth.Required = flags.Auth.Required
			}
			if cmd.Flags().Changed("tls-cert") || cmd.Flags().Changed("tls-key") {
				cfg.TLS.Cert, cfg.TLS.Key = flags.TLS.Cert, flags.TLS.Key
			}
			if err := cfg.Validate(); err != nil {
				return usageError{err}
			}
			level := slog.LevelInfo
			if verbose {
				level = slog.LevelDebug
			}
			cfg.UI = ui.FS()
			return hub.Run(cmd.Context(), cfg, newLogger(stderr, level))
		},
	}
	def := hub.DefaultConfig()
	cmd.Flags().StringVar(&file, "config", "", "configuration `file` (YAML); every key is in hub.example.yaml")
	cmd.Flags().StringVar(&flags.Listen, "listen", def.Listen, "`address` for agents, browsers and the API")
	cmd.Flags().StringVar(&flags.Data, "data", def.Data, "`folder` that everything is kept in")
	cmd.Flags().StringVar(&flags.Store, "store", "", "`address` of a PostgreSQL database, postgres://user@host/database, in place of SQLite in the data folder")
	cmd.Flags().StringVar(&flags.Blobs, "blobs", "", "keep profiles in an object store: s3://bucket/prefix?endpoint=`URL`&region=name; credentials as for the AWS tools")
	cmd.Flags().BoolVar(&flags.Insecure, "insecure", false, "allow an address that other machines can reach without --auth or without TLS")
	cmd.Flags().BoolVar(&flags.Auth.Required, "auth", false, "ask everybody who they are: users and tokens of memwatch-hub user and token")
	cmd.Flags().StringVar(&flags.TLS.Cert, "tls-cert", "", "certificate `file` (PEM, with the chain); read again when it changes")
	cmd.Flags().StringVar(&flags.TLS.Key, "tls-key", "", "its key `file` (PEM)")
	cmd.Flags().BoolVar(&verbose, "verbose", false, "log connections too")
	return cmd
}
