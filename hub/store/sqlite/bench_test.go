package sqlite_test

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	_ "modernc.org/sqlite"

	"github.com/zupee/memwatch/hub/store"
	"github.com/zupee/memwatch/hub/store/sqlite"
	"github.com/zupee/memwatch/hub/store/storetest"
)

// written is what this process has handed to write(2), in bytes.
func written(b *testing.B) int64 {
	b.Helper()
	data, err := os.ReadFile("/proc/self/io")
	if err != nil {
		b.Skip("no /proc/self/io: the bytes written cannot be counted here")
	}
	for line := range bytes.Lines(data) {
		if rest, ok := bytes.CutPrefix(line, []byte("wchar:")); ok {
			n, err := strconv.ParseInt(string(bytes.TrimSpace(rest)), 10, 64)
			if err != nil {
				b.Fatal(err)
			}
			return n
		}
	}
	b.Fatal("/proc/self/io has no wchar")
	return 0
}

const benchInstances = 1000

// BenchmarkAppend stores ticks of 1,000 instances, one commit each, in chunks
// and, to compare, as plain rows clustered by instance and time.
//
//	go test -run - -bench Append -benchtime 600x ./hub/store/sqlite
func BenchmarkAppend(b *testing.B) {
	for _, into := range []struct {
		name string
		open func(b *testing.B, path string) (appendTick func([]store.Reading) error, done func() error)
	}{{"chunks", chunks}, {"rows", rows}} {
		b.Run(into.name, func(b *testing.B) {
			path := filepath.Join(b.TempDir(), "hub.db")
			appendTick, done := into.open(b, path)
			f := storetest.NewFleet(benchInstances)
			ticks := make([][]store.Reading, b.N)
			for i := range ticks {
				ticks[i] = f.Tick(nil)
			}
			before := written(b)
			b.ReportAllocs()
			b.ResetTimer()
			for _, tick := range ticks {
				if err := appendTick(tick); err != nil {
					b.Fatal(err)
				}
			}
			b.StopTimer()
			if err := done(); err != nil {
				b.Fatal(err)
			}
			readings := float64(b.N) * benchInstances
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/readings, "ns/reading")
			b.ReportMetric(float64(written(b)-before)/readings, "B-written/reading")
			if info, err := os.Stat(path); err == nil {
				b.ReportMetric(float64(info.Size())/readings, "B-disk/reading")
			}
		})
	}
}

func chunks(b *testing.B, path string) (func([]store.Reading) error, func() error) {
	s, err := sqlite.Open(context.Background(), sqlite.Config{Path: path, CommitEvery: time.Nanosecond})
	if err != nil {
		b.Fatal(err)
	}
	return func(tick []store.Reading) error {
		_, err := s.Append(context.Background(), tick)
		return err
	}, s.Close
}

func rows(b *testing.B, path string) (func([]store.Reading) error, func() error) {
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=journal_mode(wal)&_pragma=synchronous(full)&_pragma=wal_autocheckpoint(4000)&_pragma=cache_size(-8192)")
	if err != nil {
		b.Fatal(err)
	}
	columns := make([]string, len(storetest.Integers))
	for i, sig := range storetest.Integers {
		columns[i] = sig.String()
	}
	if _, err := db.Exec("CREATE TABLE readings (instance INTEGER, at INTEGER, " + strings.Join(columns, " INTEGER, ") + " INTEGER, PRIMARY KEY (instance, at)) WITHOUT ROWID"); err != nil {
		b.Fatal(err)
	}
	stmt, err := db.Prepare("INSERT INTO readings VALUES (?, ?" + strings.Repeat(", ?", len(storetest.Integers)) + ")")
	if err != nil {
		b.Fatal(err)
	}
	ids := map[string]int{}
	return func(tick []store.Reading) error {
		tx, err := db.Begin()
		if err != nil {
			return err
		}
		for i := range tick {
			r := &tick[i]
			if _, ok := ids[r.Instance]; !ok {
				ids[r.Instance] = len(ids)
			}
			args := []any{ids[r.Instance], r.Sample.Time.UnixMilli()}
			for _, sig := range storetest.Integers {
				args = append(args, int64(r.Sample.Or(sig, 0)))
			}
			if _, err := tx.Stmt(stmt).Exec(args...); err != nil { //nolint:sqlclosecheck // it ends with the transaction
				return err
			}
		}
		return tx.Commit()
	}, db.Close
}

// BenchmarkReadings reads one instance-day (8,640 readings) of 20 instances, from
// chunks and, to compare, from plain rows.
//
//	go test -run - -bench Readings ./hub/store/sqlite
func BenchmarkReadings(b *testing.B) {
	const day = 8640
	ticks := func(yield func([]store.Reading) error) {
		f := storetest.NewFleet(20)
		for range day {
			if err := yield(f.Tick(nil)); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.Run("rows", func(b *testing.B) {
		path := filepath.Join(b.TempDir(), "hub.db")
		appendTick, done := rows(b, path)
		ticks(appendTick)
		if err := done(); err != nil {
			b.Fatal(err)
		}
		db, err := sql.Open("sqlite", path)
		if err != nil {
			b.Fatal(err)
		}
		defer db.Close()
		b.ReportAllocs()
		for b.Loop() {
			if n := readRows(b, db, 7); n != day {
				b.Fatal(n)
			}
		}
	})
	for _, points := range []int{500, 10_000} {
		b.Run(fmt.Sprintf("chunks/points=%d", points), func(b *testing.B) {
			s := open(b, sqlite.Config{CommitEvery: time.Nanosecond})
			ticks(func(tick []store.Reading) error {
				_, err := s.Append(context.Background(), tick)
				return err
			})
			b.ReportAllocs()
			for b.Loop() {
				_, total, err := s.Readings(context.Background(), store.Query{Service: "bench", Instance: "instance-7", MaxPoints: points})
				if err != nil || total != day {
					b.Fatal(total, err)
				}
			}
		})
	}
}

// readRows reads all rows of an instance and answers how many.
func readRows(b *testing.B, db *sql.DB, instance int) (n int) {
	found, err := db.Query("SELECT * FROM readings WHERE instance = ? ORDER BY at", instance)
	if err != nil {
		b.Fatal(err)
	}
	defer found.Close()
	values := make([]int64, len(storetest.Integers)+2)
	into := make([]any, len(values))
	for i := range values {
		into[i] = &values[i]
	}
	for found.Next() {
		if err := found.Scan(into...); err != nil {
			b.Fatal(err)
		}
		n++
	}
	if err := found.Err(); err != nil {
		b.Fatal(err)
	}
	return n
}
