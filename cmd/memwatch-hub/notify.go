package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/zupee/memwatch/hub"
	"github.com/zupee/memwatch/internal/output"
)

func newNotify(stdout io.Writer) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "notify",
		Short: "Look after the channels that people are told over",
		Args:  noArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	var file string
	var out output.Format
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
			tests, err := hub.TestNotify(cmd.Context(), cfg, names)
			if err != nil {
				return err
			}
			if err := out.Write(stdout, tests, func(w io.Writer) error { return writeTests(w, tests) }); err != nil {
				return err
			}
			failed := 0
			for _, t := range tests {
				if t.Error != "" {
					failed++
				}
			}
			if failed > 0 {
				return fmt.Errorf("%d of %d channels failed", failed, len(tests))
			}
			return nil
		},
	}
	test.Flags().StringVar(&file, "config", "", "configuration `file` (YAML); every key is in hub.example.yaml")
	out.Flag(test)
	cmd.AddCommand(test)
	return cmd
}

func writeTests(w io.Writer, tests []hub.ChannelTest) error {
	var b strings.Builder
	for _, t := range tests {
		if t.Error != "" {
			fmt.Fprintf(&b, "%s: FAILED: %s\n", t.Channel, t.Error)
			continue
		}
		fmt.Fprintf(&b, "%s: sent\n", t.Channel)
	}
	_, err := io.WriteString(w, b.String())
	return err
}
