package clip_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/netflixathome/cinema/internal/demo/artwork"
	"github.com/netflixathome/cinema/internal/demo/clip"
)

func maker(t testing.TB) *clip.Maker {
	t.Helper()
	s, err := artwork.NewStudio()
	if err != nil {
		t.Fatal(err)
	}
	ffmpeg, err := exec.LookPath("ffmpeg")
	if err != nil {
		t.Fatal(err)
	}
	m, err := clip.NewMaker(s, ffmpeg)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

var spec = clip.Spec{Spec: artwork.Spec{ID: "metropolis-1927", Title: "Metropolis", Year: 1927, Director: "Fritz Lang", Genres: []string{"sci-fi"}},
	SubtitlesEN: "In a city of the future --> <b>the son</b> of its master falls in love with a prophet of the workers.", Duration: 14 * time.Second}

func TestMake(t *testing.T) {
	out := filepath.Join(t.TempDir(), "a.mp4")
	if err := maker(t).Make(context.Background(), spec, out); err != nil {
		t.Fatal(err)
	}
	b, err := exec.Command("ffprobe", "-v", "error", "-print_format", "json", "-show_streams", "-show_format", out).Output()
	if err != nil {
		t.Fatal(err)
	}
	var p struct {
		Streams []struct {
			CodecName, PixFmt string
			Width, Height     int
			Tags              map[string]string
		}
		Format struct{ Duration string }
	}
	if err := json.Unmarshal(b, &p); err != nil {
		t.Fatal(err)
	}
	if len(p.Streams) != 4 || p.Streams[0].Width != 1280 || p.Streams[0].Height != 720 || p.Streams[3].Tags["language"] != "rus" || p.Format.Duration[:2] != "14" {
		t.Errorf("%s", b)
	}
	if es, _ := os.ReadDir(filepath.Dir(out)); len(es) != 1 {
		t.Errorf("left behind: %v", es)
	}
}

func TestMakeRefuses(t *testing.T) {
	m, out := maker(t), filepath.Join(t.TempDir(), "a.mp4")
	short := spec
	short.Duration = time.Second
	if err := m.Make(context.Background(), short, out); err == nil {
		t.Error("too short a clip was made")
	}
	if err := m.Make(context.Background(), clip.Spec{}, out); err == nil {
		t.Error("a clip about nothing was made")
	}
	ctx, cancel := context.WithCancel(context.Background())
	time.AfterFunc(300*time.Millisecond, cancel)
	if err := m.Make(ctx, spec, out); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if es, _ := os.ReadDir(filepath.Dir(out)); len(es) != 0 {
		t.Errorf("left behind: %v", es)
	}
}

func BenchmarkMake(b *testing.B) {
	m := maker(b)
	s := spec
	s.Duration = 0
	for b.Loop() {
		if err := m.Make(context.Background(), s, filepath.Join(b.TempDir(), "a.mp4")); err != nil {
			b.Fatal(err)
		}
	}
}
