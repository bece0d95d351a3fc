package main

import (
	"io"

	"github.com/spf13/cobra"

	"github.com/zupee/memwatch/hub"
)

func newNotify(stdout io.Writer) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "notify",
		Short: "Look after the channels that people are told over",
		Args:  noArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	var file string
	test := &cobra.Command{
		Use:   "test [CHANNEL...]",
		Short: "Send an example to the channels, to see whether they work",
		Long: "Send an example to the named channels of the configuration, or to all of them, whatever their\n" +
			"severities and hours are, and say what came of each. A hub need not be running.",
		RunE: func(cmd *cobra.Command, names []string) error {
			cfg, err := load(file)
			if err != nil {
				return usageError{err}
			}
			if err := cfg.Validate(); err != nil {
				return usageError{err}
			}
			return hub.TestNotify(cmd.Context(), cfg, names, stdout)
		},
	}
	test.Flags().StringVar(&file, "config", "", "configuration `file` (YAML); every key is in hub.example.yaml")
	cmd.AddCommand(test)
	return cmd
}
