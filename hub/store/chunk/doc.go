// Package chunk turns readings into few bytes and back, without loss. It knows
// two forms: rows, each against the one before it, for readings that have just
// come in; and columns, one signal after the other, for readings that are to
// be kept. Values go in and bytes come out: no I/O, no clock, no state beyond
// what the caller holds.
//
// Signals are written as the numbers of a Dictionary and never as the constants
// of this build, whose order may change. Times are kept to the millisecond.
//
// The decoders take bytes from a disk that may be damaged: they answer with an
// error, never panic, and never allocate by a number they have read before
// having checked it.
package chunk
