package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/zupee/memwatch/agent"
	"github.com/zupee/memwatch/config"
	"github.com/zupee/memwatch/detector"
	"github.com/zupee/memwatch/scraper"
)

// onceFlags are once's flags.
type onceFlags struct {
	duration, interval time.Duration
	failOn             string
	output             string
	save               string
	limit              string
	expect             []string
	baseline           string
	writeBaseline      string
	verbose            bool
}

// onceOutput is what --output json writes.
type onceOutput struct {
	*agent.CheckResult
	Targets    []onceTarget `json:"targets"`
	FailOn     string       `json:"failOn"`
	ExitStatus int          `json:"exitStatus"`
	Command    *loadOutcome `json:"command,omitempty"`
	compared   bool         // with a baseline
}

func newOnce(sys system) *cobra.Command {
	var f onceFlags
	cmd := &cobra.Command{
		Use:   "once URL... [-- command args...]",
		Short: "Check services once, for a terminal or a pipeline",
		Long: "Watches the services at the URLs for some time, or for as long as the command after -- runs\n" +
			"(your load test), and says whether they leak. A URL is http://host:port, host:port, :port or\n" +
			"unix:///path.sock; /debug/vars, /debug/pprof/ and /metrics are looked for there.\n\n" +
			"A cache that is meant to grow is named by --expect, as the report names it. With --baseline\n" +
			"only growth that the file does not know, or that is faster now, counts.\n\n" +
			"A URL that never answers is given up after 10 seconds; with a command it is not, for the\n" +
			"command may start the service.\n\n" +
			"Exit status: 0 nothing at or above --fail-on; 1 found; 2 usage or configuration, or the\n" +
			"result could not be written; 3 a target could not be read, or too little was seen to judge.",
		Example: "  memwatchd once http://localhost:6060\n" +
			"  memwatchd once --save evidence --output json :6060 :6061\n" +
			"  memwatchd once :6060 -- ./load-test.sh\n" +
			"  memwatchd once --baseline leaks.json --output junit :6060 -- ./load-test.sh >memwatch.xml",
		RunE: func(cmd *cobra.Command, args []string) error {
			urls, load := args, []string(nil)
			if i := cmd.ArgsLenAtDash(); i >= 0 {
				urls, load = args[:i], args[i:]
			}
			if len(load) > 0 && !cmd.Flags().Changed("for") {
				f.duration = 0
			}
			if err := f.check(urls, load, cmd.ArgsLenAtDash() >= 0); err != nil {
				return usage(err)
			}
			return once(cmd.Context(), sys, &f, urls, load)
		},
	}
	cmd.Flags().DurationVar(&f.duration, "for", time.Minute, "how long to watch; with a command, the most it may run")
	cmd.Flags().DurationVar(&f.interval, "interval", time.Second, "time between readings")
	cmd.Flags().StringVar(&f.failOn, "fail-on", "leaking", "what makes the exit status 1: leaking, suspect or never")
	cmd.Flags().StringVar(&f.output, "output", "text", "how to write the result: "+words(onceFormats))
	cmd.Flags().StringVar(&f.save, "save", "", "folder to keep the first and last profiles in")
	cmd.Flags().StringVar(&f.limit, "limit", "", "memory limit of the services, such as 512MiB, where they do not tell one")
	cmd.Flags().StringArrayVar(&f.expect, "expect", nil, "`function` that is meant to grow, such as shop.(*Cache).Put; may be given again")
	cmd.Flags().StringVar(&f.baseline, "baseline", "", "`file` of growth that is known: only new or faster growth counts")
	cmd.Flags().StringVar(&f.writeBaseline, "write-baseline", "", "`file` to write what grows now to, for --baseline")
	cmd.Flags().BoolVarP(&f.verbose, "verbose", "v", false, "print every gate of the verdict, its value and what it needed")
	return cmd
}

func (f *onceFlags) check(urls, load []string, dash bool) error {
	switch {
	case len(urls) == 0:
		return errors.New("no URL: want at least one, such as http://localhost:6060")
	case dash && len(load) == 0:
		return errors.New("no command after --")
	case f.interval < 50*time.Millisecond || f.interval > time.Hour:
		return fmt.Errorf("--interval is %v: want 50ms to 1h", f.interval)
	case f.duration < f.interval && (f.duration != 0 || len(load) == 0): // 0 lasts as long as the command
		return fmt.Errorf("--for is %v: want at least one --interval (%v)", f.duration, f.interval)
	case !slices.Contains([]string{"leaking", "suspect", "never"}, f.failOn):
		return fmt.Errorf("--fail-on is %q: want leaking, suspect or never", f.failOn)
	case !slices.Contains(onceFormats, f.output):
		return fmt.Errorf("--output is %q: want %s", f.output, words(onceFormats))
	case slices.Contains(f.expect, ""):
		return errors.New("--expect is empty: want a function, such as shop.(*Cache).Put")
	}
	return nil
}

