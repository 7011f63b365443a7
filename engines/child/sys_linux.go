package child

import "syscall"

// sysProcAttr puts the child into a process group of its own, so that a
// Ctrl-C in the terminal reaches the parent only and the parent decides the
// order of the end, and has the kernel signal it should the parent die.
func sysProcAttr(death syscall.Signal) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: death}
}
