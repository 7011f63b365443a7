//go:build linux && (amd64 || arm64)

package main

import (
	"bufio"
	"fmt"
	"os"
	"strings"
	"syscall"
	"time"
)

// trimEvery is how often pages of the library that are not used are let go.
const trimEvery = time.Minute

// trim keeps the library from filling memory with what its start touched. The
// start walks through 200 MB of the library's code and tables, of which a
// server at rest uses a fifth. The pages are the file's own, unchanged: letting
// them go loses nothing, and what is used comes back from the page cache
// within microseconds.
func trim(library string) {
	for wait := 10 * time.Second; ; wait = trimEvery {
		<-time.After(wait) // it lasts as long as the process, which ends by a signal
		for _, m := range unchanged(library) {
			// It is only advice: where it is not taken, memory stays as it was.
			_, _, _ = syscall.Syscall(syscall.SYS_MADVISE, m.from, m.to-m.from, syscall.MADV_DONTNEED)
		}
	}
}

type mapping struct{ from, to uintptr }

// unchanged finds the mappings of a file that nobody can write to and nobody
// has: what the loader relocated is memory of our own and would be lost.
func unchanged(file string) []mapping {
	f, err := os.Open("/proc/self/smaps")
	if err != nil {
		return nil
	}
	defer f.Close()
	var found []mapping
	var at mapping
	ours := false
	for lines := bufio.NewScanner(f); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) < 2 {
			continue
		}
		if !strings.HasSuffix(fields[0], ":") { // a mapping's first line
			ours = len(fields) == 6 && fields[5] == file && fields[1][1] == '-'
			if _, err := fmt.Sscanf(fields[0], "%x-%x", &at.from, &at.to); err != nil {
				return nil
			}
			continue
		}
		if ours && fields[0] == "Anonymous:" && fields[1] == "0" {
			found = append(found, at)
		}
	}
	return found
}
