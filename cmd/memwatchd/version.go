package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/zupee/memwatch/internal/version"
)

func newVersion(sys system) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  args(cobra.NoArgs),
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprintln(sys.out, "memwatchd", version.String())
			return err
		},
	}
}
