package admintest

import (
	"context"
	"os"
	"strings"
)

// Put stores bytes.
func (o *Objects) Put(key string, b []byte) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.Files == nil {
		o.Files = map[string][]byte{}
	}
	o.Files[key] = b
}

// PutFile implements uploads.Objects.
func (o *Objects) PutFile(_ context.Context, key, path string) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	o.Put(key, b)
	return os.Remove(path)
}

// Delete implements uploads.Objects and records.Objects.
func (o *Objects) Delete(_ context.Context, key string) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	for k := range o.Files {
		if k == key || strings.HasSuffix(key, "/") && strings.HasPrefix(k, key) {
			delete(o.Files, k)
		}
	}
	return nil
}
