package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"syscall"

	"github.com/netflixathome/cinema/e2e/port"
)

// site is what the servers share: folders, ports, and whom to run as.
type site struct {
	root  string // of the repository
	cache string // what was fetched; kept
	logs  string // of the last run; kept
	dir   string // data; removed at the end
	lock  *os.File
	// mounted are the small disks below dir.
	mounted []string
	// unprivileged is who runs what refuses to run as root; nil when this
	// program is not root.
	unprivileged *account
	// measured starts the Java servers as they run where they serve.
	measured bool
	say      func(format string, args ...any)

	// proxy stands between the servers and the command; nil for nobody.
	proxy *toxiproxy

	mu       sync.Mutex
	launched map[string]*process
}

func newSite(say func(format string, args ...any)) (*site, error) {
	root, err := repository()
	if err != nil {
		return nil, err
	}
	s := &site{root: root, cache: filepath.Join(root, ".cache", "real"), say: say}
	s.logs = filepath.Join(s.cache, "logs")
	if err := errors.Join(os.RemoveAll(s.logs), os.MkdirAll(s.logs, 0o755)); err != nil {
		return nil, err
	}
	if s.unprivileged, err = unprivileged("postgres", "nobody"); err != nil {
		return nil, err
	}
	removeAbandoned()
	if s.dir, err = os.MkdirTemp("", folderPrefix); err != nil {
		return nil, err
	}
	if s.lock, err = lock(s.dir); err != nil {
		return nil, err
	}
	// Others may pass through to folders of their own, and list nothing.
	return s, os.Chmod(s.dir, 0o711)
}

func (s *site) remove() {
	if err := errors.Join(s.unmount(), os.RemoveAll(s.dir), s.lock.Close()); err != nil {
		s.say("%v", err)
	}
}

const folderPrefix = "cinema-real-"

// removeAbandoned removes the folders of runs that were killed: those that
// nobody holds the lock of, for the kernel drops it with the process.
func removeAbandoned() {
	old, _ := filepath.Glob(filepath.Join(os.TempDir(), folderPrefix+"*"))
	for _, dir := range old {
		if f, err := lock(dir); err == nil {
			_ = os.RemoveAll(dir)
			_ = f.Close()
		}
	}
}

func lock(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = f.Close()
		return nil, err
	}
	return f, nil
}

// repository is the root of the checkout that the working directory is in.
func repository() (string, error) {
	dir, err := os.Getwd()
	for ; err == nil; dir = filepath.Dir(dir) {
		if _, statErr := os.Stat(filepath.Join(dir, "go.work")); statErr == nil {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			err = errors.New("run this inside a checkout of the repository")
		}
	}
	return "", err
}

// folder makes a folder of the run that belongs to the account (nil: to us).
func (s *site) folder(as *account, names ...string) (string, error) {
	dir := s.dir
	for _, name := range names {
		dir = filepath.Join(dir, name)
		if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
			return "", err
		}
		if err := as.own(dir); err != nil {
			return "", err
		}
	}
	return dir, nil
}

// environment is what every server gets; none gets this program's own.
func (s *site) environment() []string {
	return []string{"PATH=" + os.Getenv("PATH") + ":/usr/sbin:/usr/bin:/bin", "LC_ALL=C.UTF-8", "TZ=UTC", "HOME=" + s.dir}
}

// freePorts are n of them.
func freePorts(n int) ([]int, error) {
	list := make([]int, n)
	for i := range list {
		var err error
		if list[i], err = port.Free(); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// shown is the port that clients are told of: the server's own, or that of a
// proxy of the server's name in between.
func (s *site) shown(ctx context.Context, name string, port int) (int, error) {
	if s.proxy == nil {
		return port, nil
	}
	return s.proxy.before(ctx, name, port)
}
