package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/zupee/memwatch"
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
	verbose            bool
}

// onceOutput is what --output json writes.
type onceOutput struct {
	*agent.CheckResult
	FailOn     string       `json:"failOn"`
	ExitStatus int          `json:"exitStatus"`
	Command    *loadOutcome `json:"command,omitempty"`
}

func newOnce(sys system) *cobra.Command {
	var f onceFlags
	cmd := &cobra.Command{
		Use:   "once URL... [-- command args...]",
		Short: "Check services once, for a terminal or a pipeline",
		Long: "Watches the services at the URLs for some time, or for as long as the command after -- runs\n" +
			"(your load test), and says whether they leak. A URL is http://host:port, host:port, :port or\n" +
			"unix:///path.sock; /debug/vars, /debug/pprof/ and /metrics are looked for there.\n\n" +
			"Exit status: 0 nothing at or above --fail-on; 1 found; 2 usage or configuration;\n" +
			"3 a target could not be read, or too little was seen to judge.",
		Example: "  memwatchd once http://localhost:6060\n" +
			"  memwatchd once --save evidence --output json :6060 :6061\n" +
			"  memwatchd once :6060 -- ./load-test.sh",
		RunE: func(cmd *cobra.Command, args []string) error {
			urls, load := args, []string(nil)
			if i := cmd.ArgsLenAtDash(); i >= 0 {
				urls, load = args[:i], args[i:]
			}
			if err := f.check(urls, load, cmd.ArgsLenAtDash() >= 0); err != nil {
				return usage(err)
			}
			if len(load) > 0 && !cmd.Flags().Changed("for") {
				f.duration = 0
			}
			return once(cmd.Context(), sys, &f, urls, load)
		},
	}
	cmd.Flags().DurationVar(&f.duration, "for", time.Minute, "how long to watch; with a command, the most it may run")
	cmd.Flags().DurationVar(&f.interval, "interval", time.Second, "time between readings")
	cmd.Flags().StringVar(&f.failOn, "fail-on", "leaking", "what makes the exit status 1: leaking, suspect or never")
	cmd.Flags().StringVar(&f.output, "output", "text", "how to write the result: text or json")
	cmd.Flags().StringVar(&f.save, "save", "", "folder to keep the first and last profiles in")
	cmd.Flags().StringVar(&f.limit, "limit", "", "memory limit of the services, such as 512MiB, where they do not tell one")
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
	case f.duration < f.interval:
		return fmt.Errorf("--for is %v: want at least one --interval (%v)", f.duration, f.interval)
	case !slices.Contains([]string{"leaking", "suspect", "never"}, f.failOn):
		return fmt.Errorf("--fail-on is %q: want leaking, suspect or never", f.failOn)
	case !slices.Contains([]string{"text", "json"}, f.output):
		return fmt.Errorf("--output is %q: want text or json", f.output)
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
	result, err := agent.Check(ctx, agent.CheckConfig{
		Targets: targets, Interval: f.interval, Detector: f.detector(), SaveDir: f.save, Progress: line.show,
	})
	line.clear()
	cancel()
	out := onceOutput{CheckResult: result, FailOn: f.failOn, Command: running.wait()}
	if err != nil {
		return &statusError{exitUsage, err}
	}
	out.ExitStatus = f.status(result)
	if f.output == "json" {
		enc := json.NewEncoder(sys.out)
		enc.SetIndent("", "  ")
		err = enc.Encode(out)
	} else {
		err = writeOnce(sys.out, &out, f.verbose)
	}
	if err == nil && out.ExitStatus != exitOK {
		err = &statusError{status: out.ExitStatus}
	}
	return err
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

// status is the exit status: what was found outweighs what could not be read.
func (f *onceFlags) status(r *agent.CheckResult) int {
	status := exitOK
	for i := range r.Targets {
		t := &r.Targets[i]
		switch {
		case !t.Judged():
			status = exitUnjudged
		case f.failOn != "never" && t.Verdict.State.Rank() >= memwatch.State(f.failOn).Rank():
			return exitFailed
		}
	}
	return status
}
