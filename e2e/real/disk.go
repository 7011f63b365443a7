package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// small gives a server a disk of its own of so many bytes, below its folder:
// a file system in memory, which only root may mount.
func (s *site) small(list string) error {
	if list == "" {
		return nil
	}
	for item := range strings.SplitSeq(list, ",") {
		name, size, ok := strings.Cut(item, "=")
		if !ok {
			return fmt.Errorf("-small wants name=size, such as minio=256m, not %q", item)
		}
		dir, err := s.folder(nil, name)
		if err != nil {
			return err
		}
		if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "mode=0700,size="+size); err != nil {
			return fmt.Errorf("a small disk for %s: %w", name, err)
		}
		s.mounted = append(s.mounted, dir)
	}
	return nil
}

func (s *site) unmount() error {
	var errs []error
	for _, dir := range s.mounted {
		errs = append(errs, syscall.Unmount(dir, syscall.MNT_DETACH))
	}
	return errors.Join(errs...)
}

// ballast is the file that fills a small disk.
func (s *site) ballast(name string) (string, error) {
	dir := filepath.Join(s.dir, name)
	for _, m := range s.mounted {
		if m == dir {
			return filepath.Join(dir, "ballast"), nil
		}
	}
	return "", fmt.Errorf("%s has no small disk: start with -small %[1]s=256m", name)
}

// fill writes until the disk takes no more.
func (s *site) fill(name string) error {
	path, err := s.ballast(name)
	if err != nil {
		return err
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	for size := 1 << 20; size >= 1; size /= 16 {
		block := make([]byte, size)
		for err = nil; err == nil; {
			_, err = f.Write(block)
		}
		if !errors.Is(err, syscall.ENOSPC) {
			return err
		}
	}
	return nil
}

func (s *site) free(name string) error {
	path, err := s.ballast(name)
	if err != nil {
		return err
	}
	return os.Remove(path)
}
