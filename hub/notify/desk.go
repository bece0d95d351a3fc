package notify

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/zupee/memwatch"
)

// Desk tells all channels. Its methods may be called from any goroutine.
type Desk struct {
	channels []*channel
}

// New makes a desk; it reads the files that the configuration, which must be
// valid, names. link is used where the configuration has none.
func New(cfg Config, link string, ledger Ledger, logger *slog.Logger, reg prometheus.Registerer) (*Desk, error) {
	if cfg.Link != "" {
		link = cfg.Link
	}
	m := newMetrics(reg)
	d := &Desk{}
	for _, c := range cfg.Channels {
		r, err := newRules(c)
		if err != nil {
			return nil, fmt.Errorf("channel %s: %w", c.Name, err)
		}
		s, err := c.open()
		if err != nil {
			return nil, fmt.Errorf("notify: %w", err)
		}
		d.channels = append(d.channels, newChannel(r, s, strings.TrimSuffix(link, "/"), ledger, logger.With("channel", c.Name), m))
	}
	return d, nil
}

// Restore takes the alerts of the last run of which a channel may still have to
// be told, with their deliveries, and forgets all others. It comes before Run.
func (d *Desk) Restore(alerts []memwatch.Alert) {
	for _, c := range d.channels {
		c.clear()
		for i := range alerts {
			c.restore(&alerts[i])
		}
	}
}

// Tell takes an alert in its newest form, and returns at once.
func (d *Desk) Tell(a memwatch.Alert) {
	for _, c := range d.channels {
		c.take(a)
	}
}

// Run tells what is to be told until ctx ends. What is not told by then is told
// by the next run, here or by another hub.
func (d *Desk) Run(ctx context.Context) {
	var wg sync.WaitGroup
	for _, c := range d.channels {
		wg.Go(func() { c.run(ctx) })
	}
	wg.Wait()
}

// metrics are the desk's own.
type metrics struct {
	sent    *prometheus.CounterVec
	waiting *prometheus.GaugeVec
}

func newMetrics(reg prometheus.Registerer) metrics {
	m := metrics{
		sent: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "memwatch_hub_notifications_total",
			Help: "Messages to a channel by result: delivered, retrying (it is tried again) or failed (it is not).",
		}, []string{"channel", "result"}),
		waiting: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "memwatch_hub_notifications_waiting", Help: "Alerts that a channel is yet to be told of, silenced ones and quiet hours included.",
		}, []string{"channel"}),
	}
	reg.MustRegister(m.sent, m.waiting)
	return m
}
