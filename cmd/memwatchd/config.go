package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/zupee/memwatch/config"
)

func newConfig(sys system) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Check the configuration, show what it comes to, or print its schema",
		Args:  args(cobra.NoArgs),
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newConfigCheck(sys), newConfigShow(sys), newConfigSchema(sys))
	return cmd
}

func newConfigCheck(sys system) *cobra.Command {
	return withFile(&cobra.Command{
		Use:   "check [FILE]",
		Short: "Say everything that is wrong with a configuration; exit status 2 if anything is",
	}, sys, func(file string, cfg config.Config) error {
		_, err := fmt.Fprintf(sys.out, "%s: good, %d targets\n", file, len(cfg.Agent().Targets))
		return err
	})
}

func newConfigShow(sys system) *cobra.Command {
	return withFile(&cobra.Command{
		Use:   "show [FILE]",
		Short: "Print the configuration as it takes effect, with secrets masked",
	}, sys, func(_ string, cfg config.Config) error {
		b, err := cfg.Show()
		if err != nil {
			return err
		}
		_, err = sys.out.Write(b)
		return err
	})
}

func newConfigSchema(sys system) *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON Schema of the configuration, for editors",
		Args:  args(cobra.NoArgs),
		RunE: func(*cobra.Command, []string) error {
			b, err := config.Schema()
			if err != nil {
				return err
			}
			_, err = sys.out.Write(b)
			return err
		},
	}
}

// withFile completes a command that looks at a loaded configuration. The file
// may be given as an argument or, as for run, by --config.
func withFile(cmd *cobra.Command, sys system, do func(file string, cfg config.Config) error) *cobra.Command {
	var file string
	cmd.Args = args(cobra.MaximumNArgs(1))
	cmd.Flags().StringVar(&file, "config", "", "configuration file (YAML); see config.example.yaml")
	addOptions(cmd.Flags())
	cmd.RunE = func(cmd *cobra.Command, given []string) error {
		if len(given) > 0 {
			if file != "" && file != given[0] {
				return usage(fmt.Errorf("two files: %s and --config %s; want one", given[0], file))
			}
			file = given[0]
		}
		cfg, err := config.Load(file, sys.env, optionValues(cmd.Flags()))
		if err != nil {
			return usage(err)
		}
		if file == "" {
			file = "defaults and environment"
		}
		return do(file, cfg)
	}
	return cmd
}
