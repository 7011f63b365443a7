// Package loopback finds ports on 127.0.0.1 for the engines.
package loopback

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"strconv"
)

// Host is where every embedded engine listens, and nowhere else.
const Host = "127.0.0.1"

// The range lies below the one from which the usual systems take the local
// ports of outgoing connections (32768 up on Linux, 49152 up on macOS), so
// that an engine that was restarted finds its port still free.
const (
	low  = 20000
	high = 32000
)

// Ports returns n different ports that are free at this moment. Somebody else
// may be quicker to take one: whoever listens on it must be ready to ask again.
func Ports(n int) ([]int, error) {
	var ports []int
	for range 100 * n {
		p := low + rand.IntN(high-low)
		if slices.Contains(ports, p) || !free(p) {
			continue
		}
		if ports = append(ports, p); len(ports) == n {
			return ports, nil
		}
	}
	return nil, errors.New("no free port was found on " + Host)
}

func free(port int) bool {
	l, err := net.Listen("tcp", Addr(port)) //nolint:noctx // binding to an address of this machine waits for nothing
	if err != nil {
		return false
	}
	return l.Close() == nil
}

// Addr is the address of a port.
func Addr(port int) string { return net.JoinHostPort(Host, strconv.Itoa(port)) }

// Taken says in a sentence that a wanted port is in use; nil when it is free.
func Taken(engine string, port int) error {
	if free(port) {
		return nil
	}
	return fmt.Errorf("the port %d that %s is to listen on is taken by another program: stop that, or choose another port", port, engine)
}
