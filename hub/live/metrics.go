package live

import "github.com/prometheus/client_golang/prometheus"

type metrics struct {
	clients                              prometheus.Gauge
	events, frames, refused, unencodable prometheus.Counter
	closed                               *prometheus.CounterVec
}

func newMetrics(reg prometheus.Registerer) metrics {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: "memwatch_hub_live_" + name, Help: help})
	}
	m := metrics{
		clients:     prometheus.NewGauge(prometheus.GaugeOpts{Name: "memwatch_hub_live_clients", Help: "Browsers connected now."}),
		events:      counter("events_total", "Events encoded for browsers, each once."),
		frames:      counter("frames_total", "Frames sent to browsers."),
		refused:     counter("refused_total", "Browsers turned away because there were too many."),
		unencodable: counter("unencodable_total", "Events that could not be written as JSON."),
		closed: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "memwatch_hub_live_closed_total", Help: "Connections that ended, by reason.",
		}, []string{"reason"}),
	}
	reg.MustRegister(m.clients, m.events, m.frames, m.refused, m.unencodable, m.closed)
	return m
}
