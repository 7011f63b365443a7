package ch

import (
	"fmt"
	"io/fs"
)

// NewerError is a database that was migrated by a newer program. Waiting does
// not help.
type NewerError struct{ Current, Known int64 }

func (e *NewerError) Error() string {
	return fmt.Sprintf("the database is at version %d, this program knows up to %d: run the newer program", e.Current, e.Known)
}

// Migrations are the files that the tables are made by, for whoever asks how
// new they are.
func Migrations() (fs.FS, error) { return fs.Sub(files, "migrations") }
