package hub

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/zupee/memwatch/hub/store"
	"github.com/zupee/memwatch/internal/pgtest"
	"github.com/zupee/memwatch/wire"
)

func TestAHubKeepsItsDataInPostgreSQL(t *testing.T) {
	url := pgtest.Database(t)
	cfg := quick(t.TempDir())
	cfg.Store = url
	r := start(t, cfg)
	now := time.Now()
	r.agent().ack(batch("1", wire.NewMetrics("", shop, sampleAt(now.Add(-time.Second), 1e6), leaking()), wire.NewMetrics("", shop, sampleAt(now, 2e6), leaking())), "1")
	r.stop()

	// Another folder, as on another machine.
	cfg.Data = t.TempDir()
	r = start(t, cfg)
	defer r.stop()
	var got struct {
		Total int `json:"total"`
	}
	r.get("/api/services/"+shop.Service+"/metrics", &got)
	if got.Total != 2 {
		t.Errorf("%+v", got)
	}
	var alerts struct {
		Total int `json:"total"`
	}
	if r.get("/api/alerts?state=firing", &alerts); alerts.Total != 1 {
		t.Errorf("%+v", alerts)
	}
	if found, err := filepath.Glob(filepath.Join(cfg.Data, databaseFile+"*")); err != nil || len(found) > 0 {
		t.Errorf("there is a database in the folder too: %v, %v", found, err)
	}
}

func TestMigrateAndCopySayWhatTheyDid(t *testing.T) {
	dir, url := t.TempDir(), pgtest.Database(t)
	h, err := open(t.Context(), quick(dir), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.store.Append(t.Context(), []store.Reading{{Service: "a", Instance: "b", Sample: *sampleAt(time.Now(), 1e6)}}); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	says := func(want ...string) {
		t.Helper()
		for _, w := range want {
			if !strings.Contains(out.String(), w) {
				t.Errorf("%q, want %q", out.String(), w)
			}
		}
		out.Reset()
	}
	if err := CopyStore(t.Context(), dir, url, &out); err == nil || !strings.Contains(err.Error(), "in use by another process") {
		t.Errorf("while a hub has it open: %v", err)
	}
	if err := h.close(); err != nil {
		t.Fatal(err)
	}
	if err := MigrateStore(t.Context(), url, &out); err != nil {
		t.Fatal(err)
	}
	says("applied 00001_init.sql", "the database went from version 0 to ")
	if err := MigrateStore(t.Context(), url, &out); err != nil {
		t.Fatal(err)
	}
	says("nothing to do: the database has version ")
	for _, want := range []string{
		"copied 1 instances with 0 verdicts, 1 readings, 0 alerts, 0 captures; 0 were there already",
		"copied 1 instances with 0 verdicts, 0 readings, 0 alerts, 0 captures; 1 were there already",
	} {
		if err := CopyStore(t.Context(), dir, url, &out); err != nil {
			t.Fatal(err)
		}
		says(want, "the profiles themselves stay in "+filepath.Join(dir, blobsDir))
	}
}

func TestAStoreAddressIsChecked(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(empty, []byte(" \n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		cfg  Config
		want string
	}{
		{Config{Store: "mysql://root:secret@db"}, `store: "mysql" is not allowed: want postgres://user@host/database, or nothing for SQLite in the data folder`},
		{Config{StoreFile: "/none"}, "storeFile: open /none: no such file or directory"},
		{Config{StoreFile: empty}, "storeFile: " + empty + " is empty: want the database's address"},
		{Config{Store: "postgres://me:secret@h:port/x"}, "store: store: cannot parse"},
	} {
		if _, err := tc.cfg.StoreAddress(); err == nil || !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%v, want %q", err, tc.want)
		}
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte("postgres://me@db/x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := (Config{StoreFile: file}).StoreAddress(); err != nil || got != "postgres://me@db/x" {
		t.Errorf("%q, %v", got, err)
	}
	cfg := DefaultConfig()
	cfg.Store, cfg.StoreFile = "postgres://me@db/x", file
	if err := cfg.Validate(); err == nil || !strings.Contains(err.Error(), "store and storeFile are both given: want one of them") {
		t.Errorf("%v", err)
	}
}
