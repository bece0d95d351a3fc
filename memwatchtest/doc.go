// Package memwatchtest fails a Go test whose workload leaks memory, and names
// the function that keeps it.
//
//	func TestOrdersAreForgotten(t *testing.T) {
//		s := newServer(t)
//		memwatchtest.NoLeak(t, func() { s.handle(order()) })
//	}
//
// The workload runs again and again; after each round the garbage collector
// runs and the live heap is read, now and then the heap and goroutine profiles
// too. The detector of memwatchd then judges the rounds as it judges readings of
// a service: warm-up, a cache that fills up, one step and noise are no leaks;
// memory that grows with the rounds is.
//
// It complements go.uber.org/goleak, which looks for goroutines that are left
// at the end: here everything may be left that does not become more.
//
// The heap belongs to the whole process, so whatever else runs beside the
// workload is judged with it: leave t.Parallel out of such a test.
package memwatchtest
