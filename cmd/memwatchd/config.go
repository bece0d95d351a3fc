package main

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"
	"gopkg.in/yaml.v3"

	"github.com/zupee/memwatch/config"
	"github.com/zupee/memwatch/internal/output"
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

// checkOutput is what config check --output json answers.
type checkOutput struct {
	// File is the configuration's, or says that there is none.
	File string `json:"file"`
	Good bool   `json:"good"`
	// Targets counts those that are named; discovery finds more.
	Targets  int       `json:"targets"`
	Problems []problem `json:"problems"`
}

// problem is one thing that is wrong with a configuration.
type problem struct {
	// Source is the file, the variable or the flag that says it.
	Source string `json:"source"`
	// Line is absent where there is none.
	Line int `json:"line,omitempty"`
	// Key is the path of the key; absent where the whole file is meant.
	Key string `json:"key,omitempty"`
	// Message says what was found, what is allowed, and what to do.
	Message string `json:"message"`
}

// problems lists what an error of config.Load joins.
func problems(err error) []problem {
	out := []problem{}
	var joined interface{ Unwrap() []error }
	var one *config.Error
	switch {
	case err == nil:
	case errors.As(err, &joined):
		for _, e := range joined.Unwrap() {
			out = append(out, problems(e)...)
		}
	case errors.As(err, &one):
		out = append(out, problem{one.Source, one.Line, one.Key, one.Message})
	default:
		out = append(out, problem{Message: err.Error()})
	}
	return out
}

func newConfigCheck(sys system) *cobra.Command {
	var out output.Format
	cmd := withFile(&cobra.Command{
		Use:   "check [FILE]",
		Short: "Say everything that is wrong with a configuration; exit status 2 if anything is",
	}, sys, func(file string, cfg config.Config, err error) error {
		said := checkOutput{File: file, Good: err == nil, Problems: problems(err)}
		if err == nil {
			said.Targets = len(cfg.Agent().Targets)
		}
		failed := out.Write(sys.out, said, func(w io.Writer) error {
			if err != nil {
				return usage(err)
			}
			_, err := fmt.Fprintf(w, "%s: good, %d targets\n", file, said.Targets)
			return err
		})
		if failed == nil && err != nil {
			return &statusError{status: exitUsage} // said already
		}
		return failed
	})
	out.Flag(cmd)
	return cmd
}

func newConfigShow(sys system) *cobra.Command {
	var out output.Format
	cmd := withFile(&cobra.Command{
		Use:   "show [FILE]",
		Short: "Print the configuration as it takes effect, with secrets masked",
	}, sys, func(_ string, cfg config.Config, err error) error {
		if err != nil {
			return usage(err)
		}
		b, err := cfg.Show()
		if err != nil {
			return err
		}
		var v any
		if err := yaml.Unmarshal(b, &v); err != nil {
			return fmt.Errorf("show configuration: %w", err)
		}
		return out.Write(sys.out, v, func(w io.Writer) error {
			_, err := w.Write(b)
			return err
		})
	})
	out.Flag(cmd)
	return cmd
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

// withFile completes a command that looks at a configuration, or at what is wrong
// with it. The file may be given as an argument or, as for run, by --config.
func withFile(cmd *cobra.Command, sys system, do func(file string, cfg config.Config, err error) error) *cobra.Command {
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
		if file == "" {
			file = "defaults and environment"
		}
		return do(file, cfg, err)
	}
	return cmd
}
