// Package memwatch is the vocabulary that every room of the house speaks:
// what is watched (Target), one reading of it (Sample), one profile reduced to
// its allocation stacks (Sites), what the detector says (Verdict), the evidence
// that was saved (Capture) and what people are told (Alert).
//
// It holds plain data and nothing else: no I/O, no clock, no goroutine, and it
// imports the standard library only. The flow through the house is
//
//	target → scraper → detector → capture → spool → uplink   (the agent)
//	       → ingest → store → alert → notify, live → browser (the hub)
package memwatch
