// Package hub is the central side: it joins the rooms that take in what agents
// send (ingest), keep it (store, blob), tell people (alert, live) and answer
// questions (api) behind one port, and holds the fleet's present state.
//
// What may enter: a Config and a context. What leaves: a running hub, until the
// context ends. Only this package knows more than one of its rooms.
package hub
