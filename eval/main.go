package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/zupee/memwatch/detector"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// options are what the command line says.
type options struct {
	corpus, doc, scenario, csv string
	seed                       uint64
	replicas                   int
	interval                   time.Duration
	short, check, verbose      bool
	only                       string
	settings                   settings
	given                      map[string]bool
}

// settings are --set key=value, in order.
type settings []string

func (s *settings) String() string     { return strings.Join(*s, " ") }
func (s *settings) Set(v string) error { *s = append(*s, v); return nil }

// run is main with its surroundings named. It returns the exit status: 1 when
// --check finds a promise broken, 2 when it could not run.
func run(ctx context.Context, args []string, out, errOut io.Writer) int {
	o, err := parse(args, errOut)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err == nil {
		var broken bool
		// A reader that goes away (head, less) is no error of ours.
		say := func(lines ...string) { _, _ = fmt.Fprintln(out, strings.Join(lines, "\n")) }
		if broken, err = evaluate(ctx, o, say); err == nil {
			if broken {
				return 1
			}
			return 0
		}
	}
	_, _ = fmt.Fprintf(errOut, "eval: %v\n", err)
	return 2
}

func parse(args []string, errOut io.Writer) (options, error) {
	var o options
	fs := flag.NewFlagSet("eval", flag.ContinueOnError)
	fs.SetOutput(errOut)
	fs.StringVar(&o.corpus, "corpus", "../shared/corpus", "folder of labelled recordings; passed over when it is not there")
	fs.StringVar(&o.doc, "doc", "docs/detection.md", "file whose tables are to be written")
	fs.StringVar(&o.scenario, "scenario", "", "only scenarios with this in their name; a whole name means it alone; writes no file")
	fs.StringVar(&o.only, "only", "", "corpus or simulator: leave out the other")
	fs.StringVar(&o.csv, "csv", "", "file for the result of every simulated instance")
	fs.Uint64Var(&o.seed, "seed", 1, "of the simulator")
	fs.IntVar(&o.replicas, "replicas", 0, "instances of each scenario (0: 4, or 1 at intervals below 5s)")
	fs.DurationVar(&o.interval, "interval", 10*time.Second, "between simulated readings")
	fs.BoolVar(&o.short, "short", false, "half a minute: one instance of each scenario, a day long; writes no file")
	fs.BoolVar(&o.check, "check", false, "exit with 1 when what is promised of the detector does not hold")
	fs.BoolVar(&o.verbose, "v", false, "print what the detector says, at each change")
	fs.Var(&o.settings, "set", "key=value of the detector's configuration; may be repeated")
	if err := fs.Parse(args); err != nil {
		return o, err
	}
	if fs.NArg() > 0 {
		return o, fmt.Errorf("argument %q is not known: want flags only, see -h", fs.Arg(0))
	}
	if o.interval < 100*time.Millisecond || o.interval > 10*time.Minute {
		return o, fmt.Errorf("--interval %v: want 100ms to 10m", o.interval)
	}
	if o.only != "" && o.only != "corpus" && o.only != "simulator" {
		return o, fmt.Errorf("--only %s: want corpus or simulator", o.only)
	}
	if o.replicas <= 0 {
		o.replicas = defaultReplicas(o)
	}
	o.given = map[string]bool{}
	fs.Visit(func(f *flag.Flag) { o.given[f.Name] = true })
	return o, nil
}

// defaultReplicas keeps a run within some minutes: shorter intervals mean more
// readings a day.
func defaultReplicas(o options) int {
	if o.short || o.interval < 5*time.Second {
		return 1
	}
	return 4
}

// config applies the settings to the detector's defaults, as a configuration
// file would.
func (o *options) config() (detector.Config, error) {
	cfg := detector.DefaultConfig()
	for _, s := range o.settings {
		key, value, ok := strings.Cut(s, "=")
		if !ok {
			return cfg, fmt.Errorf("--set %s: want key=value", s)
		}
		dec := yaml.NewDecoder(strings.NewReader(key + ": " + value))
		dec.KnownFields(true)
		if err := dec.Decode(&cfg); err != nil {
			return cfg, fmt.Errorf("--set %s: %w", s, err)
		}
	}
	return cfg, cfg.Validate()
}

// evaluate runs what was asked for, and reports whether a promise is broken.
func evaluate(ctx context.Context, o options, say func(...string)) (broken bool, err error) {
	cfg, err := o.config()
	if err != nil {
		return false, err
	}
	var promises []promise
	sections := map[string]string{}
	if o.only != "simulator" && o.scenario == "" {
		for _, set := range []struct {
			section  string
			patterns []string
		}{{"corpus", []string{o.corpus}}, {"own-recordings", ownRecordings}} {
			c, err := recordings(ctx, set.patterns, cfg, say)
			if err != nil {
				return false, err
			}
			if c.all > 0 {
				sections[set.section] = c.table()
			}
			if c.all > 0 && set.section == "corpus" {
				promises = append(promises, c.promises()...)
			}
		}
	}
	if o.only != "corpus" {
		s, err := runSimulator(ctx, o, cfg, say)
		if err != nil {
			return false, err
		}
		sections[s.section()] = s.table()
		say(s.detail(), s.table())
		promises = append(promises, s.promises()...)
		if o.csv != "" {
			if err := os.WriteFile(o.csv, []byte(s.csv()), 0o644); err != nil { //nolint:gosec // the file that was asked for
				return false, fmt.Errorf("write --csv: %w", err)
			}
		}
	}
	list, broken := verify(promises)
	say(list)
	if o.writes() {
		if err := writeSections(o.doc, sections); err != nil {
			return false, err
		}
	}
	return broken && o.check, nil
}

// recordings scores one set of recordings and prints what came of it.
func recordings(ctx context.Context, patterns []string, cfg detector.Config, say func(...string)) (*corpus, error) {
	dirs, err := recordingsIn(patterns...)
	if err != nil {
		return nil, err
	}
	c, err := runCorpus(ctx, dirs, cfg)
	if err != nil {
		return nil, err
	}
	if c.all == 0 {
		say("No labelled recordings in "+strings.Join(patterns, ", ")+": passed over.", "")
		return c, nil
	}
	say(c.detail(), c.table())
	return c, nil
}

// writes reports whether the run is one that the documentation shows: all
// scenarios, as they are, with the defaults.
func (o *options) writes() bool {
	return o.scenario == "" && !o.short && len(o.settings) == 0 && !o.given["replicas"] && !o.check
}
