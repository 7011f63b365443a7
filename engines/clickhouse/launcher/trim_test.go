//go:build linux && (amd64 || arm64)

package main

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
)

// What somebody may have changed is never let go.
func TestUnchanged(t *testing.T) {
	name := filepath.Join(t.TempDir(), "library")
	size := 4 * os.Getpagesize()
	require.NoError(t, os.WriteFile(name, make([]byte, size), 0o600))
	f, err := os.Open(name)
	require.NoError(t, err)
	defer f.Close()
	mmap := func(prot int) []byte {
		b, err := syscall.Mmap(int(f.Fd()), 0, size, prot, syscall.MAP_PRIVATE)
		require.NoError(t, err)
		t.Cleanup(func() { _ = syscall.Munmap(b) })
		return b
	}
	code := mmap(syscall.PROT_READ | syscall.PROT_EXEC)
	writable := mmap(syscall.PROT_READ | syscall.PROT_WRITE)
	relocated := mmap(syscall.PROT_READ | syscall.PROT_WRITE)
	relocated[0] = 1
	require.NoError(t, syscall.Mprotect(relocated, syscall.PROT_READ))
	_, _ = code[0], writable[0]

	start := uintptr(unsafe.Pointer(&code[0]))
	require.Equal(t, []mapping{{start, start + uintptr(size)}}, unchanged(name))
}
