package hub

import (
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/zupee/memwatch"
	"github.com/zupee/memwatch/hub/api"
	"github.com/zupee/memwatch/wire"
)

// name is a target without what is said about it.
type name struct{ service, instance string }

// fleet is the present state of every service. Its methods may be called from
// any goroutine; they return what changed, for others to be told.
type fleet struct {
	cfg Presence
	now func() time.Time
	// maxServices and maxInstances bound what may join; 0 is no bound.
	maxServices, maxInstances int

	mu       sync.RWMutex
	services map[string]*service
	known    int // instances of all of them
	// started is when this run began, heardBefore when the last one heard anything
	// last: nobody could be heard in between.
	started, heardBefore time.Time
	// listening is since when, without a break, this hub hears what others are told.
	listening time.Time
}

type service struct {
	name         string
	registeredAt memwatch.UnixMilli
	totalAlerts  int
	open         map[string]bool // ids of the alerts that fire
	instances    map[string]*instance
	releases     []api.Release // oldest first
}

// instance is one replica. Times are the hub's; newest is the agent's.
type instance struct {
	name     string
	labels   map[string]string
	status   wire.Status
	reason   string
	read     bool      // a reading has come since it last was not connected
	heard    time.Time // when anything last came
	interval time.Duration
	// conns counts the connections to this hub that speak for it; holders are the
	// hubs that have any.
	conns   int
	holders []int64
	left    time.Time // when the last of them had none any more

	newest  memwatch.UnixMilli // time of the newest reading, failed ones included
	metrics *wire.Metrics      // the newest with a sample
	verdict *memwatch.Verdict
	spark   spark
	// counts is the sparkline of goroutines, while they are what grows.
	counts spark
}

func newFleet(cfg Presence, now func() time.Time) *fleet {
	return &fleet{cfg: cfg, now: now, services: map[string]*service{}, started: now()}
}

// get finds or makes an instance.
func (f *fleet) get(n name) (*service, *instance) {
	s := f.services[n.service]
	if s == nil {
		s = &service{
			name: n.service, registeredAt: memwatch.Milli(f.now()),
			open: map[string]bool{}, instances: map[string]*instance{},
		}
		f.services[n.service] = s
	}
	i := s.instances[n.instance]
	if i == nil {
		i = &instance{name: n.instance, status: wire.Disconnected}
		s.instances[n.instance] = i
		f.known++
	}
	return s, i
}

// room says why there is none for a new instance.
func (f *fleet) room(n name) error {
	s := f.services[n.service]
	if s == nil && f.maxServices > 0 && len(f.services) >= f.maxServices {
		return fmt.Errorf("this hub knows %d services, and takes no more (ingest.maxServices)", len(f.services))
	}
	if s != nil && s.instances[n.instance] != nil || f.maxInstances == 0 {
		return nil
	}
	if f.known >= f.maxInstances {
		return fmt.Errorf("this hub knows %d instances, and takes no more (ingest.maxInstances)", f.known)
	}
	return nil
}

// join notes that one more connection to this hub speaks for an instance.
func (f *fleet) join(t memwatch.Target) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.room(name{t.Service, t.Instance}); err != nil {
		return err
	}
	_, i := f.get(name{t.Service, t.Instance})
	i.conns++
	return nil
}

// leave notes that a connection to this hub which spoke for the targets is gone,
// and answers those for which there is no other.
func (f *fleet) leave(targets []memwatch.Target) (left []memwatch.Target) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, t := range targets {
		_, i := f.get(name{t.Service, t.Instance})
		if i.conns--; i.conns == 0 {
			left = append(left, t)
		}
	}
	return left
}

// read reports whether a reading of an instance has come since it last was away:
// that its agent is back does not mean that the agent can read it.
func (f *fleet) read(n name) bool {
	f.mu.RLock()
	defer f.mu.RUnlock()
	s := f.services[n.service]
	return s != nil && s.instances[n.instance] != nil && s.instances[n.instance].read
}

// describe takes what a registration says.
func (f *fleet) describe(r wire.Registration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	s, i := f.get(name{r.Service, r.Instance})
	i.heard = f.now()
	if r.Labels != nil {
		s.deployed(i, r.Labels, memwatch.Milli(i.heard))
		i.labels = maps.Clone(r.Labels)
	}
}

// turn changes an instance's status and says so: for the instance, and for the
// service when that changes its own.
func (s *service) turn(i *instance, status wire.Status, reason string) []wire.ServiceUpdate {
	if i.status == status && i.reason == reason {
		return nil
	}
	before := s.status()
	i.status, i.reason = status, reason
	if status != wire.Connected {
		i.read = false
	}
	out := []wire.ServiceUpdate{{Service: s.name, Instance: i.name, Status: status, Reason: reason}}
	if after := s.status(); after != before || len(s.instances) == 1 {
		out = append(out, wire.ServiceUpdate{Service: s.name, Status: after, Reason: reason})
	}
	return out
}

