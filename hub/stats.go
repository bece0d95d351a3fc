package hub

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/zupee/memwatch"
	"github.com/zupee/memwatch/hub/api"
	"github.com/zupee/memwatch/internal/version"
)

func (h *hub) stats(ctx context.Context) (api.Stats, error) {
	st, err := h.store.Stats(ctx)
	if err != nil {
		return api.Stats{}, err
	}
	out := api.Stats{
		TotalAlerts: st.Alerts, OpenAlerts: st.OpenAlerts, CriticalAlerts: st.CriticalAlerts,
		DashboardClients: h.feed.Clients(), Agents: h.agents.Agents(), Readings: h.readings.Load(),
		Profiles: st.Captures, ProfileBytes: st.CaptureBytes, DatabaseBytes: st.DatabaseBytes,
		Uptime: time.Since(h.started).Seconds(), MemoryUsage: memory(), Version: version.String(),
	}
	out.Problems = []string{}
	if trouble := h.trouble.Load(); trouble != "" {
		out.Problems = append(out.Problems, trouble.(string)) //nolint:errcheck,forcetypeassert // nothing else is stored
	}
	if n := h.alerts.unsaved(); n > 0 {
		out.Problems = append(out.Problems, fmt.Sprintf("%d alerts cannot be saved; they are tried again every second: see the log.", n))
	}
	if h.relay != nil {
		out.Hubs = h.others()
	}
	out.TotalServices, out.ConnectedServices, out.TotalInstances = h.fleet.counts()
	return out, nil
}

// connected are the agents that have a connection to this hub.
func (h *hub) connected() []api.Agent {
	list := h.agents.List()
	out := make([]api.Agent, 0, len(list))
	for _, a := range list {
		out = append(out, api.Agent{
			Remote: a.Remote, Version: a.Version, Since: memwatch.Milli(a.Since), Heard: memwatch.Milli(a.Heard), Targets: a.Targets,
			Readings: a.Readings, Refused: a.Refused, Refusal: a.Refusal, LagSeconds: a.Lag.Seconds(),
		})
	}
	return out
}

// others are all hubs that share the database, this one among them.
func (h *hub) others() (out []api.Hub) {
	for _, o := range *h.hubs.Load() {
		this := o.ID == h.relay.ID()
		if this {
			o.Leads = h.leads()
		}
		if o.Alive {
			out = append(out, api.Hub{Address: o.Address, Version: o.Version, Started: memwatch.Milli(o.Started), Leads: o.Leads, This: this})
		}
	}
	return out
}

// memory is the hub's own; RSS is 0 where /proc does not tell.
func memory() api.Memory {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	out := api.Memory{HeapTotal: int64(m.HeapSys), HeapUsed: int64(m.HeapAlloc)} //nolint:gosec // far below 1<<63
	if b, err := os.ReadFile("/proc/self/statm"); err == nil {
		if f := strings.Fields(string(b)); len(f) > 1 {
			pages, _ := strconv.ParseInt(f[1], 10, 64)
			out.RSS = pages * int64(os.Getpagesize())
		}
	}
	return out
}

// ready says why the hub cannot do its work, if it cannot.
func (h *hub) ready(ctx context.Context) error {
	if err := h.store.Ready(ctx); err != nil {
		return fmt.Errorf("the database cannot be read: %w", err)
	}
	if time.Since(h.heardUntil()) > deafAfter {
		return errors.New("the other hubs are not heard: see the log")
	}
	if n := h.alerts.unsaved(); n > 0 {
		return fmt.Errorf("%d alerts cannot be saved: see the log", n)
	}
	return nil
}

func newRegistry() *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return r
}

// collector tells Prometheus what the statistics say.
type collector struct{ *hub }

var gauges = []struct {
	desc  *prometheus.Desc
	value func(s *api.Stats) float64
}{
	gauge("services", "Services known.", func(s *api.Stats) float64 { return float64(s.TotalServices) }),
	gauge("services_connected", "Services heard of.", func(s *api.Stats) float64 { return float64(s.ConnectedServices) }),
	gauge("instances", "Instances known.", func(s *api.Stats) float64 { return float64(s.TotalInstances) }),
	gauge("alerts_open", "Alerts that fire.", func(s *api.Stats) float64 { return float64(s.OpenAlerts) }),
	gauge("alerts_critical", "Alerts that fire and are critical.", func(s *api.Stats) float64 { return float64(s.CriticalAlerts) }),
	gauge("profiles", "Profiles kept.", func(s *api.Stats) float64 { return float64(s.Profiles) }),
	gauge("profile_bytes", "Bytes of the profiles kept.", func(s *api.Stats) float64 { return float64(s.ProfileBytes) }),
	gauge("problems", "Things that the hub cannot do now; /api/stats says which.", func(s *api.Stats) float64 { return float64(len(s.Problems)) }),
	gauge("database_bytes", "Bytes of the database on disk.", func(s *api.Stats) float64 { return float64(s.DatabaseBytes) }),
}

func gauge(name, help string, value func(*api.Stats) float64) (g struct {
	desc  *prometheus.Desc
	value func(s *api.Stats) float64
},
) {
	g.desc, g.value = prometheus.NewDesc("memwatch_hub_"+name, help, nil, nil), value
	return g
}

// Describe implements prometheus.Collector.
func (c *collector) Describe(out chan<- *prometheus.Desc) {
	for _, g := range gauges {
		out <- g.desc
	}
}

// Collect implements prometheus.Collector. When the database cannot be read,
// its numbers are missing.
func (c *collector) Collect(out chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	st, err := c.stats(ctx)
	if err != nil {
		c.logger.Error("no statistics", "error", err)
		return
	}
	for _, g := range gauges {
		out <- prometheus.MustNewConstMetric(g.desc, prometheus.GaugeValue, g.value(&st))
	}
}
