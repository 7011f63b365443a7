package main

import (
	"bytes"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// The document says what the simulation says.
func TestDocumentIsTrue(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "..", document))
	require.NoError(t, err)
	var tables bytes.Buffer
	require.NoError(t, run(false, &tables))
	want, err := replaced(text, tables.Bytes())
	require.NoError(t, err)
	require.Equal(t, string(want), string(text), "type: go run ./internal/tools/capacity -write")
	_, err = replaced([]byte("no marks"), nil)
	require.Error(t, err)
}

func TestSize(t *testing.T) {
	m := machine{cores: 10, memoryGB: 10, diskTB: 1, networkGbit: 1, filled: 0.5, filledDiskOrWorks: 0.5}
	for name, c := range map[string]struct {
		part  part
		want  int
		bound string
	}{
		"nothing":     {part{least: 2}, 2, "redundancy"},
		"cores":       {part{requests: 1, cpuMs: 10, least: 1}, 2, "CPU"},        // 10 cores of 5
		"network":     {part{bytes: 250_000, least: 1}, 4, "network"},            // 2 Gbit/s of a half
		"memory":      {part{heldKB: 12_500, least: 1}, 3, "memory"},             // 12.5 GB of 5
		"disk":        {part{storedKBDay: 1000, days: 600, least: 1}, 2, "disk"}, // 600 GB of 500
		"with copies": {part{storedKBDay: 1000, days: 600, copies: 3, least: 1}, 4, "disk"},
	} {
		got := c.part.size(1000, m)
		require.Equal(t, c.want, got.machines, name)
		require.Equal(t, c.bound, got.bound, name)
		require.GreaterOrEqual(t, got.room(1000, m), 1.0, name)
	}
	require.True(t, part{requests: 1, cpuMs: 10, writer: true, least: 1}.size(1000, m).over)
	require.False(t, part{requests: 1, cpuMs: 1, writer: true, least: 1}.size(1000, m).over)
	require.True(t, math.IsInf(part{least: 1}.size(1000, m).room(1000, m), 1))
}

// Machines are added until the slowest hundredth is quick enough.
func TestSizeByWaiting(t *testing.T) {
	m := machine{cores: 1, memoryGB: 1, diskTB: 1, networkGbit: 1, filled: 0.9, filledDiskOrWorks: 0.9}
	p := part{requests: 1, cpuMs: 10, least: 1}
	lax, strict := p.size(80, m), part{requests: 1, cpuMs: 10, least: 1, barMs: 60}.size(80, m)
	require.Equal(t, 1, lax.machines)
	require.Greater(t, strict.machines, 1)
	require.Equal(t, "waiting", strict.bound)
	require.LessOrEqual(t, strict.p99, 60.0)
	// M/M/1 at eight tenths: 50 ms on average, of which the hundredth is ln 100 times.
	require.InEpsilon(t, 50*math.Log(100), lax.p99, 0.15)
}

func TestThousands(t *testing.T) {
	require.Equal(t, "1,000", thousands(1000))
	require.Equal(t, "1,000,000", thousands(1e6))
	require.Equal(t, "999", thousands(999))
}
