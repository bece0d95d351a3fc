package hub

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/zupee/memwatch/hub/auth"
	"github.com/zupee/memwatch/hub/store"
	"github.com/zupee/memwatch/hub/store/postgres"
	"github.com/zupee/memwatch/hub/store/sqlite"
)

// openStore opens the database that the configuration names.
func openStore(ctx context.Context, cfg Config, logger *slog.Logger) (store.Store, error) {
	address, err := cfg.StoreAddress()
	if err != nil {
		return nil, err
	}
	if address == "" {
		return sqlite.Open(ctx, sqlite.Config{
			Path: filepath.Join(cfg.Data, databaseFile), Retention: cfg.Retention.store(), Logger: logger,
		})
	}
	return postgres.Open(ctx, postgres.Config{URL: address, Retention: cfg.Retention.store(), Logger: logger})
}

// store is the part of it that the store is told.
func (r Retention) store() store.Retention {
	return store.Retention{
		KeepReadings: r.Readings, KeepMinutes: r.Minutes, KeepTenMinutes: r.TenMinutes,
		KeepAlerts: r.Alerts, KeepCaptures: r.Profiles, MaxCaptures: r.MaxProfiles, MaxCaptureBytes: r.MaxProfileBytes,
	}
}

// StoreAddress is the address of the PostgreSQL database that the configuration names;
// "" stands for SQLite in the data folder.
func (c Config) StoreAddress() (string, error) {
	address, key := c.Store, "store"
	if c.StoreFile != "" {
		b, err := os.ReadFile(c.StoreFile)
		if err != nil {
			return "", fmt.Errorf("storeFile: %w", err)
		}
		if address, key = strings.TrimSpace(string(b)), "storeFile: "+c.StoreFile; address == "" {
			return "", fmt.Errorf("storeFile: %s is empty: want the database's address", c.StoreFile)
		}
	}
	if address == "" {
		return "", nil
	}
	if !strings.HasPrefix(address, "postgres://") && !strings.HasPrefix(address, "postgresql://") {
		scheme, _, _ := strings.Cut(address, "://") // the rest may hold a password
		return "", fmt.Errorf("%s: %.20q is not allowed: want postgres://user@host/database, or nothing for SQLite in the data folder", key, scheme)
	}
	if err := (postgres.Config{URL: address}).Validate(); err != nil {
		return "", fmt.Errorf("%s: %w", key, err)
	}
	return address, nil
}

func (c Config) validateStore() error {
	if c.Store != "" && c.StoreFile != "" {
		return errors.New("store and storeFile are both given: want one of them")
	}
	_, err := c.StoreAddress()
	return err
}

// MigrateStore brings a PostgreSQL database's form up to date, and writes to out what
// it did. A hub does so itself when it starts.
func MigrateStore(ctx context.Context, address string, out io.Writer) error {
	m, err := postgres.Migrate(ctx, address)
	if err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	for _, step := range m.Steps {
		fmt.Fprintf(out, "applied %s\n", step)
	}
	if len(m.Steps) == 0 {
		fmt.Fprintf(out, "nothing to do: the database has version %d\n", m.To)
		return nil
	}
	fmt.Fprintf(out, "the database went from version %d to %d\n", m.From, m.To)
	return nil
}

// CopyStore copies what the SQLite database of a data folder keeps into a PostgreSQL
// database, and writes to out what it did. No hub may have the folder open.
func CopyStore(ctx context.Context, data, address string, out io.Writer) (err error) {
	path := filepath.Join(data, databaseFile)
	if _, err := os.Stat(path); err != nil {
		return fmt.Errorf("copy: %w: want a hub's data folder", err)
	}
	from, err := sqlite.Open(ctx, sqlite.Config{Path: path})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, from.Close()) }()
	to, err := postgres.Open(ctx, postgres.Config{URL: address})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, to.Close()) }()
	const every = 100 // instances between two lines
	said := 0
	copied, err := store.Copy(ctx, from, to, func(c store.Copied) {
		if c.Instances >= said+every {
			said = c.Instances
			fmt.Fprintf(out, "%d instances, %d readings so far\n", c.Instances, c.Readings)
		}
	})
	fmt.Fprintf(out, "copied %d instances with %d verdicts, %d readings, %d alerts, %d captures; %d were there already\n",
		copied.Instances, copied.Verdicts, copied.Readings, copied.Alerts, copied.Captures, copied.Present)
	if err != nil {
		return fmt.Errorf("%w: run it again to go on", err)
	}
	if err := copyAccess(ctx, data, address, out); err != nil {
		return fmt.Errorf("%w: run it again to go on", err)
	}
	fmt.Fprintf(out, "the profiles themselves stay in %s\n", filepath.Join(data, blobsDir))
	return nil
}

// copyAccess copies a folder's users and tokens, if it has any.
func copyAccess(ctx context.Context, data, address string, out io.Writer) (err error) {
	if _, err := os.Stat(filepath.Join(data, auth.FileName)); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	from, err := auth.OpenDB(ctx, data)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, from.Close()) }()
	to, err := auth.OpenPostgres(ctx, address)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, to.Close()) }()
	users, tokens, err := auth.Transfer(ctx, from, to)
	if err == nil {
		fmt.Fprintf(out, "copied %d users and %d tokens\n", users, tokens)
	}
	return err
}
