package agent

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/zupee/memwatch"
	"github.com/zupee/memwatch/detector"
	"github.com/zupee/memwatch/recording"
	"github.com/zupee/memwatch/scraper"
)

// RecordConfig is for Record.
type RecordConfig struct {
	Target   Target
	Interval time.Duration
	Detector detector.Config
	// Dir is the recording's folder; one that holds a recording is refused.
	Dir string
	// Progress is told of every reading; nil tells nobody.
	Progress func(Progress)
}

// Record writes what the target serves into a recording until ctx ends, which
// is no error. Profiles are read when the agent would have read them.
func Record(ctx context.Context, cfg RecordConfig) (err error) {
	s, err := scraper.New(cfg.Target.Scrape)
	if err != nil {
		return err
	}
	defer s.Close()
	out, err := recording.Create(cfg.Dir, recording.Meta{Name: cfg.Target.Service, IntervalSeconds: cfg.Interval.Seconds()})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()

	w := newWatch(s, cfg.Detector, checkShare)
	var at Progress
	tick := time.NewTicker(cfg.Interval)
	defer tick.Stop()
	for {
		l, err := w.step(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			at.Failed++
			err = out.WriteSample(&memwatch.Sample{Time: time.Now()}, err.Error())
		} else {
			at.Samples++
			at.State, at.LiveHeapBytes = l.is, l.sample.Or(memwatch.LiveHeapBytes, 0)
			err = writeLook(out, l)
		}
		if err != nil {
			return fmt.Errorf("record %s: %w", cfg.Target.Service, err)
		}
		if cfg.Progress != nil {
			cfg.Progress(at)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

func writeLook(out *recording.Writer, l *look) error {
	if err := out.WriteSample(&l.sample, ""); err != nil {
		return err
	}
	for kind, p := range l.profiles {
		if err := out.WriteProfile(kind, p.Sites.Time, p.Raw); err != nil {
			return err
		}
	}
	return nil
}
