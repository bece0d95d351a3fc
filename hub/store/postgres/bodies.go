package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/zupee/memwatch/hub/store"
)

// where gathers conditions.
type where struct {
	terms []string
	args  []any
}

func (w *where) equal(column, value string) {
	if value != "" {
		w.add(column+" = %s", clean(value))
	}
}

// add takes a condition with %s for each argument's place.
func (w *where) add(term string, args ...any) {
	places := make([]any, len(args))
	for i := range args {
		places[i] = fmt.Sprintf("$%d", len(w.args)+i+1)
	}
	w.terms = append(w.terms, fmt.Sprintf(term, places...))
	w.args = append(w.args, args...)
}

func (w *where) String() string {
	if len(w.terms) == 0 {
		return ""
	}
	return " WHERE " + strings.Join(w.terms, " AND ")
}

// page reads one page of a table that has at, id and body, newest first. The
// table's name is a constant of this package.
func page[T any](ctx context.Context, s *Store, table string, w *where, before string, limit int) (out []T, total int, err error) {
	err = pgx.BeginTxFunc(ctx, s.pool, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		if err := tx.QueryRow(ctx, "SELECT count(*) FROM "+table+w.String(), w.args...).Scan(&total); err != nil {
			return err
		}
		if before != "" {
			var at int64
			if err := tx.QueryRow(ctx, "SELECT at FROM "+table+" WHERE id = $1", clean(before)).Scan(&at); errors.Is(err, pgx.ErrNoRows) {
				return fmt.Errorf("before %.80q: %w", before, store.ErrNotFound)
			} else if err != nil {
				return err
			}
			w.add("(at, id) < (%s, %s)", at, clean(before))
		}
		//nolint:gosec // only names of tables and columns are put together, all of them constants of this package
		out, err = queryBodies[T](ctx, tx, "SELECT body FROM "+table+w.String()+fmt.Sprintf(" ORDER BY at DESC, id DESC LIMIT %d", limit), w.args...)
		return err
	})
	if err != nil {
		return nil, 0, fmt.Errorf("list %s: %w", table, explain(err))
	}
	return out, total, nil
}

// one reads one row of such a table; what is its name without the s.
func one[T any](ctx context.Context, s *Store, what, id string) (out T, err error) {
	var body []byte
	err = s.pool.QueryRow(ctx, "SELECT body FROM "+what+"s WHERE id = $1", clean(id)).Scan(&body)
	if errors.Is(err, pgx.ErrNoRows) {
		return out, fmt.Errorf("%s %.80q: %w", what, id, store.ErrNotFound)
	} else if err != nil {
		return out, fmt.Errorf("read %s: %w", what, explain(err))
	}
	if err := json.Unmarshal(body, &out); err != nil {
		return out, fmt.Errorf("%w: %s %.80q: %w", store.ErrCorrupt, what, id, err)
	}
	return out, nil
}

// queryBodies decodes a column of JSON.
func queryBodies[T any](ctx context.Context, tx querier, query string, args ...any) ([]T, error) {
	rows, err := tx.Query(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (v T, err error) {
		var body []byte
		if err := row.Scan(&body); err != nil {
			return v, err
		}
		if err := json.Unmarshal(body, &v); err != nil {
			return v, fmt.Errorf("%w: %w", store.ErrCorrupt, err)
		}
		return v, nil
	})
}

// querier is a pool or a transaction.
type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}
