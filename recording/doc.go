// Package recording reads and writes recordings: what a target served over
// some minutes, kept in a folder so that the detector can be run on it again.
//
//	samples.jsonl          one reading or scrape error a line, in time order
//	heap/<t>.pb.gz         heap profiles, raw bytes as served, <t> in seconds since 1970
//	goroutine/<t>.pb.gz    goroutine profiles, the same
//	meta.json              where it comes from and, when labelled, what is known of it
//
// Samples and raw profile bytes enter and leave; nothing is interpreted.
package recording
