// Package api answers the hub's REST requests and describes them: every
// operation is registered once with its types, and the OpenAPI document, the
// docs page and the checks of what comes in follow from that. It reads through
// the small interfaces it declares; it decides nothing about leaks, and asks
// Options.Allow who may do what.
package api
