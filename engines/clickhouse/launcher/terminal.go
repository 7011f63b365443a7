//go:build linux && (amd64 || arm64)

package main

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// terminal makes standard input a terminal, at which nobody types.
//
// clickhouse-local that runs a script, that is, without a terminal, ends the
// whole process (std::terminate, hence SIGABRT) when any thread lets an
// exception out. A connection's handler does so whenever a client breaks off
// at the wrong moment (error 210), sends what is no packet, or names a database that is
// not there. At a terminal, with --interactive, it logs the exception and goes
// on, as the server does. (ClickHouse issue 115666; later versions go on either
// way.)
func terminal() error {
	// The master stays open for as long as the process lives: without it the
	// terminal would be hung up.
	master, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open /dev/ptmx: %w", err)
	}
	if err := unix.IoctlSetPointerInt(master, unix.TIOCSPTLCK, 0); err != nil {
		return fmt.Errorf("unlock the terminal: %w", err)
	}
	n, err := unix.IoctlGetUint32(master, unix.TIOCGPTN)
	if err != nil {
		return fmt.Errorf("number of the terminal: %w", err)
	}
	slave, err := unix.Open(fmt.Sprintf("/dev/pts/%d", n), unix.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		return fmt.Errorf("open the terminal: %w", err)
	}
	if err := unix.Dup2(slave, 0); err != nil {
		return fmt.Errorf("standard input: %w", err)
	}
	return unix.Close(slave)
}
