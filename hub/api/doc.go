// Package api answers the hub's REST requests. It reads through the small
// interfaces it declares and writes JSON; it decides nothing.
package api
