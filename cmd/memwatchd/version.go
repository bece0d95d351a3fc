package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/zupee/memwatch/internal/output"
	"github.com/zupee/memwatch/internal/version"
)

func newVersion(sys system) *cobra.Command {
	var out output.Format
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  args(cobra.NoArgs),
		RunE: func(*cobra.Command, []string) error {
			v := version.Of("memwatchd")
			return out.Write(sys.out, v, func(w io.Writer) error {
				_, err := fmt.Fprintln(w, v)
				return err
			})
		},
	}
	out.Flag(cmd)
	return cmd
}
