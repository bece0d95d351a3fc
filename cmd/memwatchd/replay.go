package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"gopkg.in/yaml.v3"

	"github.com/zupee/memwatch"
	"github.com/zupee/memwatch/agent"
	"github.com/zupee/memwatch/config"
	"github.com/zupee/memwatch/detector"
)

func newReplay(sys system) *cobra.Command {
	var f replayFlags
	cmd := &cobra.Command{
		Use:   "replay PATH...",
		Short: "Run the detector over recordings, or folders of them",
		Long: "Judges recordings as the agent would have judged the services while they ran.\n\n" +
			"With --set the detector runs with other settings, and with its defaults beside them:\n" +
			"each recording that is judged differently says so, and so do the last lines. Settings are\n" +
			strings.Join(settingNames(), ", ") + ".",
		Example: "  memwatchd replay ./recordings\n" +
			"  memwatchd replay --set significance=4 ./recordings\n" +
			"  memwatchd replay --json ./recordings/shop | jq .finalState",
		Args: args(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, paths []string) error {
			return f.replay(cmd.Context(), sys.out, paths)
		},
	}
	cmd.Flags().StringVar(&f.output, "output", "text", "how to answer: text, or json, which is one object a line")
	cmd.Flags().BoolVar(&f.json, "json", false, "the same as --output json")
	cmd.Flags().BoolVar(&f.explain, "explain", false, "print every gate of the verdict, its value and what it needed")
	cmd.Flags().StringArrayVar(&f.sets, "set", nil, "a detector setting as key=value; may be repeated")
	return cmd
}

// replayFlags are replay's flags.
type replayFlags struct {
	json, explain bool
	output        string
	sets          []string
}

func (f *replayFlags) replay(ctx context.Context, out io.Writer, paths []string) error {
	if f.output != "text" && f.output != "json" {
		return usage(fmt.Errorf("--output is %q: want text or json", f.output))
	}
	f.json = f.json || f.output == "json"
	cfg, err := detectorWith(f.sets)
	if err != nil {
		return usage(err)
	}
	dirs, err := recordings(paths)
	if err != nil {
		return usage(err)
	}
	changes := backtest{sets: f.sets}
	for _, dir := range dirs {
		res, err := agent.Replay(ctx, dir, cfg)
		if err != nil {
			return err
		}
		if f.json {
			if err := json.NewEncoder(out).Encode(res); err != nil {
				return err
			}
			continue
		}
		if err := writeReplay(out, &res, f.explain); err != nil {
			return err
		}
		if len(f.sets) > 0 {
			before, err := agent.Replay(ctx, dir, detector.DefaultConfig())
			if err != nil {
				return err
			}
			if err := changes.add(out, &before, &res); err != nil {
				return err
			}
		}
	}
	if f.json || len(f.sets) == 0 {
		return nil
	}
	return changes.sum(out, len(dirs))
}

// detectorWith is the detector's defaults with settings over them.
func detectorWith(sets []string) (detector.Config, error) {
	cfg := detector.DefaultConfig()
	for _, set := range sets {
		key, value, ok := strings.Cut(set, "=")
		if !ok {
			return cfg, fmt.Errorf("--set %s: want key=value", set)
		}
		if known := settingNames(); !slices.Contains(known, key) {
			return cfg, fmt.Errorf("--set %s: unknown setting %s%s", set, key, config.Hint(key, known))
		}
		if err := yaml.Unmarshal([]byte(key+": "+value), &cfg); err != nil {
			return cfg, fmt.Errorf("--set %s: %q is no number", set, value)
		}
	}
	if err := cfg.Validate(); err != nil {
		return cfg, fmt.Errorf("--set: %w", err)
	}
	return cfg, nil
}

// settingNames are the keys that --set knows.
func settingNames() []string {
	t := reflect.TypeFor[detector.Config]()
	names := make([]string, t.NumField())
	for i := range names {
		names[i] = t.Field(i).Tag.Get("yaml")
	}
	return names
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
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n  %s at the end, %s; %d readings, %d failed, %d restarts\n",
		r.Recording, r.FinalState, milestones(r), r.Samples, r.ScrapeErrors, r.Restarts)
	if r.ProfileErrors > 0 {
		fmt.Fprintf(&b, "  %d profiles could not be read\n", r.ProfileErrors)
	}
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

// milestones says when a recording became what.
func milestones(r *agent.ReplayResult) string {
	at := func(s *float64) string {
		if s == nil {
			return "never"
		}
		return "after " + span(*s)
	}
	return fmt.Sprintf("%s at worst; suspect %s, leaking %s, %s",
		r.WorstState, at(r.FirstSuspectSeconds), at(r.FirstLeakingSeconds), told(r))
}

// told says how often people would have been notified.
func told(r *agent.ReplayResult) string {
	switch r.Notifications {
	case 0:
		return "nobody told"
	case 1:
		return "people told once"
	}
	return fmt.Sprintf("people told %d times", r.Notifications)
}

// backtest compares what settings say with what the defaults do.
type backtest struct {
	sets    []string
	changed []string
}

// add notes a recording that is judged differently, and says so.
func (t *backtest) add(w io.Writer, before, after *agent.ReplayResult) error {
	was, is := judgement(before), judgement(after)
	if was == is {
		return nil
	}
	t.changed = append(t.changed, fmt.Sprintf("  %s: %s; by the defaults %s", after.Recording, is, was))
	_, err := fmt.Fprintf(w, "  by the defaults: %s at the end, %s\n", before.FinalState, milestones(before))
	return err
}

// judgement is what matters of a replay to those who are told.
func judgement(r *agent.ReplayResult) string {
	culprit := ""
	if r.Verdict != nil && r.FinalState == memwatch.Leaking && len(r.Verdict.Culprits) > 0 {
		culprit = " by " + r.Verdict.Culprits[0].Function
	}
	return fmt.Sprintf("%s%s, %s", r.FinalState, culprit, told(r))
}

// sum ends a comparison.
func (t *backtest) sum(w io.Writer, recordings int) error {
	_, err := fmt.Fprintf(w, "\nWith %s, %d of %d recordings are judged differently.\n%s",
		strings.Join(t.sets, " "), len(t.changed), recordings, strings.Join(append(t.changed, ""), "\n"))
	return err
}
