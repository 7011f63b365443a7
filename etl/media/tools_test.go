package media

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/netflixathome/cinema/internal/fault"
)

// open makes a folder that any user may pass through, so that dropping to
// nobody is what the tests test when they run as root.
func openDir(t *testing.T) string {
	t.Helper()
	d := t.TempDir()
	if err := os.Chmod(filepath.Dir(d), 0o755); err != nil {
		t.Fatal(err)
	}
	return d
}

func testTools(t *testing.T) *Tools {
	t.Helper()
	ffmpeg, err := exec.LookPath("ffmpeg")
	if err != nil {
		t.Fatal(err)
	}
	ffprobe, err := exec.LookPath("ffprobe")
	if err != nil {
		t.Fatal(err)
	}
	tools, err := NewTools(ToolsConfig{FFmpeg: ffmpeg, FFprobe: ffprobe, WorkDir: openDir(t), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	if os.Geteuid() == 0 && !tools.drop {
		t.Fatal("as root, the tools do not run as nobody")
	}
	return tools
}

// sample is a film of nine seconds with two audio tracks and two subtitles,
// made once for all tests.
var sample = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "sample")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	for name, text := range map[string]string{"en.srt": "1\n00:00:01,000 --> 00:00:03,000\nHello\n", "ru.srt": "1\n00:00:01,000 --> 00:00:03,000\nПривет\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			return nil, err
		}
	}
	cmd := exec.Command("ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc2=s=854x480:r=24:d=9", "-f", "lavfi", "-i", "sine=440:d=9", "-f", "lavfi", "-i", "sine=880:d=9",
		"-i", "en.srt", "-i", "ru.srt", "-map", "0", "-map", "1", "-map", "2", "-map", "3", "-map", "4",
		"-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-profile:v", "main", "-g", "48", "-c:a", "aac", "-c:s", "srt",
		"-metadata:s:a:0", "language=eng", "-metadata:s:a:1", "language=rus", "-metadata:s:s:0", "language=eng", "-metadata:s:s:1", "language=rus", "out.mkv")
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, errors.New(err.Error() + string(out))
	}
	return os.ReadFile(filepath.Join(dir, "out.mkv"))
})

func remux(t *testing.T, args ...string) []byte {
	t.Helper()
	b, err := sample()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "in.mkv"), b, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("ffmpeg", append([]string{"-v", "error", "-i", "in.mkv"}, args...)...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	b, err = os.ReadFile(filepath.Join(dir, args[len(args)-1]))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestInspect(t *testing.T) {
	tools := testTools(t)
	b, err := sample()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "film; rm -rf $(x) 'a.mp4")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	p, err := tools.Inspect(context.Background(), path)
	if err != nil {
		t.Fatal(err)
	}
	if p.Demuxer != "matroska" || p.DurationMs < 8900 || p.DurationMs > 9200 || p.Video.Width != 854 || p.Video.Codec != "h264" || !p.Copyable() ||
		len(p.Audio) != 2 || len(p.Subtitles) != 2 || p.Audio[1].Language != "rus" || p.Video.MaxGOPMs != 2000 {
		t.Errorf("%+v", p)
	}
	if es, _ := os.ReadDir(tools.c.WorkDir); len(es) != 0 {
		t.Errorf("left in the work folder: %v", es)
	}
}

