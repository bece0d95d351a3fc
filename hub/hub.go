package hub

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/zupee/memwatch/hub/alert"
	"github.com/zupee/memwatch/hub/api"
	"github.com/zupee/memwatch/hub/auth"
	"github.com/zupee/memwatch/hub/blob"
	"github.com/zupee/memwatch/hub/ingest"
	"github.com/zupee/memwatch/hub/live"
	"github.com/zupee/memwatch/hub/notify"
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

	registry *prometheus.Registry
	full     atomic.Bool  // there was no room for the last profile that came
	readings atomic.Int64 // stored since the start
	// presence keeps the order of who came and who went on the way from the
	// fleet to the alerts and the browsers.
	presence sync.Mutex
	// captures keeps a profile from being pruned between the check that its
	// bytes are there and the moment when a capture names them.
	captures sync.Mutex
}

// open opens what is on disk and puts the rooms together; close undoes it.
func open(ctx context.Context, cfg Config, logger *slog.Logger) (*hub, error) {
	blobs, err := blob.OpenFiles(blob.Config{
		Dir: filepath.Join(cfg.Data, blobsDir), MaxBlobBytes: cfg.Ingest.MaxProfileBytes,
		MaxBytes: cfg.Retention.MaxProfileBytes + cfg.Retention.MaxProfileBytes/4, // room for what retention removes next
	})
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
	h.fleet.maxServices, h.fleet.maxInstances = cfg.Ingest.MaxServices, cfg.Ingest.MaxInstances
	h.feed = live.New(cfg.Live, version.String(), logger.With("room", "live"), h.registry)
	if h.desk, err = notify.New(cfg.Notify, cfg.link(), db, logger.With("room", "notify"), h.registry); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	h.alerts = newAnnouncer(alert.New(alert.Config{
		DisconnectAfter: cfg.Presence.AlertAfter, ForgetAfter: cfg.Presence.ForgetAfter,
	}), db, h.fleet, h.feed, h.desk, logger, h.registry)
	h.agents = ingest.New(cfg.Ingest, sink{h}, incoming{blobs, h}, logger.With("room", "ingest"), h.registry)
	h.registry.MustRegister(&collector{h}, verdicts{h.fleet, cfg.Metrics.Instances})
	if h.access, err = auth.OpenDB(ctx, cfg.Data); err != nil {
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
func (h *hub) close() error { return errors.Join(h.store.Close(), h.access.Close()) }

// sparkTime bounds how long a start waits for sparklines of the last run; those
// that are missing fill as readings come.
const sparkTime = time.Second

// restore makes the fleet and the alerts go on where the last run ended.
func (h *hub) restore(ctx context.Context) error {
	open, err := h.store.OpenAlerts(ctx)
	if err != nil {
		return err
	}
	instances, err := h.store.Instances(ctx)
	if err != nil {
		return err
	}
	counts, err := h.store.AlertCounts(ctx)
	if err != nil {
		return err
	}
	held, err := h.store.HeldAlerts(ctx, h.started)
	if err != nil {
		return err
	}
	h.alerts.engine.RestoreMarks(held)
	h.alerts.engine.Restore(open)
	for _, in := range instances {
		r := restored{firstSeen: in.FirstSeen, lastSeen: in.LastSeen, last: in.Last, verdict: in.Verdict}
		r.target.Service, r.target.Instance, r.target.Labels = in.Service, in.Instance.Instance, in.Labels
		if in.Last != nil && time.Since(h.started) < sparkTime {
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
		h.alerts.engine.Describe(in.Service, in.Instance.Instance, versionOf(in.Labels))
		if in.Verdict != nil {
			h.alerts.engine.RestoreVerdict(in.Service, in.Instance.Instance, in.VerdictAt, in.Verdict)
		}
		if in.Last != nil {
			h.alerts.engine.RestoreSample(in.Service, in.Instance.Instance, in.Last)
		}
	}
	undelivered, err := h.store.Undelivered(ctx)
	if err != nil {
		return err
	}
	h.desk.Restore(undelivered)
	for service, c := range counts {
		h.fleet.counted(service, c.Total)
	}
	for _, a := range open {
		h.fleet.alerted(a, false)
	}
	h.forget()
	return nil
}
