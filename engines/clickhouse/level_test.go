package clickhouse

import (
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestOnlyTheServersOwnTroublesAreWarnings(t *testing.T) {
	for _, c := range []struct {
		line string
		want slog.Level
	}{
		{"2026.11.25 21:23:31.016918 [ 18563 ] {} <Error> TCPHandler: Code: 60. DB::Exception: Unknown table expression identifier", slog.LevelDebug},
		{"2026.11.25 21:23:31.016918 [ 18563 ] {} <Error> TCPHandler: TCPHandler: Code: 81. DB::Exception: Database nowhere does not exist.", slog.LevelDebug},
		{"2026.11.25 21:23:31.016918 [ 18563 ] {4f1c} <Error> executeQuery: Code: 60. DB::Exception", slog.LevelDebug},
		{"2026.11.25 21:28:11.683003 [ 20943 ] {} <Warning> BackgroundSchedulePool/BgStrmSchPool: Temporarily pause scheduling of tasks with id 1", slog.LevelDebug},
		{"2026.11.25 21:28:11.683003 [ 20943 ] {} <Error> MergeTreeBackgroundExecutor: Code: 243. DB::Exception: Cannot reserve 1.00 MiB", slog.LevelWarn},
		{"2026.11.25 21:28:11.683003 [ 20943 ] {} <Fatal> BaseDaemon: (from thread 1) Received signal 11", slog.LevelError},
		{LauncherName + ": the library lacks query_stable_v2", slog.LevelWarn},
		{"2026.11.25 21:28:11.683003 [ 20943 ] {} <Information> Application: Ready", slog.LevelDebug},
	} {
		require.Equal(t, c.want, level(c.line), c.line)
	}
}
