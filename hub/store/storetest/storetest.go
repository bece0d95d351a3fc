// Package storetest is the conformance suite of store.Store: every database must
// pass it.
package storetest

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/zupee/memwatch"
	"github.com/zupee/memwatch/hub/store"
)

// Place is where one store lies: Open opens it, again after it was closed. A store
// that is still open when the test ends is closed then.
type Place struct {
	Open func(t testing.TB, r store.Retention) store.Store
}

// Test runs the suite. place makes a place with nothing in it.
func Test(t *testing.T, place func(t testing.TB) Place) {
	for _, c := range []struct {
		name string
		run  func(t *testing.T, p Place)
	}{
		{"readings come back as they went in", roundTrip},
		{"readings survive a reopening", reopening},
		{"a reading sent twice is stored once", resend},
		{"late readings find their place", late},
		{"readings sent again when they have grown old are known", resendOld},
		{"concurrent appends share commits and all arrive", concurrent},
		{"a reading without a time is refused with its neighbours", noTime},
		{"thinning keeps extremes and ends", thinning},
		{"the newest readings come as they are", newest},
		{"ranges are cut exactly", ranges},
		{"instances that are gone take no points from the others", gone},
		{"an unknown service is not found", unknown},

		{"old readings grow coarser and keep their extremes", growOld},
		{"a roll-up of much loses nothing", rollMuch},
		{"readers see no gap while readings are rolled up", noGap},
		{"prune keeps to the retention", retention},

		{"instances come back with last reading and verdict", instances},
		{"the newest reading is found wherever it lies", newestAnywhere},

		{"alerts are found page by page", alertPages},
		{"an alert that is there already is not created again", alertAgain},
		{"the log of an alert has each line once, in order", alertLog},
		{"decisions that hold are found after the alert is over", held},
		{"text of any kind is kept", oddText},

		{"captures are found and deleted", captures},
		{"captures are pruned, but for those of open alerts", pruneCaptures},
		{"a failed part does not hurt its neighbours", neighbours},

		{"a caller that leaves is let go", leaving},
		{"a store is ready until it is closed, and then says so", closing},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(t, place(t)) })
	}
}

// T0 is when the readings of the suite begin.
var T0 = time.UnixMilli(1_795_425_000_000).UTC()

// Reading is the i-th reading of an instance, ten seconds after the one before.
func Reading(instance string, i int) store.Reading {
	r := store.Reading{Service: "checkout", Instance: instance}
	r.Sample.Time = T0.Add(time.Duration(i) * 10 * time.Second)
	r.Sample.Start = T0
	r.Sample.Set(memwatch.LiveHeapBytes, float64(1<<20+i*4096))
	r.Sample.Set(memwatch.NumGC, float64(i))
	r.Sample.Set(memwatch.LatencySeconds, 0.1*float64(i%7))
	return r
}

// Sequence are an instance's readings from one to before another.
func Sequence(instance string, from, to int) (out []store.Reading) {
	for i := from; i < to; i++ {
		out = append(out, Reading(instance, i))
	}
	return out
}

// Samples are the readings without their names.
func Samples(readings []store.Reading) (out []memwatch.Sample) {
	for _, r := range readings {
		out = append(out, r.Sample)
	}
	return out
}

// MustAppend appends readings.
func MustAppend(t testing.TB, s store.Store, readings []store.Reading) store.AppendResult {
	t.Helper()
	result, err := s.Append(context.Background(), readings)
	if err != nil {
		t.Fatal(err)
	}
	return result
}

// All reads every reading of an instance of the service that Reading makes.
func All(t testing.TB, s store.Store, instance string) []memwatch.Sample {
	t.Helper()
	series, total, err := s.Readings(context.Background(), store.Query{Service: "checkout", Instance: instance, MaxPoints: 100_000})
	if err != nil {
		t.Fatal(err)
	}
	if len(series) != 1 || len(series[0].Readings) != total {
		t.Fatalf("%d series, total %d", len(series), total)
	}
	return series[0].Readings
}

// wantReadings compares all readings of an instance with what went in.
func wantReadings(t testing.TB, s store.Store, instance string, want []store.Reading) {
	t.Helper()
	if got := All(t, s, instance); !slices.Equal(got, Samples(want)) {
		t.Fatalf("%d readings of %s back of %d, or not the same", len(got), instance, len(want))
	}
}

func mustClose(t testing.TB, s store.Store) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func mustPrune(t testing.TB, s store.Store, now time.Time) store.Pruned {
	t.Helper()
	p, err := s.Prune(context.Background(), now)
	if err != nil {
		t.Fatal(err)
	}
	return p
}
