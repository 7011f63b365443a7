package postgres

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"github.com/netflixathome/cinema/engines/child"
)

// socketFolder makes the private folder of the socket: inside the engine's
// folder where the path fits into a socket address, else a short one below
// the system's folder for temporary files, the same at every start.
func socketFolder(dir string, user *child.User) (string, error) {
	path := filepath.Join(dir, "run")
	if len(path)+1+len(socketName) > maxSocketPath {
		sum := sha256.Sum256([]byte(dir))
		path = filepath.Join(os.TempDir(), fmt.Sprintf("cinema-%d-%s", os.Geteuid(), hex.EncodeToString(sum[:6])))
		if len(path)+1+len(socketName) > maxSocketPath {
			return "", fmt.Errorf("postgres: no place for the socket: both %s and %s are too long for a socket address of %d bytes; choose a data folder with a shorter path", dir, path, maxSocketPath)
		}
	}
	if err := os.Mkdir(path, 0o700); err != nil && !os.IsExist(err) {
		return "", fmt.Errorf("postgres: %w", err)
	}
	// The folder may have been there before, made by us or, in a place that
	// others can write to, by somebody who would like to be connected to.
	fi, err := os.Lstat(path)
	if err != nil {
		return "", fmt.Errorf("postgres: %w", err)
	}
	owner := fi.Sys().(*syscall.Stat_t).Uid
	ours := owner == uint32(os.Geteuid()) || (user != nil && owner == user.UID)
	if !fi.IsDir() || !ours {
		return "", fmt.Errorf("postgres: %s is not a folder of our own: remove it", path)
	}
	if err := chown(user, path); err != nil {
		return "", err
	}
	if err := os.Chmod(path, 0o700); err != nil {
		return "", fmt.Errorf("postgres: %w", err)
	}
	return path, nil
}
