package app

import (
	"errors"
	"net"
	"os"
	"syscall"
)

// shut closes a listener and returns the connections that were made and not yet
// accepted. The system would reset them: a proxy that has sent a request on one
// may not send it again elsewhere, and its client is told 502.
func shut(l net.Listener) []net.Conn {
	defer l.Close()
	tcp, ok := l.(*net.TCPListener)
	if !ok {
		return nil
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return nil
	}
	var waiting []int
	// All in one go: between the last of them and the end nobody must come.
	err = raw.Control(func(fd uintptr) {
		for {
			conn, _, err := syscall.Accept4(int(fd), syscall.SOCK_NONBLOCK|syscall.SOCK_CLOEXEC)
			if errors.Is(err, syscall.EINTR) || errors.Is(err, syscall.ECONNABORTED) {
				continue
			}
			if err != nil { // EAGAIN: nobody is left
				break
			}
			waiting = append(waiting, conn)
		}
		_ = syscall.Shutdown(int(fd), syscall.SHUT_RD)
	})
	if err != nil {
		return nil
	}
	var out []net.Conn
	for _, fd := range waiting {
		f := os.NewFile(uintptr(fd), "connection")
		c, err := net.FileConn(f) // of a copy of the descriptor
		_ = f.Close()
		if err == nil {
			out = append(out, c)
		}
	}
	return out
}