// targets are the URLs to check, each once.
func (f *onceFlags) targets(urls []string) ([]agent.Target, error) {
	var limit int64
	if f.limit != "" {
		var err error
		if limit, err = config.ParseSize(f.limit); err != nil {
			return nil, fmt.Errorf("--limit: %w", err)
		}
	}
	var out []agent.Target
	for i, address := range urls {
		if slices.Contains(urls[:i], address) {
			return nil, fmt.Errorf("%s is there twice", address)
		}
		t := agent.Target{Scrape: scraper.DefaultConfig()}
		t.Scrape.URL, t.Scrape.LimitBytes = address, limit
		if err := t.Scrape.Validate(); err != nil {
			return nil, err
		}
		u, err := scraper.ParseURL(address)
		if err != nil {
			return nil, err
		}
		t.Service = u.Host + strings.TrimSuffix(u.Path, "/")
		t.Instance = t.Service
		out = append(out, t)
	}
	return out, nil
}

func once(ctx context.Context, sys system, f *onceFlags, urls, load []string) error {
	targets, err := f.targets(urls)
	if err != nil {
		return usage(err)
	}
	known, err := readBaseline(f.baseline)
	if err != nil {
		return usage(err)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if f.duration > 0 {
		ctx, cancel = context.WithTimeout(ctx, f.duration)
		defer cancel()
	}
	var running *loadRun
	if len(load) > 0 {
		if running, err = startLoad(ctx, cancel, load, sys.err); err != nil {
			return usage(err)
		}
	}
	line := newProgressLine(sys.err, targets, f.duration)
	check := agent.CheckConfig{Targets: targets, Interval: f.interval, Detector: f.detector(), SaveDir: f.save, Progress: line.show}
	if running == nil { // a command may start the service, and take its time
		check.GiveUp = giveUpAfter
	}
	result, err := agent.Check(ctx, check)
	line.clear()
	cancel()
	command := running.wait()
	if err != nil {
		return &statusError{exitUsage, err}
	}
	out := onceOutput{CheckResult: result, Targets: f.judge(result, known), FailOn: f.failOn, Command: command, compared: known != nil}
	out.ExitStatus = exitStatus(out.Targets)
	if err = f.write(sys.out, &out); err == nil && f.writeBaseline != "" {
		err = writeBaseline(f.writeBaseline, out.Targets)
	}
	if err != nil {
		return &statusError{exitUsage, fmt.Errorf("write the result: %w", err)}
	}
	if out.ExitStatus != exitOK {
		return &statusError{status: out.ExitStatus}
	}
	return nil
}

// giveUpAfter is how long a service may take until its first answer.
const giveUpAfter = 10 * time.Second

// onceFormats are the values of --output.
var onceFormats = []string{"text", "json", "markdown", "junit", "sarif"}

func (f *onceFlags) write(w io.Writer, out *onceOutput) error {
	switch f.output {
	case "json":
		enc := json.NewEncoder(w)
		enc.SetIndent("", "  ")
		return enc.Encode(out)
	case "markdown":
		return writeMarkdown(w, out)
	case "junit":
		return writeJUnit(w, out)
	case "sarif":
		root, err := os.Getwd()
		if err != nil {
			return err
		}
		return writeSARIF(w, out, root)
	}
	return writeOnce(w, out, f.verbose)
}

// shortCheck is the length at which a check judges growth as the daemon does.
const shortCheck = 6 * time.Minute

// detector expects less growth of a shorter check: evidence is all that a test
// run can bring, and it has no hours to bring it in.
func (f *onceFlags) detector() detector.Config {
	cfg := detector.DefaultConfig()
	length := f.duration
	if length == 0 {
		length = time.Minute // a command's own length is not known
	}
	if length < shortCheck {
		cfg.LeakThresholdBytes = int64(float64(cfg.LeakThresholdBytes) * length.Seconds() / shortCheck.Seconds())
	}
	return cfg
}

// exitStatus is the exit status: what was found outweighs what could not be read.
func exitStatus(targets []onceTarget) int {
	status := exitOK
	for i := range targets {
		switch targets[i].Outcome {
		case unjudged:
			status = exitUnjudged
		case failed:
			return exitFailed
		case good, goodExpected, goodKnown:
		}
	}
	return status
}