func TestInspectRefuses(t *testing.T) {
	tools := testTools(t)
	mkv, err := sample()
	if err != nil {
		t.Fatal(err)
	}
	mp4 := remux(t, "-map", "0:v", "-map", "0:a:0", "-c", "copy", "out.mp4")
	fast := remux(t, "-map", "0:v", "-c", "copy", "-movflags", "+faststart", "out.mp4")
	secret := filepath.Join(t.TempDir(), "secret.ts")
	if err := os.WriteFile(secret, []byte("secret"), 0o644); err != nil {
		t.Fatal(err)
	}
	playlist := "#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\nfile://" + secret + "\n#EXT-X-ENDLIST\n"
	dressed := "\x00\x00\x00\x18ftypisom\x00\x00\x02\x00isomiso2" + playlist
	for _, c := range []struct {
		name   string
		b      []byte
		reason string
	}{
		{"empty", nil, ReasonEmpty},
		{"text", []byte("hello, this is a letter and not a film at all"), ReasonNotAFilm},
		{"HTML", []byte("<!DOCTYPE html><script>alert(1)</script>"), ReasonNotAFilm},
		{"SVG", []byte(`<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>`), ReasonNotAFilm},
		{"playlist", []byte(playlist), ReasonNotAFilm},
		{"playlist dressed as MP4", []byte(dressed), ReasonNotAFilm},
		{"concat script", []byte("ffconcat version 1.0\nfile '" + secret + "'\n"), ReasonNotAFilm},
		{"AVI with a playlist in it", append([]byte("RIFF\xff\xff\xff\x00AVI LIST"), playlist...), ReasonNotAFilm},
		{"MP4 cut in half", mp4[:len(mp4)/2], ReasonTruncated},
		{"MP4 with its index first, cut", fast[:len(fast)*9/10], ReasonTruncated},
		{"MKV cut in half", mkv[:len(mkv)/2], ReasonTruncated},
		{"MKV head alone", mkv[:20], ReasonNotAFilm},
		{"sound only", remux(t, "-map", "0:a:0", "-c", "copy", "out.m4a"), ReasonNotAFilm},
		{"random", bytes.Repeat([]byte{0xde, 0xad, 0xbe, 0xef, 7}, 1000), ReasonNotAFilm},
	} {
		path := filepath.Join(t.TempDir(), "film.mp4")
		if err := os.WriteFile(path, c.b, 0o644); err != nil {
			t.Fatal(err)
		}
		_, err := tools.Inspect(context.Background(), path)
		var f *fault.Error
		if !errors.As(err, &f) || f.Kind != fault.Invalid {
			t.Errorf("%s: not refused: %v", c.name, err)
		} else if f.Reason != c.reason && (c.reason != ReasonNotAFilm || f.Reason != ReasonTruncated || !strings.Contains(c.name, "MP4")) {
			t.Errorf("%s: %s, want %s (%v)", c.name, f.Reason, c.reason, err)
		}
	}
}

// TestToolsAreHeld looks at what a tool can see and do, with a script in the
// tool's place.
func TestToolsAreHeld(t *testing.T) {
	tools := testTools(t)
	t.Setenv("CINEMA_SECRET", "x")
	script := func(body string) run {
		dir, err := tools.workspace("t")
		if err != nil {
			t.Fatal(err)
		}
		bin := filepath.Join(tools.c.WorkDir, "tool")
		if err := os.WriteFile(bin, []byte("#!/bin/sh\n"+body), 0o755); err != nil {
			t.Fatal(err)
		}
		return run{bin: bin, dir: dir, wall: 10 * time.Second, outBytes: 1 << 20}
	}
	ctx := context.Background()
	out, err := tools.do(ctx, script(`/usr/bin/env; /usr/bin/id -u; /usr/bin/nice; ulimit -v`))
	if err != nil {
		t.Fatal(err)
	}
	if s := string(out); strings.Contains(s, "SECRET") || !strings.Contains(s, "\n10\n6291456\n") || os.Geteuid() == 0 && !strings.Contains(s, "65534\n") {
		t.Errorf("the tool saw:\n%s", s)
	}
	reason := func(what string, err error, want string) {
		t.Helper()
		var f *fault.Error
		if !errors.As(err, &f) || f.Reason != want {
			t.Errorf("%s: %v", what, err)
		}
	}
	r := script("sleep 600 & sleep 600")
	r.wall = 100 * time.Millisecond
	began := time.Now()
	_, err = tools.do(ctx, r)
	reason("endless", err, ReasonLimit)
	if time.Since(began) > 4*time.Second {
		t.Errorf("the group was not killed: %v", time.Since(began))
	}
	r = script("i=0; while :; do i=$((i+1)); head -c 400000 /dev/zero >$i; sleep 0.1; done")
	_, err = tools.do(ctx, r)
	reason("writes much", err, ReasonLimit)
	if _, err = tools.do(ctx, script("head -c 4000000 /dev/zero >big || exit 3")); err == nil {
		t.Error("one big file was let through")
	}
	cctx, cancel := context.WithCancel(ctx)
	r = script("echo x; sleep 600")
	r.progress = func(Progress) {}
	time.AfterFunc(50*time.Millisecond, cancel)
	if _, err = tools.do(cctx, r); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func picture(w, h int) image.Image {
	m := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			m.Set(x, y, color.RGBA{uint8(200 * x / w), 30, uint8(90 * y / h), 255})
		}
	}
	return m
}

