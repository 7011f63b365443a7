// Package port finds ports of 127.0.0.1 for servers that tests start.
package port

import (
	"errors"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
)

// The ports lie below the range from which the system takes ports for outgoing
// connections: a server that binds its port only seconds later, or again after
// a restart, finds it still free. Those from 28000 are for e2e/browser.
const low, high = 20000, 28000

var (
	mu    sync.Mutex
	taken = map[int]bool{}
)

// Free is a port that nobody listens on, and that this process has not been
// given before.
func Free() (int, error) {
	mu.Lock()
	defer mu.Unlock()
	for range 1000 {
		n := low + rand.IntN(high-low) //nolint:gosec // not a secret
		if taken[n] {
			continue
		}
		l, err := net.Listen("tcp", Address(n)) //nolint:noctx // binding to an address of this machine waits for nothing
		if err != nil {
			continue
		}
		taken[n] = true
		return n, l.Close()
	}
	return 0, errors.New("no free port")
}

// Address is a port's on this machine.
func Address(n int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(n)) }
