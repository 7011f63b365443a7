// Package ffmpeg finds ffmpeg and ffprobe on this machine. It runs neither
// but to ask for a version; etl/media does.
package ffmpeg

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"time"

	"github.com/netflixathome/cinema/engines/child"
	"github.com/netflixathome/cinema/internal/fault"
)

// ReasonMissing of a *fault.Error: one of the two programs is not there.
const ReasonMissing = "FFMPEG_MISSING"

// Options says where to look. Both may be empty.
type Options struct {
	// BinDir, when set, is the folder with both programs, and no other is
	// looked at.
	BinDir string
	// EnginesDir is the folder whose node_modules may hold the programs; it
	// comes after the PATH, whose version is usually newer and faster.
	EnginesDir string
}

// Tools are the absolute paths of the two programs, which need not come from
// the same place.
type Tools struct {
	FFmpeg, FFprobe string
	// Version is ffmpeg's, such as "5.1.6-0+deb12u1".
	Version string
}

// Find looks for both programs and makes sure that they run.
func Find(ctx context.Context, opt Options) (Tools, error) {
	mpeg, version, err1 := opt.find(ctx, "ffmpeg")
	probe, _, err2 := opt.find(ctx, "ffprobe")
	if err := errors.Join(err1, err2); err != nil {
		where := "install it (Debian and Ubuntu: apt-get install ffmpeg; macOS: brew install ffmpeg) or run: cd engines && npm ci"
		if opt.BinDir != "" {
			where = opt.BinDir + " must hold both programs"
		}
		return Tools{}, fault.New(fault.Unavailable, "films cannot be prepared for playing without ffmpeg: %s", where).
			WithReason(ReasonMissing).Because(err)
	}
	return Tools{FFmpeg: mpeg, FFprobe: probe, Version: version}, nil
}

func (opt Options) find(ctx context.Context, name string) (path, version string, err error) {
	var errs []error
	for _, path := range opt.candidates(name) {
		version, err := ask(ctx, path)
		if err == nil {
			return path, version, nil
		}
		errs = append(errs, err)
	}
	return "", "", errors.Join(append(errs, fmt.Errorf("no %s was found", name))...)
}

func (opt Options) candidates(name string) []string {
	if opt.BinDir != "" {
		return existing(filepath.Join(opt.BinDir, name))
	}
	var list []string
	if path, err := exec.LookPath(name); err == nil {
		list = existing(path)
	}
	if opt.EnginesDir != "" {
		arch := map[string]string{"amd64": "x64"}[runtime.GOARCH]
		if arch == "" {
			arch = runtime.GOARCH
		}
		packaged := existing(filepath.Join(opt.EnginesDir, "node_modules", "@"+name+"-installer", runtime.GOOS+"-"+arch, name))
		for _, path := range packaged {
			// One of the packages leaves this to its install script, and npm
			// runs none here. Where it cannot be done, asking the program
			// for its version says so.
			_ = os.Chmod(path, 0o755)
		}
		list = append(list, packaged...)
	}
	return list
}

func existing(path string) []string {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil
	}
	if fi, err := os.Stat(path); err != nil || fi.IsDir() {
		return nil
	}
	return []string{path}
}

var versionRE = regexp.MustCompile(`version (\S+)`)

func ask(ctx context.Context, path string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	out, err := child.Output(ctx, child.Command{Path: path, Args: []string{"-version"}, Dir: "/"})
	if err != nil {
		return "", fmt.Errorf("%s: %w", path, err)
	}
	m := versionRE.FindSubmatch(out)
	if m == nil {
		return "", fmt.Errorf("%s: unexpected answer %.80q", path, out)
	}
	return string(m[1]), nil
}
