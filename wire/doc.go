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
// A hello with the present sequence number, then events that each carry their
// own. A gap in the sequence means: fetch the state over REST anew.
//
// The golden files in testdata are the contract; the dashboard's types are
// checked against them.
package wire
