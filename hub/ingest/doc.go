// Package ingest is the hub's door for agents: the WebSocket at / and /ws/agent.
//
// What may enter: frames of package wire, of version 0 (the original Node
// agent's) and version 1, from anyone. What leaves: checked registrations,
// readings and captures, handed to a Sink that makes them durable, and the
// bytes of profiles, handed to Blobs. A connection has one frame in work at a
// time and is not read meanwhile, so a busy store slows agents down instead of
// filling memory. Nothing that is sent ends more than its own connection: what
// is wrong is answered with an error and counted by reason.
package ingest
