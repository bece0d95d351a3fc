// Package ui carries the dashboard: the built files of the page that the hub
// serves at "/", embedded so that go build needs no Node.
//
// What may enter: nothing at run time; dist is built from src by "npm run
// build" and committed. What leaves: FS, a file system with index.html at its
// root. Names under assets/ contain a hash of the content and may be cached for
// ever; index.html, theme.js and icons/ may not. Every path that is no file
// belongs to the page's own router and is answered with index.html.
package ui

import (
	"embed"
	"io/fs"
)

//go:embed all:dist
var dist embed.FS

// FS returns the dashboard's files, index.html at the root. It is read-only and
// safe for concurrent use.
func FS() fs.FS {
	sub, err := fs.Sub(dist, "dist")
	if err != nil { // "dist" is a valid path, checked when this was compiled
		panic(err)
	}
	return sub
}
