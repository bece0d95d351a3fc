package hub

import (
	"testing"
	"time"

	"github.com/zupee/memwatch"
)

// The hub was away for longer than replicas are waited for: those that come back
// after the first one are still known, and those that had long been gone are not.
func TestTheHubsOwnAbsenceCountsForNoReplica(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	f := newFleet(Presence{ForgetAfter: time.Hour}, func() time.Time { return now })
	for instance, ago := range map[string]time.Duration{"a": 65 * time.Minute, "b": 66 * time.Minute, "gone": 3 * time.Hour} {
		f.restore(restored{target: memwatch.Target{Service: "shop", Instance: instance}, lastSeen: now.Add(-ago)})
	}
	if _, err := f.join(memwatch.Target{Service: "shop", Instance: "a"}); err != nil {
		t.Fatal(err)
	}
	forgets := func(want string) {
		t.Helper()
		got := ""
		for _, target := range f.forget() {
			got += target.Instance
		}
		if got != want {
			t.Errorf("forgot %q, want %q", got, want)
		}
	}
	forgets("gone")
	now = now.Add(58 * time.Minute)
	forgets("")
	now = now.Add(time.Minute)
	forgets("b")
}
