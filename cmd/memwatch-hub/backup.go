package main

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/zupee/memwatch/hub"
)

func newBackup(stdout io.Writer) *cobra.Command {
	var file, data, blobs, to string
	cmd := &cobra.Command{
		Use:   "backup --to FOLDER",
		Short: "Copy the hub's data, also while it runs",
		Long: "Copy the data folder as it is at one moment: readings, alerts with their logs, profiles,\n" +
			"users and tokens. The hub may be running. The copy is checked, and is a data folder itself: start a hub on it to restore.",
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if to == "" {
				return usageError{errors.New("--to is missing: want a new folder")}
			}
			cfg, err := load(file)
			if err != nil {
				return usageError{err}
			}
			if cmd.Flags().Changed("data") {
				cfg.Data = data
			}
			if address, err := cfg.StoreAddress(); err != nil {
				return usageError{err}
			} else if address != "" {
				return usageError{fmt.Errorf("this hub keeps its readings, alerts and captures in PostgreSQL: back that database up with "+
					"pg_dump --format=custom, and the folder %s with what copies folders", cfg.Data)}
			}
			if cmd.Flags().Changed("blobs") {
				cfg.Blobs = blobs
			}
			return hub.Backup(cmd.Context(), cfg.Data, cfg.Blobs, to, stdout)
		},
	}
	cmd.Flags().StringVar(&file, "config", "", "configuration `file` of the hub, for data and blobs")
	cmd.Flags().StringVar(&data, "data", hub.DefaultConfig().Data, "`folder` of the hub")
	cmd.Flags().StringVar(&blobs, "blobs", "", "where the hub keeps profiles, if that is an object store (s3://…)")
	cmd.Flags().StringVar(&to, "to", "", "new `folder` for the copy")
	return cmd
}
