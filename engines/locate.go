package engines

import (
	"os"
	"path/filepath"
)

// FindDir is the folder that holds the engines' node_modules: explicit, when
// it is set; else the folder "engines" beside the program, one level above
// it (a checkout, where the program is in bin), or in the working directory.
// It is empty where none of these holds any; engines may still be found on
// the system.
func FindDir(explicit string) string {
	if explicit != "" {
		return explicit
	}
	var parents []string
	if self, err := os.Executable(); err == nil {
		if real, err := filepath.EvalSymlinks(self); err == nil {
			self = real
		}
		dir := filepath.Dir(self)
		parents = append(parents, dir, filepath.Dir(dir))
	}
	if wd, err := os.Getwd(); err == nil {
		parents = append(parents, wd)
	}
	for _, parent := range parents {
		dir := filepath.Join(parent, "engines")
		if fi, err := os.Stat(filepath.Join(dir, "node_modules")); err == nil && fi.IsDir() {
			return dir
		}
	}
	return ""
}
