package memwatchtest_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/zupee/memwatch/memwatchtest"
)

// fakeT keeps what a failing test would say.
type fakeT struct {
	*testing.T
	errors []string
}

func (f *fakeT) Errorf(format string, args ...any) {
	f.errors = append(f.errors, fmt.Sprintf(format, args...))
}
func (f *fakeT) Fatalf(format string, args ...any) { f.Errorf(format, args...) }

// said runs a workload and returns what the test would fail with.
func said(t *testing.T, work func(), opts ...memwatchtest.Option) string {
	t.Helper()
	f := &fakeT{T: t}
	memwatchtest.NoLeak(f, work, opts...)
	return strings.Join(f.errors, "\n")
}

// desk answers orders. The leaky one remembers them all; the fixed one forgets
// the oldest.
type desk struct {
	orders map[int][]byte
	next   int
	keep   int // 0 keeps all
}

//go:noinline
func (d *desk) take() {
	d.next++
	d.orders[d.next] = make([]byte, 600)
	if d.keep > 0 {
		delete(d.orders, d.next-d.keep)
	}
}

func TestALeakFailsTheTestAndNamesItsFunction(t *testing.T) {
	d := &desk{orders: map[int][]byte{}}
	got := said(t, d.take)
	for _, want := range []string{"memory leaks (heap): ", " a round (", "held by github.com/zupee/memwatch/memwatchtest_test.(*desk).take", "noleak_test.go:"} {
		if !strings.Contains(got, want) {
			t.Errorf("want %q in\n%s", want, got)
		}
	}
	if strings.Contains(got, "recorder") {
		t.Errorf("our own calls are nobody's business:\n%s", got)
	}
}

func TestTheFixedWorkloadPasses(t *testing.T) {
	d := &desk{orders: map[int][]byte{}, keep: 20}
	if got := said(t, d.take); got != "" {
		t.Errorf("a desk that keeps 20 orders leaks:\n%s", got)
	}
}

func TestAnExpectedFunctionMayGrow(t *testing.T) {
	d := &desk{orders: map[int][]byte{}}
	if got := said(t, d.take, memwatchtest.Expect("(*desk).take")); got != "" {
		t.Errorf("it was expected:\n%s", got)
	}
	if got := said(t, d.take, memwatchtest.Expect("(*desk).give")); got == "" {
		t.Error("another function's name hid the leak")
	}
}

// pool hands out buffers from sync.Pool, and garbage beside them: a lot is
// allocated, nothing stays.
func TestGarbageAndPoolsAreNoLeaks(t *testing.T) {
	pool := sync.Pool{New: func() any { b := make([]byte, 64<<10); return &b }}
	if got := said(t, func() {
		for range 10 {
			b := pool.Get().(*[]byte)
			_ = fmt.Sprint(len(*b), strings.Repeat("x", 5000))
			pool.Put(b)
		}
	}); got != "" {
		t.Errorf("nothing stays:\n%s", got)
	}
}

func TestACacheThatFillsUpIsNoLeak(t *testing.T) {
	d := &desk{orders: map[int][]byte{}, keep: 40}
	if got := said(t, func() { d.take(); d.take() }, memwatchtest.Rounds(150)); got != "" {
		t.Errorf("it is full after 20 rounds:\n%s", got)
	}
}

func TestGoroutinesThatNeverEndAreFound(t *testing.T) {
	stop := make(chan struct{})
	var wg sync.WaitGroup
	t.Cleanup(func() {
		close(stop)
		wg.Wait()
	})
	got := said(t, func() {
		for range 4 {
			wg.Go(func() { wait(stop) })
		}
	})
	if !strings.Contains(got, "memory leaks (goroutine)") || !strings.Contains(got, "wait") {
		t.Errorf("want the goroutines that wait, found\n%s", got)
	}
}

//go:noinline
func wait(stop chan struct{}) { <-stop }

func TestTooFewRoundsAreRefused(t *testing.T) {
	if got := said(t, func() {}, memwatchtest.Rounds(59)); !strings.Contains(got, "Rounds is 59: want 60 or more") {
		t.Errorf("got %q", got)
	}
}
