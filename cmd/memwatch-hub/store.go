package main

import (
	"errors"
	"io"

	"github.com/spf13/cobra"

	"github.com/zupee/memwatch/hub"
)

func newMigrate(stdout io.Writer) *cobra.Command {
	var file, address string
	cmd := &cobra.Command{
		Use:   "migrate --store postgres://...",
		Short: "Bring a PostgreSQL database's form up to date",
		Long: "Bring the form of a PostgreSQL database up to that of this program, and say what was done.\n" +
			"A hub does so itself when it starts; SQLite needs no such command.",
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := load(file)
			if err != nil {
				return usageError{err}
			}
			if cmd.Flags().Changed("store") {
				cfg.Store, cfg.StoreFile = address, ""
			}
			to, err := cfg.StoreAddress()
			if err == nil && to == "" {
				err = errors.New("--store is missing: want postgres://user@host/database")
			}
			if err != nil {
				return usageError{err}
			}
			return hub.MigrateStore(cmd.Context(), to, stdout)
		},
	}
	cmd.Flags().StringVar(&file, "config", "", "configuration `file` of the hub, for its store")
	cmd.Flags().StringVar(&address, "store", "", "`address` of the database")
	return cmd
}

func newCopy(stdout io.Writer) *cobra.Command {
	var from, address string
	cmd := &cobra.Command{
		Use:   "copy --from FOLDER --to postgres://...",
		Short: "Copy a hub's data from SQLite into PostgreSQL",
		Long: "Copy readings, verdicts, alerts with their logs, and descriptions of captures from the data folder\n" +
			"of a hub that is stopped into a PostgreSQL database. What is there already stays: run it again\n" +
			"when it broke off. Profiles, users and tokens stay in the folder.",
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if from == "" || address == "" {
				return usageError{errors.New("--from or --to is missing: want a data folder and postgres://user@host/database")}
			}
			to, err := (hub.Config{Store: address}).StoreAddress()
			if err != nil {
				return usageError{err}
			}
			return hub.CopyStore(cmd.Context(), from, to, stdout)
		},
	}
	cmd.Flags().StringVar(&from, "from", "", "data `folder` of the hub")
	cmd.Flags().StringVar(&address, "to", "", "`address` of the database")
	return cmd
}
