// Package sqlite is the store of one hub on one machine: a store.Store in one
// embedded SQLite database, which that hub alone has open.
//
// # Readings
//
// Rows in a table would cost a dirty page for each instance and tick. Instead a
// commit appends all its readings as one row to a journal, and keeps them in
// memory as the instance's open chunk. When about 120 are together they are
// sealed: written once, as columns (package chunk), and the journal's rows are
// deleted from its beginning as soon as no open chunk needs them. At start the
// open chunks are rebuilt from the journal. A reading is known by service,
// instance and millisecond, so that one sent twice is stored once, however late.
// A late reading simply lands in the chunk that is open when it comes.
//
// # Writing
//
// One goroutine writes. What many callers ask for at the same time goes into one
// transaction; each call returns when its part is durable (or refused), so that
// a caller that waits is also the back-pressure. When one part fails, the others
// are tried again without it.
//
// # Growing old
//
// Prune rolls old chunks up: of each minute, later of each ten minutes, the readings
// with the least and the greatest main value stay, as chunks of the same form. A
// query need not know; only a reading's neighbours are fewer.
package sqlite
