// Package agent joins the rooms of the edge: it is the one place where targets
// are read, judged, kept evidence of and told to the hub.
//
//	Run     watches targets for good and serves the agent's own endpoints
//	Check   watches them for some time and says what was found
//	Record  writes what a target serves into a recording
//	Replay  judges a recording as if its target lived
//
// The first three read a target in one way (watch), and Replay shows the detector
// what was recorded in the same order. A context ends each of them; when they
// return, nothing of theirs runs on.
package agent
