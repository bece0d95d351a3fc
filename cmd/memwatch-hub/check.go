package main

import (
	"io"

	"github.com/spf13/cobra"

	"github.com/zupee/memwatch/internal/output"
)

// checkOutput is what config check --output json answers.
type checkOutput struct {
	// File is the configuration's.
	File string `json:"file"`
	Good bool   `json:"good"`
	// Problem names the key, what was found and what is allowed; absent when all is good.
	Problem string `json:"problem,omitempty"`
}

func newConfig(stdout io.Writer) *cobra.Command {
	cmd := &cobra.Command{
		Use: "config", Short: "Check the hub's configuration",
		Args: noArgs, RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	var out output.Format
	check := &cobra.Command{
		Use: "check FILE", Short: "Say what is wrong with a configuration; exit status 2 if anything is", Args: oneArg,
		RunE: func(_ *cobra.Command, args []string) error {
			cfg, err := load(args[0])
			if err == nil {
				err = cfg.Validate()
			}
			said, words := checkOutput{File: args[0], Good: true}, args[0]+": good\n"
			if err != nil {
				said.Good, said.Problem = false, err.Error()
				words = "" // standard error says it
			}
			failed := out.Write(stdout, said, func(w io.Writer) error {
				_, err := io.WriteString(w, words)
				return err
			})
			if err != nil {
				return usageError{err}
			}
			return failed
		},
	}
	out.Flag(check)
	cmd.AddCommand(check)
	return cmd
}
