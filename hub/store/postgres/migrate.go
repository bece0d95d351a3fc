package postgres

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"path"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"

	"github.com/zupee/memwatch/hub/store"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Migrated says what Migrate did: the versions before and after, and the steps
// between them by name.
type Migrated struct {
	From, To int64
	Steps    []string
}

// Migrate brings a database's form up to this program's. Hubs that start at the
// same time wait for each other. The error is store.ErrNewer when it is ahead.
func Migrate(ctx context.Context, url string) (m Migrated, err error) {
	cfg, err := pgx.ParseConfig(url)
	if err != nil {
		return m, err
	}
	cfg.RuntimeParams["application_name"] = "memwatch-hub migrate"
	db := stdlib.OpenDB(*cfg)
	defer func() { err = errors.Join(err, db.Close()) }()
	dir, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return m, err
	}
	// Tried each second, for five minutes.
	locker, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, 300))
	if err != nil {
		return m, err
	}
	provider, err := goose.NewProvider(goose.DialectPostgres, db, dir, goose.WithSessionLocker(locker))
	if err != nil {
		return m, fmt.Errorf("migrations: %w", err)
	}
	var newest int64
	if m.From, newest, err = provider.GetVersions(ctx); err != nil {
		return m, explain(err)
	}
	if m.From > newest {
		return m, fmt.Errorf("%w: it has version %d and this memwatch-hub knows up to %d: run the newer memwatch-hub, or restore a dump of before the upgrade", store.ErrNewer, m.From, newest)
	}
	if m.To = m.From; m.From == newest {
		return m, nil
	}
	steps, err := provider.Up(ctx)
	if err != nil {
		return m, fmt.Errorf("migrate from version %d to %d: %w", m.From, newest, explain(err))
	}
	for _, step := range steps {
		m.To, m.Steps = step.Source.Version, append(m.Steps, path.Base(step.Source.Path))
	}
	return m, nil
}
