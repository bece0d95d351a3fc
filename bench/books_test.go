package main

import (
	"testing"

	"github.com/zupee/memwatch"
	"github.com/zupee/memwatch/wire"
)

func TestAnAuditFindsWhatIsLostDoubledAndStrange(t *testing.T) {
	sent := line{sent: []entry{{1, 10}, {2, 20}, {3, 30}, {4, 40}}, confirmed: 3}
	stored := func(pairs ...float64) (out []wire.Metrics) {
		for i := 0; i < len(pairs); i += 2 {
			out = append(out, wire.Metrics{Timestamp: memwatch.UnixMilli(pairs[i]), HeapUsedMB: pairs[i+1]})
		}
		return out
	}
	for name, c := range map[string]struct {
		stored []wire.Metrics
		want   audit
	}{
		"all, the last unconfirmed": {stored(1, 10, 2, 20, 3, 30), audit{sent: 4, confirmed: 3, stored: 3}},
		"stored without an ack":     {stored(1, 10, 2, 20, 3, 30, 4, 40), audit{sent: 4, confirmed: 3, stored: 4}},
		"one lost":                  {stored(1, 10, 3, 30), audit{sent: 4, confirmed: 3, stored: 2, lost: 1}},
		"one doubled":               {stored(1, 10, 2, 20, 2, 20, 3, 30), audit{sent: 4, confirmed: 3, stored: 4, doubled: 1}},
		"another value":             {stored(1, 10, 2, 21, 3, 30), audit{sent: 4, confirmed: 3, stored: 3, strange: 1}},
		"never sent":                {stored(1, 10, 2, 20, 3, 30, 5, 50), audit{sent: 4, confirmed: 3, stored: 4, strange: 1}},
	} {
		var got audit
		got.line(sent, c.stored)
		if got != c.want {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
}
