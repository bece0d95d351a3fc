// Package capture keeps evidence on disk: what a target looked like while it
// was healthy, when it became suspect, and when it leaked.
//
// Profiles come in as bytes, with the verdict and the readings around them;
// fetching them is the agent's business. Each call of Save makes one bundle, a
// folder that is there whole or not at all, readable by its owner alone:
//
//	<service>/<instance>/<UTC time>_<role>_<end of its id>/
//		manifest.json   what it is, and each profile with id, size and SHA-256
//		verdict.json    the verdict with its gates
//		readings.jsonl  the readings that led to it, one a line
//		<service>_<instance>_<kind>_<role>_<UTC time>.pb.gz
//
// The bundle of a leak also holds the baseline to compare with (a hard link, so
// it costs nothing), and everything in it opens in `go tool pprof`. It needs no
// hub. Old bundles give way to new ones under a disk budget; the newest
// evidence of a leak that is open, and files that the hub still waits for, stay.
package capture
