package ingest

import "github.com/prometheus/client_golang/prometheus"

type metrics struct {
	agents             prometheus.Gauge
	readings, profiles prometheus.Counter
	messages, refused  *prometheus.CounterVec
}

func newMetrics(reg prometheus.Registerer) metrics {
	m := metrics{
		agents: prometheus.NewGauge(prometheus.GaugeOpts{Name: "memwatch_hub_agents", Help: "Agents connected now."}),
		readings: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "memwatch_hub_readings_total", Help: "Readings stored, failed scrapes included.",
		}),
		profiles: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "memwatch_hub_profiles_received_total", Help: "Profiles whose bytes came in whole.",
		}),
		messages: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "memwatch_hub_messages_total", Help: "Messages from agents, by type.",
		}, []string{"type"}),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "memwatch_hub_refused_total", Help: "Messages and connections of agents that were refused, by reason.",
		}, []string{"reason"}),
	}
	reg.MustRegister(m.agents, m.readings, m.profiles, m.messages, m.refused)
	return m
}
