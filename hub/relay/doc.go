// Package relay is how hubs that share one PostgreSQL database tell each other what
// happens, and agree which of them leads.
//
// Every hub sends messages; every hub, its sender too, gets all of them. What a
// message says is the hub's business: here it is bytes.
//
// # Order
//
// The messages of one hub come in the order in which they were sent, and after
// every message of which the sender could know. For that, each hub numbers its own
// rows and commits them one after the other, so that no number appears behind a
// reader's back; and rows are read in the order of the database's clock, of which
// a row is later than all that were committed before it was written. A message
// that was sent (Send has answered nil) is never lost while its row is kept. When
// Send answers an error, the message may come all the same: whoever sends it again
// must not mind that it comes twice.
//
// Many messages go in one row, and NOTIFY says that there are some: it carries
// nothing, and losing it costs a quarter of a second.
//
// # The leader
//
// The leader holds an advisory lock for as long as its connection lives, so that
// a hub that is killed leads no longer within moments. It notes up to where all
// that follows from the messages is stored (Term.Save); the next leader goes on
// there, and gets again what its predecessor may not have finished. A hub that was
// overtaken finds that it can save no more.
package relay