func TestInspectImage(t *testing.T) {
	var jpg, pn bytes.Buffer
	if err := jpeg.Encode(&jpg, picture(1000, 1200), nil); err != nil {
		t.Fatal(err)
	}
	if err := png.Encode(&pn, picture(700, 500)); err != nil {
		t.Fatal(err)
	}
	// EXIF with a secret and "turn right": orientation 6.
	exif := "\xff\xe1\x00\x2eExif\x00\x00MM\x00\x2a\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01\x00\x06\x00\x00\x00\x00\x00\x00SECRETSECRET"
	turned := append([]byte(jpg.String()[:2]+exif), jpg.Bytes()[2:]...)
	p, err := InspectImage(context.Background(), bytes.NewReader(turned), Poster)
	if err != nil {
		t.Fatal(err)
	}
	if p.Width != 1200 || p.Height != 1000 || len(p.Sizes) != 2 || p.Sizes[0].Width != 200 || p.Sizes[0].Height != 300 || p.Sizes[1].Width != 400 {
		t.Errorf("%d × %d, %d sizes", p.Width, p.Height, len(p.Sizes))
	}
	for _, s := range p.Sizes {
		if bytes.Contains(s.JPEG, []byte("SECRET")) {
			t.Error("EXIF was kept")
		}
		if c, err := jpeg.DecodeConfig(bytes.NewReader(s.JPEG)); err != nil || c.Width != s.Width || c.Height != s.Height {
			t.Errorf("%v %v", c, err)
		}
	}
	if !strings.HasPrefix(p.Placeholder, "data:image/png;base64,") || len(p.Placeholder) > 800 || len(p.Color) != 7 {
		t.Errorf("placeholder of %d bytes, %q", len(p.Placeholder), p.Color)
	}
	p, err = InspectImage(context.Background(), bytes.NewReader(pn.Bytes()), Still)
	if err != nil || len(p.Sizes) != 1 || p.Sizes[0].Width != 640 || p.Sizes[0].Height != 360 {
		t.Errorf("%v %+v", err, len(p.Sizes))
	}
	bomb := []byte("\x89PNG\r\n\x1a\n\x00\x00\x00\x0dIHDR\x00\x00\x40\x00\x00\x00\x40\x00\x08\x02\x00\x00\x00")
	bomb = binary.BigEndian.AppendUint32(bomb, crc32.ChecksumIEEE(bomb[12:]))
	for _, c := range []struct{ name, body, reason string }{
		{"empty", "", ReasonEmpty}, {"SVG", `<?xml version="1.0"?><svg/>`, ReasonNotAPicture}, {"HTML", "<html>", ReasonNotAPicture},
		{"GIF", "GIF89a......", ReasonNotAPicture}, {"cut", jpg.String()[:jpg.Len()/2], ReasonTruncated}, {"head only", "\xff\xd8\xff\xe0 <script>", ReasonNotAPicture},
		{"bomb", string(bomb), ReasonTooLarge},
	} {
		_, err := InspectImage(context.Background(), strings.NewReader(c.body), Poster)
		var f *fault.Error
		if !errors.As(err, &f) || f.Reason != c.reason && (f.Reason != ReasonTruncated || c.name != "head only") {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func FuzzDecode(f *testing.F) {
	var b bytes.Buffer
	if err := jpeg.Encode(&b, picture(120, 120), nil); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, err := decode(b); err != nil && fault.KindOf(err) != fault.Invalid {
			t.Fatal(err)
		}
	})
}
