package postgres

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// orphanPatience is how long a server that lost its parent may take to end
// after each request to do so; ownAccord is how long it may take before the
// first one, for where the kernel told it, it is already at it.
const (
	ownAccord      = 2 * time.Second
	orphanPatience = 10 * time.Second
)

// clearStale deals with what a former server left behind. The caller holds
// the lock of the data folder, so a server at work in this cluster belongs to
// nobody any more.
//
// Postgres itself copes with a postmaster.pid whose process is gone, and
// checks through the shared memory named there that no backend is left: that
// check must stay, so the file is never removed. It does not cope with a
// number that was given to another process meanwhile, which is common in
// containers. There the number is replaced by our own, which Postgres ignores
// because it is its parent's.
func (s *Server) clearStale(ctx context.Context) error {
	// The socket's own lock file knows no shared memory and can go.
	for _, name := range []string{socketName, socketName + ".lock"} {
		if err := os.Remove(filepath.Join(s.sockets, name)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("postgres: %w", err)
		}
	}
	path := filepath.Join(s.data(), "postmaster.pid")
	b, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("postgres: %w", err)
	}
	first, rest, _ := bytes.Cut(b, []byte("\n"))
	pid, err := strconv.Atoi(strings.TrimSpace(string(first)))
	if err != nil || pid <= 1 || !alive(pid) {
		return nil
	}
	if !s.isPostmaster(pid) {
		own := append([]byte(strconv.Itoa(os.Getpid())+"\n"), rest...)
		if err := os.WriteFile(path, own, 0o600); err != nil {
			return fmt.Errorf("postgres: %w", err)
		}
		return nil
	}
	s.opt.Log.Warn("a Postgres server that lost its parent is still in the data folder, waiting for its end", "pid", pid)
	patience := ownAccord
	for _, sig := range []syscall.Signal{0, syscall.SIGQUIT, syscall.SIGKILL} { // 0 asks for nothing
		if err := syscall.Kill(pid, sig); err != nil && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("postgres: stop the former server %d: %w", pid, err)
		}
		gone, err := poll(ctx, patience, func() bool { return !alive(pid) || !s.isPostmaster(pid) })
		if gone || err != nil {
			return err
		}
		patience = orphanPatience
	}
	return fmt.Errorf("postgres: the former server, process %d, does not end: end it by hand", pid)
}

func alive(pid int) bool {
	err := syscall.Kill(pid, 0)
	return err == nil || errors.Is(err, syscall.EPERM)
}

// isPostmaster reports whether the process is a Postgres server at work in
// our cluster: a server's working directory is its cluster.
func (s *Server) isPostmaster(pid int) bool {
	proc := filepath.Join("/proc", strconv.Itoa(pid))
	if _, err := os.Stat(proc); err == nil {
		comm, err := os.ReadFile(filepath.Join(proc, "comm"))
		if err != nil || strings.TrimSpace(string(comm)) != "postgres" {
			return false
		}
		cwd, err1 := os.Stat(filepath.Join(proc, "cwd"))
		data, err2 := os.Stat(s.data())
		return err1 == nil && err2 == nil && os.SameFile(cwd, data)
	}
	out, err := exec.Command("ps", "-o", "command=", "-p", strconv.Itoa(pid)).Output() //nolint:noctx // no answer because ctx has ended would be taken for the end of the server
	return err == nil && strings.Contains(string(out), "postgres") && strings.Contains(string(out), s.data())
}

// poll waits until cond holds, at most for d.
func poll(ctx context.Context, d time.Duration, cond func() bool) (bool, error) {
	deadline := time.NewTimer(d)
	defer deadline.Stop()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !cond() {
		select {
		case <-ctx.Done():
			return false, ctx.Err()
		case <-deadline.C:
			return false, nil
		case <-tick.C:
		}
	}
	return true, nil
}
