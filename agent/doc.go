// Package agent joins the rooms of the edge: it is the one place where targets
// are read, judged, kept evidence of and told to the hub.
//
//	Run     watches targets for good and serves the agent's own endpoints
//	Check   watches them for some time and says what was found
//	Record  writes what a target serves into a recording
//	Replay  judges a recording as if its target lived
//
// All four show the detector the same things in the same order (watch). A
// context ends each of them; when they return, nothing of theirs runs on.
package agent
