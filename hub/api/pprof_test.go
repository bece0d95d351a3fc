package api

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/pprof/profile"
)

func TestProfilesOpenInPprofAreBoundedInNumberAndBytes(t *testing.T) {
	for in, want := range map[string]string{
		"1 1 1":       "1 1 1",
		"1 2 3 4 5":   "2 3 4 5",
		"100 100 100": "100 100",
		"1 300":       "300", // what is looked at now stays, however large
		"300 1":       "1",
	} {
		ui := &pprofUI{}
		for _, size := range strings.Fields(in) {
			var mib int64
			fmt.Sscan(size, &mib)
			ui.keep(openProfile{bytes: mib << 20})
		}
		var got []string
		for _, o := range ui.open {
			got = append(got, fmt.Sprint(o.bytes>>20))
		}
		if strings.Join(got, " ") != want {
			t.Errorf("of %s MiB %v are open, want %s", in, got, want)
		}
	}
	if n := heldBytes(&profile.Profile{Sample: make([]*profile.Sample, 0), Function: make([]*profile.Function, 1000)}); n < 100_000 {
		t.Errorf("a thousand functions take %d bytes", n)
	}
}

func TestProfilesAtWhichNobodyLooksAreClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ui := &pprofUI{}
		ui.idle = time.AfterFunc(shownFor, ui.close)
		ui.keep(openProfile{id: "a"})
		open := func() int {
			synctest.Wait()
			ui.mu.Lock()
			defer ui.mu.Unlock()
			return len(ui.open)
		}
		time.Sleep(shownFor - time.Second)
		if open() != 1 {
			t.Error("closed too soon")
		}
		time.Sleep(2 * time.Second)
		if open() != 0 {
			t.Error("still open")
		}
	})
}
