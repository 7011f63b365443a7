package files

import (
	"io/fs"
	"slices"
	"strings"
)

// sortEntries orders a folder so that walking it yields keys in byte order: a
// folder sorts as its name with the slash that follows it.
func sortEntries(es []fs.DirEntry) {
	name := func(e fs.DirEntry) string {
		if e.IsDir() {
			return e.Name() + "/"
		}
		return e.Name()
	}
	slices.SortFunc(es, func(a, b fs.DirEntry) int { return strings.Compare(name(a), name(b)) })
}
