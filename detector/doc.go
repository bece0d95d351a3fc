// Package detector turns the history of one target into a verdict: does it
// leak, what grows, where, how fast, and how long until that hurts.
//
// Samples and Sites enter, a Verdict leaves. The package is pure: no clock, no
// goroutine, no I/O, the same input gives the same verdict; memory is bounded
// whatever enters and for however long.
package detector
