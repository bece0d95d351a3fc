package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"gopkg.in/yaml.v3"

	"github.com/zupee/memwatch/agent"
	"github.com/zupee/memwatch/detector"
)

func newReplay(sys system) *cobra.Command {
	var asJSON, explain bool
	var sets []string
	cmd := &cobra.Command{
		Use:   "replay PATH...",
		Short: "Run the detector over recordings, or folders of them",
		Example: "  memwatchd replay ./recordings\n" +
			"  memwatchd replay --json --set significance=4 ./recordings/shop | jq .finalState",
		Args: args(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, paths []string) error {
			cfg, err := detectorWith(sets)
			if err != nil {
				return usage(err)
			}
			dirs, err := recordings(paths)
			if err != nil {
				return usage(err)
			}
			for _, dir := range dirs {
				res, err := agent.Replay(cmd.Context(), dir, cfg)
				if err != nil {
					return err
				}
				if asJSON {
					err = json.NewEncoder(sys.out).Encode(res)
				} else {
					err = writeReplay(sys.out, &res, explain)
				}
				if err != nil {
					return err
				}
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "one JSON object a line")
	cmd.Flags().BoolVar(&explain, "explain", false, "print every gate of the verdict, its value and what it needed")
	cmd.Flags().StringArrayVar(&sets, "set", nil, "a detector setting as key=value; may be repeated")
	return cmd
}

// detectorWith is the detector's defaults with settings over them.
func detectorWith(sets []string) (detector.Config, error) {
	cfg := detector.DefaultConfig()
	for _, set := range sets {
		key, value, ok := strings.Cut(set, "=")
		if !ok {
			return cfg, fmt.Errorf("--set %s: want key=value", set)
		}
		dec := yaml.NewDecoder(strings.NewReader(key + ": " + value))
		dec.KnownFields(true)
		if err := dec.Decode(&cfg); err != nil {
			known, _ := yaml.Marshal(detector.DefaultConfig())
			return cfg, fmt.Errorf("--set %s: no such setting, or not a number; they are, with their defaults:\n%s", set, known)
		}
	}
	if err := cfg.Validate(); err != nil {
		return cfg, fmt.Errorf("--set: %w", err)
	}
	return cfg, nil
}

// recordings finds the recordings at the paths and below them.
func recordings(paths []string) ([]string, error) {
	var dirs []string
	for _, path := range paths {
		n := len(dirs)
		err := filepath.WalkDir(path, func(p string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if !d.IsDir() && d.Name() == "samples.jsonl" {
				dirs = append(dirs, filepath.Dir(p))
			}
			return nil
		})
		if errors.Is(err, os.ErrNotExist) {
			return nil, fmt.Errorf("%s is not there", path)
		}
		if err != nil {
			return nil, err
		}
		if len(dirs) == n {
			return nil, fmt.Errorf("%s holds no recording: a recording is a folder with samples.jsonl", path)
		}
	}
	return dirs, nil
}

func writeReplay(w io.Writer, r *agent.ReplayResult, explain bool) error {
	at := func(s *float64) string {
		if s == nil {
			return "never"
		}
		return strconv.FormatFloat(*s, 'f', 0, 64) + " s"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n  %s at the end, %s at worst; suspect after %s, leaking after %s; %d readings, %d failed, %d restarts\n",
		r.Recording, r.FinalState, r.WorstState, at(r.FirstSuspectSeconds), at(r.FirstLeakingSeconds), r.Samples, r.ScrapeErrors, r.Restarts)
	if r.Verdict != nil {
		fmt.Fprintf(&b, "  %s\n", r.Verdict.Summary)
		writeCulprits(&b, r.Verdict.Culprits)
		if explain {
			writeGates(&b, r.Verdict.Gates)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}
