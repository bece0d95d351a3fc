// Command bench measures what memwatch costs, side by side with what it is
// compared to, and writes the tables of docs/benchmarks.md.
//
//	go run ./bench                 all rows
//	go run ./bench sidecar target  these rows
//
// It builds the programs it measures, starts them as processes of their own on
// loopback, and reads their CPU time and resident memory from /proc. Machines
// drift: what is compared runs in turn, pair by pair, and the figures to quote
// are medians and ratios. Nothing here is a test; no figure makes a run fail.
package main
