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
	var from, address, blobsFrom, blobsTo string
	cmd := &cobra.Command{
		Use:   "copy [--from FOLDER --to postgres://...] [--blobs-from PLACE --blobs-to PLACE]",
		Short: "Copy a hub's data from SQLite into PostgreSQL, and profiles into an object store",
		Long: "Copy readings, verdicts, alerts with their logs, and descriptions of captures from the data folder\n" +
			"of a hub that is stopped into a PostgreSQL database. What is there already stays: run it again\n" +
			"when it broke off. Users and tokens stay in the folder. The bytes of profiles are copied from one place\n" +
			"to another when both are named: a folder of them (blobs in a data folder) or s3://bucket/prefix?endpoint=URL.",
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch {
			case from == "" && address == "" && blobsFrom == "" && blobsTo == "", (from == "") != (address == ""):
				return usageError{errors.New("--from or --to is missing: want a data folder and postgres://user@host/database")}
			case (blobsFrom == "") != (blobsTo == ""):
				return usageError{errors.New("--blobs-from or --blobs-to is missing: want a folder or s3://bucket/prefix for each")}
			}
			to, err := (hub.Config{Store: address}).StoreAddress()
			if err != nil {
				return usageError{err}
			}
			if blobsFrom != "" { // before the captures that name them
				if err := hub.CopyProfiles(cmd.Context(), blobsFrom, blobsTo, stdout); err != nil {
					return err
				}
			}
			if from == "" {
				return nil
			}
			return hub.CopyStore(cmd.Context(), from, to, stdout)
		},
	}
	cmd.Flags().StringVar(&from, "from", "", "data `folder` of the hub")
	cmd.Flags().StringVar(&address, "to", "", "`address` of the database")
	cmd.Flags().StringVar(&blobsFrom, "blobs-from", "", "`place` that profiles are copied from: a folder, or s3://…")
	cmd.Flags().StringVar(&blobsTo, "blobs-to", "", "`place` that they are copied to")
	return cmd
}
