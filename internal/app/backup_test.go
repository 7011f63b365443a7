package app

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/netflixathome/cinema/internal/backup"
)

func TestARestoreBeginsInAnEmptyFolderOrAnew(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	require.NoError(t, beginFolder(dir), "one that is not there")
	require.ErrorContains(t, refuseUnfinished(dir), "run cinema restore again")
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "postgres", "data"), 0o700))
	require.NoError(t, beginFolder(dir), "a restore that was interrupted")
	require.NoDirExists(t, filepath.Join(dir, "postgres"), "begins anew")
	require.FileExists(t, unfinished(dir))

	require.NoError(t, os.Remove(unfinished(dir)))
	require.NoError(t, refuseUnfinished(dir))
	require.NoError(t, checkFolder(dir), "what a refused start leaves is nothing")
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "objects"), 0o700))
	require.ErrorContains(t, beginFolder(dir), "holds objects")
	require.DirExists(t, filepath.Join(dir, "objects"))
	require.NoFileExists(t, unfinished(dir))
}

func TestABackupIsNotKeptInTheDataFolder(t *testing.T) {
	data := t.TempDir()
	cfg := &Config{DataDir: data}
	for _, dir := range []string{data, filepath.Join(data, "backups")} {
		_, err := openFolder(cfg, dir, true)
		require.ErrorContains(t, err, "choose another place")
	}
	beside := data + "-backups" // its name begins alike, and it is another
	store, err := openFolder(cfg, beside, true)
	require.NoError(t, err)
	require.NoError(t, store.Close())
	info, err := os.Stat(filepath.Join(beside, "objects"))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o700), info.Mode().Perm(), "it holds secrets")
}

func TestWhatAnOperatorMustKnowOfBackups(t *testing.T) {
	now := time.Now()
	var b backups
	require.NoError(t, b.fault(time.Hour, now), "the first is still to come")
	b.good = &backup.Manifest{Moment: now.Add(-90 * time.Minute)}
	require.NoError(t, b.fault(time.Hour, now))
	b.good.Moment = now.Add(-3 * time.Hour)
	require.ErrorContains(t, b.fault(time.Hour, now), "the last good backup is of")
	b.err = errors.New("the disk is full")
	require.ErrorContains(t, b.fault(time.Hour, now), "the last backup failed: the disk is full")
}
