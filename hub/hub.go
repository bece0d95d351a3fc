package hub

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/zupee/memwatch/hub/api"
	"github.com/zupee/memwatch/hub/auth"
	"github.com/zupee/memwatch/hub/blob"
	"github.com/zupee/memwatch/hub/ingest"
	"github.com/zupee/memwatch/hub/live"
	"github.com/zupee/memwatch/hub/notify"
	"github.com/zupee/memwatch/hub/relay"
	"github.com/zupee/memwatch/hub/store"
	"github.com/zupee/memwatch/internal/version"
)

// hub joins the rooms. What agents send goes through it in one direction:
// store, fleet, alerts, live.
type hub struct {
	cfg     Config
	logger  *slog.Logger
	started time.Time

	store  store.Store
	blobs  blob.Store
	fleet  *fleet
	alerts *announcer
	feed   *live.Feed
	desk   *notify.Desk
	agents *ingest.Server
	access *auth.DB
	gate   *auth.Gate
	rest   *api.Server // made with the handler

	// relay is the way to the hubs that share the database; nil for a hub alone.
	// What is below it serves that alone, but for leading.
	relay     *relay.Relay
	following follower
	hubs      atomic.Pointer[[]relay.Hub]
	leaving   targets
	sending   sync.WaitGroup // waits for what send began
	asking    questions
	heard     atomic.Int64 // up to when, in Unix ns: see heardUntil

	leading atomic.Bool
	endLead func()      // ends what lead began
	back    atomic.Bool // agents have had time to come back since the start

	registry *prometheus.Registry
	trouble  atomic.Value // a string: why profiles cannot be saved, "" when they can
	readings atomic.Int64 // stored since the start
	// presence keeps the order of who came and who went on the way from the
	// fleet to the alerts and the browsers.
	presence sync.Mutex
	captures sync.Mutex // see guarded
}

// open opens what is on disk and puts the rooms together; close undoes it.
func open(ctx context.Context, cfg Config, logger *slog.Logger) (*hub, error) {
	blobs, err := openBlobs(ctx, cfg, logger)
	if err != nil {
		return nil, err
	}
	db, err := openStore(ctx, cfg, logger.With("room", "store"))
	if err != nil {
		return nil, err
	}
	h := &hub{
		cfg: cfg, logger: logger, started: time.Now(), store: db, blobs: blobs,
		fleet: newFleet(cfg.Presence, time.Now), registry: newRegistry(),
	}
	h.hubs.Store(&[]relay.Hub{})
	h.trouble.Store("")
	h.fleet.maxServices, h.fleet.maxInstances = cfg.Ingest.MaxServices, cfg.Ingest.MaxInstances
	if cfg.Shared() {
		cfg.Live.Overlap = overlap
	}
	h.feed = live.New(cfg.Live, version.String(), logger.With("room", "live"), h.registry)
	if h.desk, err = notify.New(cfg.Notify, cfg.link(), db, logger.With("room", "notify"), h.registry); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	h.alerts = newAnnouncer(db, h.desk, h.tell, logger, h.registry)
	h.agents = ingest.New(cfg.Ingest, sink{h}, incoming{blobs, h}, logger.With("room", "ingest"), h.registry)
	h.registry.MustRegister(&collector{h}, verdicts{h.fleet, cfg.Metrics.Instances})
	if err := h.join(ctx); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	if h.access, err = OpenAccess(ctx, cfg); err != nil {
		h.leave()
		return nil, errors.Join(err, db.Close())
	}
	if h.gate, err = auth.New(cfg.Auth, h.access, logger.With("room", "auth"), h.registry); err != nil {
		return nil, errors.Join(err, h.close())
	}
	if err := h.restore(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("read the state of the last run: %w", err), h.close())
	}
	return h, nil
}

// close closes what open opened.
func (h *hub) close() error {
	h.resign()
	h.leave()
	closeBlobs(h.blobs)
	return errors.Join(h.store.Close(), h.access.Close())
}

// join joins the hubs that share the database, where it is such a one.
func (h *hub) join(ctx context.Context) error {
	address, err := h.cfg.StoreAddress()
	if err != nil || address == "" {
		return err
	}
	// Profiles must be everybody's: those of hubs with object stores are where their
	// addresses say, folders are known by a name that lies in them.
	place := "an object store"
	if files, ok := h.blobs.(*blob.Files); ok {
		if place, err = files.Place(); err != nil {
			return err
		}
	}
	h.relay, err = relay.Open(ctx, relay.Config{
		URL: address, Version: version.String(), Address: h.cfg.Listen, Blobs: place, Logger: h.logger.With("room", "relay"),
	})
	return err
}

func (h *hub) leave() {
	if h.relay != nil {
		h.relay.Close()
	}
}

// OpenAccess opens the users and tokens of a hub with this configuration.
func OpenAccess(ctx context.Context, cfg Config) (*auth.DB, error) {
	address, err := cfg.StoreAddress()
	if err != nil {
		return nil, err
	}
	if address != "" {
		return auth.OpenPostgres(ctx, address)
	}
	return auth.OpenDB(ctx, cfg.Data)
}

// tell makes alerts known to all who show them.
func (h *hub) tell(ctx context.Context, alerts []told) error {
	e := &news{Alerts: alerts}
	if h.relay == nil {
		h.show(alone, e)
		return nil
	}
	return h.publish(ctx, e)
}

// sparkTime bounds how long a start waits for sparklines of the last run; those
// that are missing fill as readings come.
const sparkTime = time.Second

// restore makes the fleet, and the alerts of a hub alone, go on where the last run
// ended.
func (h *hub) restore(ctx context.Context) (err error) {
	if h.relay != nil { // before anything is read, so that nothing is missed
		if h.following.read, err = h.relay.Newest(ctx); err != nil {
			return err
		}
		h.following.shown, h.following.heard = maps.Clone(h.following.read), time.Now()
		h.heard.Store(time.Now().UnixNano())
	}
	if err := h.restoreFleet(ctx); err != nil {
		return err
	}
	h.forget()
	if h.relay == nil {
		return h.lead(ctx)
	}
	return nil
}

// restoreFleet reads what is stored of every instance.
func (h *hub) restoreFleet(ctx context.Context) error {
	instances, err := h.store.Instances(ctx)
	if err != nil {
		return err
	}
	began := time.Now()
	for i := range instances {
		in := &instances[i]
		r := restored{firstSeen: in.FirstSeen, lastSeen: in.LastSeen, last: in.Last, verdict: in.Verdict}
		r.target.Service, r.target.Instance, r.target.Labels = in.Service, in.Instance.Instance, in.Labels
		if in.Last != nil && time.Since(began) < sparkTime {
			series, _, err := h.store.Readings(ctx, store.Query{
				Service: in.Service, Instance: in.Instance.Instance, From: in.Last.Time.Add(-sparkSpan), MaxPoints: sparkPoints,
			})
			if err != nil {
				return err
			}
			if len(series) > 0 {
				r.readings = series[0].Readings
			}
		}
		h.fleet.restore(r)
	}
	return h.countAlerts(ctx)
}

// countAlerts reads how many alerts each service has, and which fire.
func (h *hub) countAlerts(ctx context.Context) error {
	counts, err := h.store.AlertCounts(ctx)
	if err != nil {
		return err
	}
	open, err := h.store.OpenAlerts(ctx)
	if err != nil {
		return err
	}
	totals := map[string]int{}
	for service, c := range counts {
		totals[service] = c.Total
	}
	h.fleet.counted(totals, open)
	return nil
}
