package media

import "syscall"

// sysProcAttr puts the child into a group of its own and lets it die with us,
// however we die.
func sysProcAttr() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
