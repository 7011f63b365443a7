package engines

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/netflixathome/cinema/internal/fault"
)

// Reasons of *fault.Error for the data folder.
const (
	ReasonLocked = "DATA_FOLDER_LOCKED" // another process holds it
	ReasonNewer  = "DATA_FOLDER_NEWER"  // made by a newer version of the program
	ReasonBroken = "DATA_FOLDER_BROKEN" // its version cannot be read
	ReasonDisk   = "DISK_FULL"          // too little room to start
)

// DataVersion is the layout of the data folder that this program writes and
// understands.
const DataVersion = 1

// minFree is the room below which a start is refused: the engines need about
// half of it at once on an empty folder, and a database that runs out of room
// in the middle of recovery is worse off than one that was not started.
const minFree = 256 << 20

// A process that was killed holds its lock for as long as the kernel takes to
// clear it away; whoever restarts the program by hand is quicker than that.
const (
	lockPatience = time.Second
	lockEvery    = 20 * time.Millisecond
)

// Folder is a data folder that this process holds.
type Folder struct{ file *os.File }

// Lock makes the data folder where it is missing, takes it for this process
// and checks that it can be worked in. The kernel gives it free when the
// process ends, however it ends. Start calls it; a command that works on the
// folder without engines, such as a restore, calls it by itself.
func Lock(dir string) (*Folder, error) {
	if dir == "" {
		return nil, errors.New("engines: no data folder")
	}
	// Others may pass through, not look: unprivileged children reach their own
	// folders below; what is secret is closed by itself.
	if err := os.MkdirAll(dir, 0o711); err != nil {
		return nil, fmt.Errorf("the data folder cannot be made: %w", err)
	}
	path := filepath.Join(dir, "lock")
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("the data folder cannot be written to: %w", err)
	}
	if err := claim(f, dir); err != nil {
		_ = f.Close()
		return nil, err
	}
	return &Folder{file: f}, nil
}

func claim(f *os.File, dir string) error {
	err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	for wait := lockPatience; errors.Is(err, syscall.EWOULDBLOCK) && wait > 0; wait -= lockEvery {
		time.Sleep(lockEvery) //nolint:forbidigo // the kernel does not tell when a lock is given free; lockPatience bounds the wait
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	}
	switch {
	case errors.Is(err, syscall.EWOULDBLOCK):
		by := "another process"
		if b, err := io.ReadAll(io.LimitReader(f, 32)); err == nil && len(bytes.TrimSpace(b)) > 0 {
			by = "the process " + string(bytes.TrimSpace(b))
		}
		return fault.New(fault.Conflict,
			"the data folder %s is in use by %s: stop that one, or choose another folder", dir, by).WithReason(ReasonLocked)
	case err != nil:
		return fmt.Errorf("the data folder %s cannot be locked: %w", dir, err)
	}
	if err := checkVersion(dir); err != nil {
		return err
	}
	if err := checkRoom(dir); err != nil {
		return err
	}
	if err := f.Truncate(0); err != nil {
		return fmt.Errorf("the data folder %s: %w", dir, err)
	}
	if _, err := f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0); err != nil {
		return fmt.Errorf("the data folder %s: %w", dir, err)
	}
	return nil
}

// Unlock gives the folder free.
func (l *Folder) Unlock() error {
	if err := l.file.Close(); err != nil {
		return fmt.Errorf("the data folder's lock: %w", err)
	}
	return nil
}

// checkVersion refuses a folder of a newer program and marks a new one.
func checkVersion(dir string) error {
	path := filepath.Join(dir, "version")
	b, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		// Whole or not at all: half a version would be refused for ever.
		tmp := path + ".new"
		if err := os.WriteFile(tmp, []byte(strconv.Itoa(DataVersion)+"\n"), 0o600); err != nil {
			return fmt.Errorf("the data folder %s: %w", dir, err)
		}
		if err := os.Rename(tmp, path); err != nil {
			return fmt.Errorf("the data folder %s: %w", dir, err)
		}
		return nil
	}
	if err != nil {
		return fmt.Errorf("the data folder %s: %w", dir, err)
	}
	v, err := strconv.Atoi(strings.TrimSpace(string(b)))
	switch {
	case err != nil || v < 1:
		return fault.New(fault.Unavailable,
			"%s does not hold a version (it says %.20q): restore it from a backup, or start with an empty data folder; nothing was changed", path, b).WithReason(ReasonBroken)
	case v > DataVersion:
		return fault.New(fault.Unavailable,
			"the data folder %s was written by a newer version of the program (its layout is %d, this program knows %d): run the newer version, or choose another folder; nothing was changed", dir, v, DataVersion).WithReason(ReasonNewer)
	}
	return nil
}

func checkRoom(dir string) error {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return fmt.Errorf("the data folder %s: %w", dir, err)
	}
	if free := st.Bavail * uint64(st.Bsize); free < minFree {
		return fault.New(fault.Unavailable,
			"the disk is full: the data folder %s has %d MB of room, and at least %d MB are needed to start: make room, or choose another folder",
			dir, free>>20, minFree>>20).WithReason(ReasonDisk)
	}
	return nil
}
