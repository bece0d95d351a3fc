// Package postgres is the store of any number of hubs: a store.Store in one
// PostgreSQL database. No hub holds in memory what the database does not confirm, so
// that hubs may come and go and write at once. What they tell each other, and which of
// them leads, is not the store's business.
//
// # Readings
//
// A reading comes in as a row of its own, (instance, time) its key: the same sent
// again, through whichever hub, is found by the database and stored once. What many
// callers ask for at the same time goes into one transaction, with one statement for
// all rows; a call returns when it is committed.
//
// Rows are quick to write and dear to keep. When a partition of four hours is over,
// its rows are sealed, some instances at a time, into chunks (package chunk), and it
// is dropped. The horizon in table state is the end of what may be sealed. A
// transaction reads it under a lock that whoever moves it waits for: what lies after
// it needs no look at chunks; a late reading before it is looked up there, under the
// lock that sealing holds too.
//
// Chunks grow coarser with age as in package sqlite, a day of an instance at a time,
// and leave by their partitions.
//
// # Locks
//
// Advisory, so that they cost no writes: lockAppend is shared by whoever writes
// readings, lockSeal is held by each step that moves rows or chunks and by whoever
// stores late readings, in that order.
package postgres
