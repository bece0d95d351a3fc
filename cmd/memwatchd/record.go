package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/zupee/memwatch/agent"
	"github.com/zupee/memwatch/detector"
	"github.com/zupee/memwatch/internal/output"
)

func newRecord(sys system) *cobra.Command {
	var f onceFlags
	var out string
	var answer output.Format
	cmd := &cobra.Command{
		Use:     "record URL",
		Short:   "Write what a service serves into a recording, for replay",
		Example: "  memwatchd record http://localhost:6060 --for 10m --out recordings/shop",
		Args:    args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, urls []string) error {
			switch {
			case out == "":
				return usage(errors.New("--out is missing: want a folder for the recording"))
			case f.interval < 50*time.Millisecond || f.interval > time.Hour:
				return usage(fmt.Errorf("--interval is %v: want 50ms to 1h", f.interval))
			case f.duration < f.interval:
				return usage(fmt.Errorf("--for is %v: want at least one --interval (%v)", f.duration, f.interval))
			}
			targets, err := f.targets(urls)
			if err != nil {
				return usage(err)
			}
			return record(cmd.Context(), sys, &f, targets, out, answer)
		},
	}
	cmd.Flags().DurationVar(&f.duration, "for", 10*time.Minute, "how long to record")
	cmd.Flags().DurationVar(&f.interval, "interval", time.Second, "time between readings")
	cmd.Flags().StringVar(&out, "out", "", "folder of the recording; it must not hold one yet")
	answer.Flag(cmd)
	cmd.Flags().StringVar(&f.limit, "limit", "", "memory limit of the service, such as 512MiB, where it does not tell one")
	return cmd
}

// recordOutput is what record --output json answers.
type recordOutput struct {
	// Recording is the folder.
	Recording    string `json:"recording"`
	Samples      int    `json:"samples"`
	ScrapeErrors int    `json:"scrapeErrors"`
	ExitStatus   int    `json:"exitStatus"`
}

func record(ctx context.Context, sys system, f *onceFlags, targets []agent.Target, out string, answer output.Format) error {
	ctx, cancel := context.WithTimeout(ctx, f.duration)
	defer cancel()
	line := newProgressLine(sys.err, targets, f.duration)
	var last agent.Progress
	err := agent.Record(ctx, agent.RecordConfig{
		Target: targets[0], Interval: f.interval, Detector: detector.DefaultConfig(), Dir: out,
		Progress: func(p agent.Progress) {
			last = p
			line.show(p)
		},
	})
	line.clear()
	if err != nil {
		return err
	}
	said := recordOutput{Recording: out, Samples: last.Samples, ScrapeErrors: last.Failed}
	if last.Samples == 0 {
		said.ExitStatus = exitUnjudged
	}
	err = answer.Write(sys.out, said, func(w io.Writer) error {
		_, err := fmt.Fprintf(w, "%s: %d readings, %d failed; memwatchd replay %s judges it\n", out, last.Samples, last.Failed, out)
		return err
	})
	if err == nil && said.ExitStatus != exitOK {
		return &statusError{status: said.ExitStatus}
	}
	return err
}
