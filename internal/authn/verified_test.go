package authn

import (
	"crypto/sha256"
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/require"
)

// However many tokens there are, memory is bounded and what is used stays.
func TestVerifiedIsBounded(t *testing.T) {
	var v verified
	name := func(i int) (h [sha256.Size]byte) {
		binary.BigEndian.PutUint64(h[:], uint64(i))
		return h
	}
	for i := range 3 * keptTokens {
		v.put(name(i), good{})
		_, ok := v.get(name(0))
		require.True(t, ok)
		require.LessOrEqual(t, len(v.young)+len(v.old), keptTokens+1)
	}
	_, ok := v.get(name(1))
	require.False(t, ok)
}
