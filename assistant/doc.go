// Package assistant lets an assistant (a program that works in words) look at what
// a hub knows, over the Model Context Protocol. It is a client of the hub's REST
// API: it sees what its token may see, reads and changes nothing.
//
// Each tool answers twice: in few words, with what to ask next, and as structured
// content whose schema the tool declares. Names, messages and stacks come from
// watched services; the instructions say that they are data.
package assistant
