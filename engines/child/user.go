package child

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
)

// User is an account of this machine to run a child as.
type User struct {
	Name     string
	UID, GID uint32
}

func (u *User) credential() *syscall.Credential {
	// No supplementary groups: the child gets less than the parent, not a
	// mixture of both.
	return &syscall.Credential{Uid: u.UID, Gid: u.GID, Groups: []uint32{}}
}

// Unprivileged is the account to run as when the parent is root: the first
// of the names that exists and is not root itself. It returns nil, and no
// error, when the parent is not root and children can simply run as it does.
func Unprivileged(names ...string) (*User, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	for _, name := range names {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
		gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
		if errors.Join(err1, err2) != nil || uid == 0 {
			continue
		}
		return &User{Name: name, UID: uint32(uid), GID: uint32(gid)}, nil
	}
	return nil, fmt.Errorf("running as root, and none of the accounts %q exists on this machine to run as instead: start as an ordinary user, or create one of them", names)
}

// Reaches reports whether the user may open path for reading: every folder
// above it traversable and itself readable (for a folder, traversable too),
// by the classic permission bits. Access lists are not looked at, so that
// the answer errs on the side of no.
func (u *User) Reaches(path string) bool {
	path, err := filepath.Abs(path)
	if err != nil {
		return false
	}
	if path, err = filepath.EvalSymlinks(path); err != nil {
		return false
	}
	fi, err := os.Stat(path)
	if err != nil {
		return false
	}
	want := os.FileMode(4)
	if fi.IsDir() {
		want = 5
	}
	if !u.may(fi, want) {
		return false
	}
	for dir := filepath.Dir(path); ; dir = filepath.Dir(dir) {
		fi, err := os.Stat(dir)
		if err != nil || !u.may(fi, 1) {
			return false
		}
		if dir == filepath.Dir(dir) {
			return true
		}
	}
}

func (u *User) may(fi os.FileInfo, want os.FileMode) bool {
	st, ok := fi.Sys().(*syscall.Stat_t)
	if !ok {
		return false
	}
	perm := fi.Mode().Perm()
	switch {
	case st.Uid == u.UID:
		perm >>= 6
	case st.Gid == u.GID:
		perm >>= 3
	}
	return perm&want == want
}