// status is the best of its instances'.
func (s *service) status() wire.Status {
	best := wire.Disconnected
	for _, i := range s.instances {
		switch i.status {
		case wire.Connected:
			return wire.Connected
		case wire.Unreachable:
			best = wire.Unreachable
		case wire.Disconnected:
		}
	}
	return best
}

// seen is what a message changed.
type seen struct {
	// fresh is false for one that was there already, or is older than the newest.
	fresh   bool
	metrics wire.Metrics // to announce; its flat fields follow the present verdict
	verdict *memwatch.Verdict
	updates []wire.ServiceUpdate
}

// see takes a stored message that a hub was sent.
func (f *fleet) see(from int64, m wire.Metrics) seen {
	f.mu.Lock()
	defer f.mu.Unlock()
	s, i := f.get(name{m.Service, m.Instance})
	i.heldBy(from)
	i.heard = f.now()
	if m.Timestamp <= i.newest {
		return seen{}
	}
	if gap := time.Duration(m.Timestamp-i.newest) * time.Millisecond; i.newest > 0 && gap < time.Hour {
		if i.interval == 0 {
			i.interval = gap
		}
		i.interval += (gap - i.interval) / 4
	}
	i.newest = m.Timestamp
	if m.Verdict != nil {
		i.verdict = m.Verdict
	}
	out := seen{fresh: true, verdict: i.verdict}
	if m.ScrapeError != nil {
		out.updates = s.turn(i, wire.Unreachable, m.ScrapeError.Message)
		out.metrics = m
		return out
	}
	if out.updates = s.turn(i, wire.Connected, ""); !i.read && len(out.updates) == 0 {
		out.updates = []wire.ServiceUpdate{{Service: s.name, Instance: i.name, Status: wire.Connected}}
	}
	i.read = true
	if m.V > 0 && i.verdict != nil { // what is not repeated still holds
		m.LeakDetected = i.verdict.State == memwatch.Leaking
		m.MemoryGrowthMB = i.verdict.GrowthBytes / wire.MB
	}
	reading := m.Reading()
	if m.Sample == nil {
		m.Sample = &reading
	}
	i.remember(&reading)
	out.metrics = m
	m.Verdict = nil // it is kept beside
	i.metrics = &m
	return out
}

// sweep finds the instances that are gone, as of a time up to which all is known:
// their agent's connection ended and nobody took over within the grace, or nothing
// came for too long.
func (f *fleet) sweep(now time.Time) []wire.ServiceUpdate {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []wire.ServiceUpdate
	for _, s := range f.services {
		for _, i := range s.instances {
			if i.status == wire.Disconnected {
				continue
			}
			switch silent := max(f.cfg.Silence, 4*i.interval); {
			case len(i.holders) == 0 && now.Sub(i.left) >= f.cfg.Grace:
				out = append(out, s.turn(i, wire.Disconnected, "its agent is gone")...)
			case min(now.Sub(i.heard), now.Sub(f.listening)) >= silent:
				out = append(out, s.turn(i, wire.Disconnected, "nothing heard for "+silent.Round(time.Second).String())...)
			}
		}
	}
	return out
}

// allAway is how much longer than ForgetAfter a whole service may be away.
const allAway = 24

// away is how long an instance has not been heard of while the hub ran.
func (f *fleet) away(i *instance) time.Duration {
	away := f.now().Sub(i.heard)
	if i.heard.Before(f.started) {
		away -= f.started.Sub(f.heardBefore)
	}
	return away
}

// forget drops the replicas that are gone for good.
func (f *fleet) forget() []memwatch.Target {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []memwatch.Target
	for _, s := range f.services {
		patience := f.cfg.ForgetAfter
		if s.status() == wire.Disconnected {
			patience *= allAway
		}
		for _, i := range s.instances {
			if i.status == wire.Disconnected && len(i.holders) == 0 && i.conns == 0 && f.away(i) >= patience {
				delete(s.instances, i.name)
				f.known--
				out = append(out, memwatch.Target{Service: s.name, Instance: i.name})
			}
		}
		if len(s.instances) == 0 {
			delete(f.services, s.name)
		}
	}
	return out
}

// absent are the instances that are not connected.
func (f *fleet) absent() []wire.ServiceUpdate {
	return slices.DeleteFunc(f.statuses(), func(u wire.ServiceUpdate) bool { return u.Status != wire.Disconnected })
}

// alerted counts an alert for its service.
func (f *fleet) alerted(a memwatch.Alert, began bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := f.services[a.Service]
	if s == nil {
		return
	}
	if began {
		s.totalAlerts++
	}
	if a.State == memwatch.AlertFiring {
		s.open[a.ID] = true
	} else {
		delete(s.open, a.ID)
	}
}
