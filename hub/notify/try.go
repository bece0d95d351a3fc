package notify

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Outcome is what came of a test of one channel.
type Outcome struct {
	Channel string
	// Err is nil when the other side took the message.
	Err error
}

// Try sends an example to the named channels, or to all, once, whatever their
// severities and hours are. The configuration must be valid.
func Try(ctx context.Context, cfg Config, link string, names []string) ([]Outcome, error) {
	if cfg.Link != "" {
		link = cfg.Link
	}
	for _, n := range names {
		if !slices.ContainsFunc(cfg.Channels, func(c Channel) bool { return c.Name == n }) {
			var known []string
			for _, c := range cfg.Channels {
				known = append(known, c.Name)
			}
			return nil, fmt.Errorf("channel %q is not in the configuration: want %s", n, strings.Join(known, ", "))
		}
	}
	var out []Outcome
	a := example(time.Now())
	for _, c := range cfg.Channels {
		if len(names) > 0 && !slices.Contains(names, c.Name) {
			continue
		}
		s, err := c.open()
		if err == nil {
			m := Message{Event: Test, Alert: a, Link: strings.TrimSuffix(link, "/") + "/alerts", Severity: a.Severity}
			ctx, cancel := context.WithTimeout(ctx, sendTimeout)
			_, err = s.send(ctx, "test", []Message{m})
			cancel()
		}
		out = append(out, Outcome{c.Name, err})
	}
	return out, nil
}
