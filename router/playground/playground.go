// Package playground embeds the built playground: GraphiQL with sign-in, served
// by the program without any other host. Its source is in src/; Vite builds it
// into dist/, which is not committed.
package playground

import (
	"embed"
	"io/fs"
)

//go:embed all:dist
var dist embed.FS

// Build is the line to type when it is not built.
const Build = "npm ci --prefix router/playground && npm run build --prefix router/playground"

// Files are the built files; index.html is missing when it was not built.
func Files() fs.FS {
	sub, err := fs.Sub(dist, "dist")
	if err != nil {
		return dist // cannot be: the name is a constant and valid
	}
	return sub
}
