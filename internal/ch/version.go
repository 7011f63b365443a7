package ch

import (
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"
)

// NewerError is a database that was migrated by a newer program. Waiting does
// not help.
type NewerError struct{ Current, Known int64 }

func (e *NewerError) Error() string {
	return fmt.Sprintf("the database is at version %d, this program knows up to %d: run the newer program", e.Current, e.Known)
}

// Known is the newest version of the tables that this program makes.
func Known() (int64, error) {
	names, err := fs.Glob(files, "migrations/*.sql")
	if err != nil {
		return 0, err
	}
	var newest int64
	for _, name := range names {
		digits, _, _ := strings.Cut(path.Base(name), "_")
		n, err := strconv.ParseInt(digits, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("migration %s has no number", name)
		}
		newest = max(newest, n)
	}
	return newest, nil
}
