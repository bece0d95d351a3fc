// Eval compares the detector with the rules that people use today, on the same
// data and by the same scorer: labelled recordings of real programs where they
// are at hand, and a simulator of processes over days of virtual time. It
// writes one table per data set into docs/detection.md.
//
//	go run ./eval                                 everything; updates docs/detection.md
//	go run ./eval --short --check                 half a minute, exit status 1 if a promise is broken
//	go run ./eval --scenario lru-fill --seed 7 -v one scenario, with the detector's words
//	go run ./eval --set key=value --interval 1s   other settings, other reading interval
//
// The simulator is in eval/simulate, the usual rules in eval/rules, the scoring
// in eval/score; they are joined here and nowhere else.
package main
