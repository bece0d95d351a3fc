// Package live shows browsers what happens, as it happens: the WebSocket at /ws.
//
// What may enter: readings, alerts, statuses and captures that are stored
// already. What leaves: the frames described in package wire. Each event is
// encoded once and kept for a while in one compacted log (of an instance's
// readings only the newest stays); a browser is no more than a place in that log.
// So a slow browser costs nothing, holds nobody back, and finds the latest state
// when it comes round; one that was away goes on at its place; one that falls out
// of the log starts anew.
package live
