package hub

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/zupee/memwatch"
	"github.com/zupee/memwatch/hub/store"
	"github.com/zupee/memwatch/wire"
)

// TestABackupUnderLoadRestoresElsewhere backs a hub up while agents write, and
// starts another on the copy.
func TestABackupUnderLoadRestoresElsewhere(t *testing.T) {
	r := start(t, quick(t.TempDir()))
	data := r.dir
	agent := r.agent()
	profile := heapProfile(t, 100_000)
	capture := captureOf("01-leaking", memwatch.RoleLeaking, profile, "")
	snapshot := snapshotOf("s1", capture)
	agent.send(snapshot)
	if a := agent.answer(); a.Type != wire.TypeWant {
		t.Fatalf("%+v", a)
	}
	agent.sendChunk("s1", 0, profile)
	if a := agent.answer(); a.Type != wire.TypeAck {
		t.Fatalf("%+v", a)
	}
	begin := time.Now().Add(-time.Hour).Truncate(time.Millisecond)
	agent.ack(batch("leak", wire.NewMetrics("", shop, sampleAt(begin, 1e6), leaking())), "leak")

	var acked atomic.Int64 // readings of shop that are durable
	done := make(chan struct{})
	var load sync.WaitGroup
	load.Go(func() {
		busy := r.agent()
		for i := 1; ; i++ {
			select {
			case <-done:
				return
			default:
			}
			id := fmt.Sprint(i)
			busy.ack(batch(id, wire.NewMetrics("", shop, sampleAt(begin.Add(time.Duration(i)*100*time.Millisecond), 1e6), nil)), id)
			acked.Add(1)
		}
	})
	eventually(t, "the load runs", func() error {
		if acked.Load() < 20 {
			return errNotYet
		}
		return nil
	})
	before := acked.Load()
	to := filepath.Join(t.TempDir(), "copy")
	var out bytes.Buffer
	err := Backup(context.Background(), data, "", to, &out)
	during := acked.Load() - before
	close(done)
	load.Wait()
	if err != nil {
		t.Fatal(err)
	}
	if want := to + ": 2 alerts, 1 instances, 1 profiles ("; !strings.HasPrefix(out.String(), want) || strings.Contains(out.String(), "left out") {
		t.Errorf("%s", out.String())
	}
	t.Logf("%d readings were stored while the backup ran", during)

	type answers struct {
		Alerts   struct{ Alerts []memwatch.Alert }
		Profiles struct{ Profiles []memwatch.Capture }
		Bytes    []byte
		Total    struct{ Total int64 }
	}
	ask := func(r *running) (a answers) {
		r.get("/api/alerts", &a.Alerts)
		r.get("/api/profiles", &a.Profiles)
		r.get("/api/profiles/01-leaking", &a.Bytes)
		r.get("/api/services/shop/metrics?limit=4", &a.Total)
		return a
	}
	was := ask(r)
	r.stop()
	is := ask(start(t, quick(to)))
	if is.Total.Total < before+1 || is.Total.Total > was.Total.Total {
		t.Errorf("%d readings restored; %d were there before the backup, %d after", is.Total.Total, before+1, was.Total.Total)
	}
	was.Total, is.Total = struct{ Total int64 }{}, struct{ Total int64 }{}
	if len(is.Alerts.Alerts) != 2 || !reflect.DeepEqual(is, was) {
		t.Errorf("restored %+v\nwant     %+v", is, was)
	}
}

func TestABackupThatCannotBeMadeLeavesNothing(t *testing.T) {
	r := start(t, quick(t.TempDir()))
	r.stop()
	parent := t.TempDir()
	there := filepath.Join(parent, "there")
	if err := os.Mkdir(there, 0o750); err != nil {
		t.Fatal(err)
	}
	canceled, cancel := context.WithCancel(context.Background())
	cancel()
	for name, tc := range map[string]struct {
		ctx      context.Context
		data, to string
		want     string
	}{
		"there already": {context.Background(), r.dir, there, "it is there already: want a new folder"},
		"no data":       {context.Background(), filepath.Join(parent, "none"), filepath.Join(parent, "copy"), "none/memwatch.db: no such file or directory"},
		"interrupted":   {canceled, r.dir, filepath.Join(parent, "copy"), "canceled"},
	} {
		if err := Backup(tc.ctx, tc.data, "", tc.to, &bytes.Buffer{}); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v, want %q", name, err, tc.want)
		}
	}
	if left, err := os.ReadDir(parent); err != nil || len(left) != 1 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestABackupLeavesOutProfilesThatAreDamagedAndSaysSo(t *testing.T) {
	dir, ctx := t.TempDir(), context.Background()
	h, shut := opened(t, dir)
	for i, data := range []string{"good", "bad", "gone"} {
		c := captureOf(fmt.Sprint(i), memwatch.RoleLeaking, []byte(data), "")
		c.Service, c.Instance = "shop", "shop-1"
		if _, err := h.blobs.Write(ctx, c.SHA256, 0, []byte(data)); err != nil {
			t.Fatal(err)
		}
		if err := h.blobs.Finish(ctx, c.SHA256, c.Size); err != nil {
			t.Fatal(err)
		}
		if _, err := h.store.SaveCapture(ctx, *c); err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(dir, blobsDir, c.SHA256[:2], c.SHA256[2:])
		var err error
		switch data {
		case "bad":
			err = os.WriteFile(file, []byte("dab"), 0o600)
		case "gone":
			err = os.Remove(file)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	shut()
	to := filepath.Join(t.TempDir(), "copy")
	var out bytes.Buffer
	if err := Backup(ctx, dir, "", to, &out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"1 profiles (4 bytes)", "left out: profile 1 of shop/shop-1: copy blob ", "left out: profile 2 of shop/shop-1: blob "} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%s\nwant %q", out.String(), want)
		}
	}
	h, shut = opened(t, to)
	defer shut()
	if _, err := h.store.Capture(ctx, "0"); err != nil {
		t.Error(err)
	}
	if _, err := h.store.Capture(ctx, "1"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("%v", err)
	}
}
