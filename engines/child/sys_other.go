//go:build unix && !linux

package child

import "syscall"

// sysProcAttr puts the child into a process group of its own, so that a
// Ctrl-C in the terminal reaches the parent only and the parent decides the
// order of the end. These systems know no death signal.
func sysProcAttr(syscall.Signal) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}
