package hub

import (
	"context"
	"log/slog"
	"path/filepath"

	"github.com/zupee/memwatch/hub/store"
	"github.com/zupee/memwatch/hub/store/sqlite"
)

// openStore opens the database that the configuration names.
func openStore(ctx context.Context, cfg Config, logger *slog.Logger) (store.Store, error) {
	return sqlite.Open(ctx, sqlite.Config{
		Path: filepath.Join(cfg.Data, databaseFile), Retention: cfg.Retention.store(), Logger: logger,
	})
}

// store is the part of it that the store is told.
func (r Retention) store() store.Retention {
	return store.Retention{
		KeepReadings: r.Readings, KeepMinutes: r.Minutes, KeepTenMinutes: r.TenMinutes,
		KeepAlerts: r.Alerts, KeepCaptures: r.Profiles, MaxCaptures: r.MaxProfiles, MaxCaptureBytes: r.MaxProfileBytes,
	}
}
