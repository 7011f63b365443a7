package app

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// secret returns 32 bytes: the configured ones, else those kept under name in
// the data folder, which are made at the first start (mode 0600).
func secret(dataDir, name, configured string) ([]byte, error) {
	if configured != "" {
		return hex.DecodeString(configured)
	}
	path := secretPath(dataDir, name)
	b, err := os.ReadFile(path)
	if err == nil {
		key, err := hex.DecodeString(strings.TrimSpace(string(b)))
		if err != nil || len(key) != 32 {
			return nil, fmt.Errorf("%s is damaged: want 64 hexadecimal digits; restore it from a backup, or delete it, which ends every session and address made with it", path)
		}
		return key, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("secret %s: %w", name, err)
	}
	key := make([]byte, 32)
	if _, err := rand.Read(key); err != nil {
		return nil, fmt.Errorf("secret %s: %w", name, err)
	}
	if err := keepSecret(dataDir, name, key); err != nil {
		return nil, fmt.Errorf("secret %s: %w", name, err)
	}
	return key, nil
}

func secretPath(dataDir, name string) string { return filepath.Join(dataDir, "secrets", name) }

// keepSecret writes it where secret reads it.
func keepSecret(dataDir, name string, value []byte) error {
	path := secretPath(dataDir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	return writeFile(path, []byte(hex.EncodeToString(value)+"\n"), 0o600)
}

// writeFile replaces a file whole or not at all.
func writeFile(path string, b []byte, mode fs.FileMode) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(b)
	err = errors.Join(err, f.Chmod(mode), f.Sync(), f.Close())
	if err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
