// Package wire holds the messages between agent, hub and browser: JSON text
// frames in camelCase, timestamp in Unix milliseconds, sizes in bytes unless
// the name says MB (MiB, as the original agent counted them).
//
// # Agent to hub
//
// Version 0 is what the original Node agent sends: registration, metrics,
// snapshot, and no answer is expected. Version 1 is chosen by the WebSocket
// subprotocol Subprotocol: the same three types carry v, id, instance and more,
// may be packed into a batch, and the hub answers each id with one ack (it is
// durable), one error (it was refused; sending it again will not help unless
// retryAfterMs is set), or, for a snapshot whose bytes it lacks, a want: the
// agent then sends the bytes from that offset as chunks (see AppendChunk), and
// the ack follows when all are durable.
// Readings are keyed by service, instance and timestamp, and captures by id, so
// that a resend changes nothing.
//
// # Hub to browser
//
// Every frame to a browser is one event object or an array of them, oldest
// first. The first is a hello with the newest sequence number; the events that
// follow carry their own, rising within a connection and across restarts of the
// hub. Numbers may be missing, and that is no loss: a reading that a newer one of
// the same instance replaced before it could be sent is left out (one with a
// verdict is replaced only by a newer verdict), and so are the readings of
// services that are not watched. Nothing else is ever left out. A browser that
// falls too far behind is closed with 1013 (try again later).
//
// After every hello: fetch the state over REST, then apply the events with a
// sequence above the hello's. Applying one twice does no harm. Of several hubs that
// share a database each has numbers of its own, so a hello is a new beginning, and
// what follows it may reach back some seconds.
//
// A browser may send watch at any time; it chooses the services whose
// metricsUpdate events come, all of them until it is sent. Events of other
// types come for every service.
//
// The golden files in testdata are the contract; the dashboard's types are
// checked against them.
package wire
