// Package simulate is a seeded model of Go processes, days of virtual time in
// seconds of real time: allocation sites that hold memory in many ways, healthy
// and not, a small garbage collector, resident memory that lags behind, load
// that breathes with the day, and readings that go missing.
//
// A scenario, a seed and a replica number enter; readings (memwatch.Sample),
// profiles (memwatch.Sites) and the truth (what leaks, since when, how much)
// leave. The same input gives the same readings, whether profiles are asked for
// or not. It models what a reader of metrics and profiles can see, and no more:
// objects are flows of bytes, a GC cycle is a point in time.
package simulate
