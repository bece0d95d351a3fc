// Package scraper reads one target: its runtime's memory statistics, its
// process, and its profiles.
//
// A URL enters; a Sample, or raw profile bytes with the Sites they reduce to,
// leave. What a target does not have is absent from the Sample, never zero. What
// a target sends is a stranger's: every answer is bounded in size and time,
// and anything unusual is an *Error that names target and endpoint, says what
// was found and what to do. The target's cost is this room's to guard: nothing
// here forces a GC, stops the world for long, or reads two things at once.
package scraper
