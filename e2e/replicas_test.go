package e2e

import (
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/zupee/memwatch"
	"github.com/zupee/memwatch/hub/api"
	"github.com/zupee/memwatch/internal/pgtest"
	"github.com/zupee/memwatch/internal/ws"
)

// balance passes connections on to the first of the addresses that takes one.
func balance(t *testing.T, to []string) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer in.Close()
				for _, addr := range to {
					out, err := net.Dial("tcp", addr)
					if err != nil {
						continue
					}
					go func() {
						defer out.Close()
						io.Copy(out, in)
					}()
					io.Copy(in, out)
					return
				}
			}()
		}
	}()
	return l.Addr().String()
}

// Of three hubs on one database, the one that has the agent and the browser, and
// which may lead, is killed, and then the next. What was acked is there once, the
// alert is one, agent and browser are elsewhere by themselves.
func TestAHubKilledAmongSeveralCostsNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	database := pgtest.Start(t).Database(t)
	hubs := map[string]*process{}
	var addrs []string
	for range 3 {
		hub := start(t, "memwatch-hub", "serve", "--data", filepath.Join(dir, "data"), "--listen", "127.0.0.1:0", "--store", database)
		addr := hub.line(t, `http://(127\.0\.0\.1:\d+)`)[1]
		hubs[addr], addrs = hub, append(addrs, addr)
	}
	leaky := startLeaky(t, "shop", "map")
	var b strings.Builder
	fmt.Fprintf(&b, "dashboardUrl: ws://%s\nuplink: {urls: ['ws://%s', 'ws://%s'], maxBackoff: 2s}\ncheckInterval: 500ms\nlisten: \"\"\nsnapshotPath: %[4]s/snapshots\nstateDir: %[4]s/state\nspool: {dir: %[4]s/spool}\ntargets:\n",
		addrs[0], addrs[1], addrs[2], dir)
	fmt.Fprintf(&b, "  - {service: shop, instance: shop-1, url: '%s'}\n", leaky)
	file := filepath.Join(dir, "config.yaml")
	if err := os.WriteFile(file, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	agent := start(t, "memwatchd", "run", "--config", file)
	agent.line(t, `hub connected.*`+regexp.QuoteMeta(addrs[0]))
	page := balance(t, addrs)

	eventually(t, "the leak's alert at the hub that has no agent", 100*time.Second, func() error {
		leaks, err := leakAlerts(addrs[2], "shop")
		if err == nil && len(leaks) != 1 {
			err = fmt.Errorf("%d leak alerts", len(leaks))
		}
		return err
	})
	var before []memwatch.UnixMilli
	for _, killed := range addrs[:2] { // the third is left
		browser := watch(t, page)
		var err error
		if before, err = readings(addrs[2], "shop"); err != nil {
			t.Fatal(err)
		}
		hubs[killed].kill(t)
		if err := browser(); err == nil {
			t.Error("the browser's connection outlives its hub")
		}
		watch(t, page) // as the page does: it connects again
		left := time.Now()
		eventually(t, "readings by another hub", 60*time.Second, func() error {
			got, err := readings(addrs[2], "shop")
			if err == nil && got[len(got)-1].Time().Before(left.Add(2*time.Second)) {
				err = fmt.Errorf("%d readings, none newer than the kill", len(got))
			}
			return err
		})
	}
	agent.line(t, `hub connected.*`+regexp.QuoteMeta(addrs[2]))

	after, err := readings(addrs[2], "shop")
	if err != nil {
		t.Fatal(err)
	}
	checkHistory(t, before, after)
	if leaks, err := leakAlerts(addrs[2], "shop"); err != nil || len(leaks) != 1 {
		t.Errorf("%d alerts, %v, want the one", len(leaks), err)
	}
	eventually(t, "the one that is left leads", 20*time.Second, func() error {
		var st api.Stats
		if err := getJSON("http://"+addrs[2]+"/api/stats", &st); err != nil {
			return err
		}
		if len(st.Hubs) != 1 || !st.Hubs[0].Leads {
			return fmt.Errorf("%+v", st.Hubs)
		}
		return nil
	})
}

// watch connects to the live view and waits for its first frames; the function it
// returns reads until the connection ends, and answers why.
func watch(t *testing.T, addr string) (ended func() error) {
	t.Helper()
	conn, _, err := ws.Dial(t.Context(), "ws://"+addr+"/ws", ws.DialOptions{MaxFrameBytes: 8 << 20})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.CloseNow() })
	for range 2 { // the hello, and something that happens
		if _, _, err := conn.Read(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	return func() error {
		for {
			if _, _, err := conn.Read(t.Context()); err != nil {
				return err
			}
		}
	}
}
