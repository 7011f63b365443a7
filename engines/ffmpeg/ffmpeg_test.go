package ffmpeg_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/netflixathome/cinema/engines/enginestest"
	"github.com/netflixathome/cinema/engines/ffmpeg"
	"github.com/netflixathome/cinema/internal/fault"
)

func program(t *testing.T, dir, name, script string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
}

func TestFindOnThisMachine(t *testing.T) {
	tools, err := ffmpeg.Find(t.Context(), ffmpeg.Options{EnginesDir: enginestest.EnginesDir()})
	if err != nil {
		t.Fatal(err)
	}
	if !filepath.IsAbs(tools.FFmpeg) || !filepath.IsAbs(tools.FFprobe) || tools.Version == "" {
		t.Errorf("%+v", tools)
	}
}

func TestPackagesWhenThePathHasNone(t *testing.T) {
	dir := enginestest.EnginesDir()
	if dir == "" {
		t.Fatal("the packages are not installed: run: cd engines && npm ci")
	}
	t.Setenv("PATH", t.TempDir())
	tools, err := ffmpeg.Find(t.Context(), ffmpeg.Options{EnginesDir: dir})
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{tools.FFmpeg, tools.FFprobe} {
		if rel, err := filepath.Rel(dir, path); err != nil || !filepath.IsLocal(rel) {
			t.Errorf("%s is not of the packages", path)
		}
	}
}

func TestMissing(t *testing.T) {
	tests := map[string]func(dir string){
		"nothing":        func(string) {},
		"one of the two": func(dir string) { program(t, dir, "ffmpeg", "echo ffmpeg version 7") },
		"one that breaks": func(dir string) {
			program(t, dir, "ffmpeg", "exit 1")
			program(t, dir, "ffprobe", "echo ffprobe version 7")
		},
		"one that is not": func(dir string) {
			program(t, dir, "ffmpeg", "echo hello")
			program(t, dir, "ffprobe", "echo ffprobe version 7")
		},
	}
	for name, fill := range tests {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			fill(dir)
			_, err := ffmpeg.Find(t.Context(), ffmpeg.Options{BinDir: dir})
			var f *fault.Error
			if !errors.As(err, &f) || f.Reason != ffmpeg.ReasonMissing {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestPathBeforePackages(t *testing.T) {
	dir := t.TempDir()
	program(t, dir, "ffmpeg", "echo ffmpeg version 99 of the path")
	program(t, dir, "ffprobe", "echo ffprobe version 99 of the path")
	t.Setenv("PATH", dir)
	tools, err := ffmpeg.Find(t.Context(), ffmpeg.Options{EnginesDir: enginestest.EnginesDir()})
	if err != nil {
		t.Fatal(err)
	}
	if want := (ffmpeg.Tools{FFmpeg: filepath.Join(dir, "ffmpeg"), FFprobe: filepath.Join(dir, "ffprobe"), Version: "99"}); tools != want {
		t.Errorf("got %+v, want %+v", tools, want)
	}
}
