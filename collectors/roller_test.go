package collectors

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

func TestLateMarksStay(t *testing.T) {
	old, late := uuid.Must(uuid.NewV7()), uuid.Must(uuid.NewV7())
	moment := time.Now()
	copy(late[:6], []byte{0x7f, 0xff}) // far ahead
	old[0], old[1] = 0, 1              // long ago
	without := uuid.New()
	require.Equal(t, []uuid.UUID{old, without}, setBefore([]uuid.UUID{old, late, without}, moment))
	require.Empty(t, setBefore([]uuid.UUID{late}, moment))
}
