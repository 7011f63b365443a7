package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// fetched is the folder of something that is fetched once. It appears complete,
// by a rename; get fills the folder that it is given.
func (s *site) fetched(parent, name string, get func(dir string) error) (string, error) {
	dir := filepath.Join(parent, name)
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	s.say("fetching %s", name)
	began := time.Now()
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return "", err
	}
	tmp, err := os.MkdirTemp(parent, "new-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(tmp)
	if err := get(tmp); err != nil {
		return "", fmt.Errorf("fetch %s: %w", name, err)
	}
	if err := os.Chmod(tmp, 0o755); err != nil {
		return "", err
	}
	s.say("fetched %s in %.0f s", name, time.Since(began).Seconds())
	return dir, os.Rename(tmp, dir)
}

// maven is the folder of what a project in e2e/real/maven fetches: its name
// holds a sum of the pom, so that another version gets another folder.
func (s *site) maven(ctx context.Context, parent, name string) (string, error) {
	pom := filepath.Join(s.root, "e2e", "real", "maven", name, "pom.xml")
	text, err := os.ReadFile(pom)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(text)
	return s.fetched(parent, name+"-"+hex.EncodeToString(sum[:4]), func(dir string) error {
		return output(ctx, exec.CommandContext(ctx, "mvn", "-q", "-B", "-f", pom, "validate", "-Dout="+dir))
	})
}

// goProgram is where a program lies that Go builds from its module, once: module
// is its path with the version, name that of the folder, binary what it is called.
func (s *site) goProgram(ctx context.Context, name, module, binary string) (string, error) {
	dir, err := s.fetched(s.cache, name, func(dir string) error {
		cmd := exec.CommandContext(ctx, "go", "install", module)
		cmd.Env = append(os.Environ(), "GOBIN="+dir, "CGO_ENABLED=0", "GOWORK=off", "GOFLAGS=")
		return output(ctx, cmd)
	})
	return filepath.Join(dir, binary), err
}

// public is a folder for what an account other than ours has to reach: the
// cache, unless the checkout is in a private place.
func (s *site) public(a *account) string {
	if a.reaches(s.root) {
		return s.cache
	}
	return "/var/cache/netflixathome/real"
}
