package pg

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/netflixathome/cinema/engines/enginestest"
	"github.com/netflixathome/cinema/internal/await"
)

func TestSkewIsWhatTheWayCannotExplain(t *testing.T) {
	at := func(seconds int) time.Time { return time.Unix(1_800_000_000+int64(seconds), 0) }
	for name, tt := range map[string]struct {
		there time.Time
		want  time.Duration
	}{
		"within the way": {at(1), 0}, "as it was asked": {at(0), 0}, "as it was answered": {at(2), 0},
		"behind": {at(-7), -7 * time.Second}, "ahead": {at(12), 10 * time.Second},
	} {
		t.Run(name, func(t *testing.T) { require.Equal(t, tt.want, skew(at(0), tt.there, at(2))) })
	}
}

func TestChangesAreFollowedFromALogicalLogOnly(t *testing.T) {
	require.NoError(t, Server{WALLevel: "logical"}.Replicates())
	for _, level := range []string{"replica", "minimal"} {
		err := Server{WALLevel: level}.Replicates()
		require.True(t, await.IsNever(err), level)
		require.ErrorContains(t, err, "its wal_level is "+level+": set wal_level=logical")
	}
}

func TestLook(t *testing.T) {
	pool, err := Open(t.Context(), enginestest.Postgres(t), 1)
	require.NoError(t, err)
	defer pool.Close()
	is, err := Look(t.Context(), pool)
	require.NoError(t, err)
	require.NoError(t, is.Replicates())
	require.Less(t, is.Skew.Abs(), 5*time.Second)
}
