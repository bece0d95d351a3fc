package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
)

// Backup copies the database at from, as it is at one moment, into the new file
// to, and opens the copy, which has been checked whole. A hub may be writing to
// from all the while and hardly notices. When the copy is closed it is one file.
func Backup(ctx context.Context, from, to string) (*Store, error) {
	if err := copyDatabase(ctx, from, to); err != nil {
		return nil, fmt.Errorf("back up database %s: %w", from, explain(err))
	}
	s, err := Open(ctx, Config{Path: to})
	if err != nil {
		return nil, err
	}
	if err := s.Check(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("the copy in %s is not sound: %w", to, err), s.Close())
	}
	return s, nil
}

func copyDatabase(ctx context.Context, from, to string) error {
	if _, err := os.Stat(from); err != nil {
		return err
	}
	db, err := sql.Open("sqlite", "file:"+(&url.URL{Path: from}).EscapedPath()+"?mode=rw&_pragma=busy_timeout(10000)")
	if err != nil {
		return err
	}
	db.SetMaxOpenConns(1)
	err = func() error {
		if err := sameForm(ctx, db); err != nil {
			return err
		}
		_, err := db.ExecContext(ctx, "VACUUM INTO ?", to)
		return err
	}()
	return errors.Join(err, db.Close())
}

// sameForm refuses a database of another form: opening the copy would change it,
// and the program that it belongs to could not read it any more.
func sameForm(ctx context.Context, db *sql.DB) error {
	provider, err := newProvider(db)
	if err != nil {
		return err
	}
	current, newest, err := provider.GetVersions(ctx)
	switch {
	case err != nil:
		return diagnose(ctx, db, err)
	case current > newest:
		return newer(current, newest)
	case current < newest:
		return fmt.Errorf("it has version %d and this memwatch-hub writes %d: use the memwatch-hub that it belongs to, "+
			"or start this one on it once", current, newest)
	}
	return nil
}
