// Package clip makes the short films of the demo cinema: a countdown, a title
// card, three slow pans over drawn scenes and an end card, with a music box
// and subtitles in English and Russian.
//
// Every frame is drawn in Go and goes to ffmpeg as raw pictures, so nothing
// depends on the fonts or filters of the machine, and no text reaches a
// command line. The result is H.264 and AAC in MP4 with a key frame every two
// seconds: the media ETL can copy it and has something to do besides.
package clip

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"image"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/netflixathome/cinema/internal/demo/artwork"
)

// Picture and sound of a clip.
const (
	Width, Height = 1280, 720
	FrameRate     = 24
	sampleRate    = 48_000
	// MinDuration leaves room for the countdown, the cards and the scenes.
	MinDuration     = 12 * time.Second
	MaxDuration     = 5 * time.Minute
	DefaultDuration = 48 * time.Second
)

// Spec is what a clip is about.
type Spec struct {
	artwork.Spec
	// SubtitlesEN and SubtitlesRU are the subtitles: each is spread over the film in
	// pieces of a line or two. Empty means a line about the demo itself.
	SubtitlesEN, SubtitlesRU string
	Duration                 time.Duration // 0 means DefaultDuration
}

// Maker makes clips. It is safe for concurrent use.
type Maker struct {
	studio *artwork.Studio
	ffmpeg string
}

// NewMaker needs a studio and the path of ffmpeg.
func NewMaker(studio *artwork.Studio, ffmpeg string) (*Maker, error) {
	if studio == nil || ffmpeg == "" {
		return nil, errors.New("clip: a maker needs a studio and ffmpeg")
	}
	return &Maker{studio, ffmpeg}, nil
}

// Make writes the clip to out, an .mp4, all or nothing. It takes some seconds
// of CPU, and stops at once when ctx ends.
func (m *Maker) Make(ctx context.Context, sp Spec, out string) error {
	if sp.Duration == 0 {
		sp.Duration = DefaultDuration
	}
	if sp.Duration < MinDuration || sp.Duration > MaxDuration {
		return fmt.Errorf("clip: %v is not between %v and %v", sp.Duration, MinDuration, MaxDuration)
	}
	if sp.ID == "" || strings.TrimSpace(sp.Title) == "" {
		return errors.New("clip: a clip needs an id and a title")
	}
	dir, err := os.MkdirTemp(filepath.Dir(out), ".clip-")
	if err != nil {
		return fmt.Errorf("clip: %w", err)
	}
	defer os.RemoveAll(dir)
	frames := int(sp.Duration.Seconds() * FrameRate)
	if err := writeWAV(filepath.Join(dir, "sound.wav"), sp.ID, frames); err != nil {
		return fmt.Errorf("clip: %w", err)
	}
	for name, text := range map[string]string{
		"en.srt": orElse(sp.SubtitlesEN, "This clip was made by the program itself. It stands in for the film, so that the cinema has something to play."),
		"ru.srt": orElse(sp.SubtitlesRU, "Этот ролик сделала сама программа. Он стоит на месте фильма, чтобы кинотеатру было что показать."),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), subtitles(text, sp.Duration), 0o600); err != nil {
			return fmt.Errorf("clip: %w", err)
		}
	}

	cmd := exec.CommandContext(ctx, m.ffmpeg, "-hide_banner", "-nostdin", "-loglevel", "error", "-y",
		"-f", "rawvideo", "-pix_fmt", "yuv420p", "-video_size", fmt.Sprintf("%dx%d", Width, Height), "-framerate", strconv.Itoa(FrameRate), "-i", "pipe:0",
		"-i", "sound.wav", "-i", "en.srt", "-i", "ru.srt", "-map", "0:v", "-map", "1:a", "-map", "2:s", "-map", "3:s",
		"-c:v", "libx264", "-preset", "ultrafast", "-crf", "27", "-pix_fmt", "yuv420p", "-color_range", "tv", "-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709",
		"-g", strconv.Itoa(2*FrameRate), "-keyint_min", strconv.Itoa(2*FrameRate), "-sc_threshold", "0",
		"-c:a", "aac", "-b:a", "96k", "-c:s", "mov_text",
		"-metadata:s:a:0", "language=eng", "-metadata:s:s:0", "language=eng", "-metadata:s:s:1", "language=rus",
		"-movflags", "+faststart", "-f", "mp4", "out.mp4")
	cmd.Dir = dir
	cmd.Env = []string{}
	cmd.WaitDelay = 5 * time.Second
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	pipe, err := cmd.StdinPipe()
	if err != nil {
		return fmt.Errorf("clip: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("clip: start ffmpeg: %w", err)
	}
	w := bufio.NewWriterSize(pipe, 1<<20)
	film := m.film(sp, frames)
	var drawErr error
	for n := 0; n < frames && drawErr == nil; n++ {
		if drawErr = ctx.Err(); drawErr == nil {
			drawErr = film.write(w, n)
		}
	}
	drawErr = errors.Join(drawErr, w.Flush(), pipe.Close())
	if err := cmd.Wait(); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return fmt.Errorf("clip: ffmpeg: %w: %s", err, strings.TrimSpace(stderr.String()))
	}
	if drawErr != nil {
		return fmt.Errorf("clip: %w", drawErr)
	}
	if err := os.Rename(filepath.Join(dir, "out.mp4"), out); err != nil {
		return fmt.Errorf("clip: %w", err)
	}
	return nil
}

func orElse(s, other string) string {
	if strings.TrimSpace(s) == "" {
		return other
	}
	return s
}

// yuv is a picture in BT.709, 4:2:0, video range; w and h are even.
type yuv struct {
	w, h    int
	y, u, v []uint8
}

func newYUV(w, h int) *yuv {
	return &yuv{w, h, make([]uint8, w*h), make([]uint8, w*h/4), make([]uint8, w*h/4)}
}

func toYUV(m *image.RGBA) *yuv {
	w, h := m.Rect.Dx()&^1, m.Rect.Dy()&^1
	o := newYUV(w, h)
	for y := 0; y < h; y += 2 {
		for x := 0; x < w; x += 2 {
			var r4, g4, b4 int
			for d := range 4 {
				i := m.PixOffset(x+d&1, y+d>>1)
				r, g, b := int(m.Pix[i]), int(m.Pix[i+1]), int(m.Pix[i+2])
				o.y[(y+d>>1)*w+x+d&1] = uint8(16 + (46*r+157*g+16*b+128)>>8)
				r4, g4, b4 = r4+r, g4+g, b4+b
			}
			i := y/2*w/2 + x/2
			o.u[i] = uint8(128 + (-26*r4-86*g4+112*b4)>>10)
			o.v[i] = uint8(128 + (112*r4-102*g4-10*b4)>>10)
		}
	}
	return o
}

// cut copies a part at x, y (even) of src.
func (o *yuv) cut(src *yuv, x, y int) {
	x, y = min(x, src.w-o.w)&^1, min(y, src.h-o.h)&^1
	for r := range o.h {
		copy(o.y[r*o.w:(r+1)*o.w], src.y[(y+r)*src.w+x:])
	}
	hw, sw := o.w/2, src.w/2
	for r := range o.h / 2 {
		at := (y/2+r)*sw + x/2
		copy(o.u[r*hw:(r+1)*hw], src.u[at:])
		copy(o.v[r*hw:(r+1)*hw], src.v[at:])
	}
}

// blend lets a part of p, 0 to 256, show in o.
func (o *yuv) blend(p *yuv, part int) {
	f := func(a, b []uint8) {
		b = b[:len(a)]
		for i := range a {
			a[i] = uint8((int(a[i])*(256-part) + int(b[i])*part) >> 8)
		}
	}
	f(o.y, p.y)
	f(o.u, p.u)
	f(o.v, p.v)
}

// stamp lays white text over the luma at x, y, with a dark rim.
func (o *yuv) stamp(m *image.Alpha, x, y int) {
	w, h := m.Rect.Dx(), m.Rect.Dy()
	for r := range h {
		for c := range w {
			a := int(m.Pix[r*m.Stride+c])
			if s := 0; r > 1 && c > 1 {
				s = int(m.Pix[(r-2)*m.Stride+c-2])
				i := (y+r)*o.w + x + c
				o.y[i] = uint8(int(o.y[i]) * (512 - s) / 512)
			}
			if a > 0 {
				i := (y+r)*o.w + x + c
				o.y[i] = uint8((int(o.y[i])*(255-a) + 225*a) / 255)
			}
		}
	}
}

// film holds what the frames are cut from.
type film struct {
	frames            int
	lead, title       int // first frames of what follows each part
	end               int
	countdown         func(n int) *yuv
	card, last, black *yuv
	scenes            []*yuv
	name              *image.Alpha
	clock             func(second int) *image.Alpha
	buf, other        *yuv
	held              *yuv
	heldAt            int
	stamp             *image.Alpha
	stampAt           int
}

const fade = FrameRate / 2

func (m *Maker) film(sp Spec, frames int) *film {
	f := &film{frames: frames, lead: 3 * FrameRate, buf: newYUV(Width, Height), other: newYUV(Width, Height), black: newYUV(Width, Height), heldAt: -1, stampAt: -1}
	f.title = f.lead + 4*FrameRate
	f.end = frames - 3*FrameRate
	for i := range f.black.y {
		f.black.y[i] = 16
	}
	for i := range f.black.u {
		f.black.u[i], f.black.v[i] = 128, 128
	}
	f.countdown = func(n int) *yuv {
		return toYUV(m.studio.Leader(3-n/FrameRate, float64(n%FrameRate)/FrameRate, Width, Height))
	}
	f.card = toYUV(m.studio.TitleCard(sp.Spec, Width, Height))
	end := "The End"
	if sp.Russian {
		end = "Конец"
	}
	f.last = toYUV(m.studio.EndCard(sp.Spec, end, Width, Height))
	for i := range 3 {
		f.scenes = append(f.scenes, toYUV(m.studio.Scene(sp.Spec, i, 1920, 800)))
	}
	f.name = m.studio.Label(sp.Title, 800, 30, false)
	f.clock = func(s int) *image.Alpha {
		return m.studio.Label(fmt.Sprintf("%02d:%02d", s/60, s%60), 140, 30, true)
	}
	return f
}

// scene fills dst with scene i as it is at frame n of its own.
func (f *film) scene(dst *yuv, i, n int) {
	src := f.scenes[i]
	// Two pixels a frame: chroma moves by whole pixels too, so nothing
	// shimmers. Each scene turns back at its edge.
	reach := src.w - Width
	x := 2 * n % (2 * reach)
	if x > reach {
		x = 2*reach - x
	}
	if i%2 == 1 {
		x = reach - x
	}
	y := 0
	if i == 2 {
		y = src.h - Height
	}
	dst.cut(src, x, y)
}

func (f *film) write(w io.Writer, n int) error {
	b := f.buf
	switch {
	case n < f.lead:
		if k := n &^ 1; f.heldAt != k { // drawn at twelve frames a second
			f.held, f.heldAt = f.countdown(k), k
		}
		copyYUV(b, f.held)
	case n < f.title:
		copyYUV(b, f.card)
		if d := n - f.lead; d < fade {
			b.blend(f.black, 256*(fade-d)/fade)
		}
	case n < f.end:
		per := (f.end - f.title + len(f.scenes) - 1) / len(f.scenes)
		i, at := (n-f.title)/per, (n-f.title)%per
		f.scene(b, i, at)
		if at < fade {
			if i > 0 {
				f.scene(f.other, i-1, per+at)
			} else {
				copyYUV(f.other, f.card)
			}
			b.blend(f.other, 256*(fade-at)/fade)
		}
	default:
		copyYUV(b, f.last)
		if d := n - f.end; d < fade {
			f.scene(f.other, len(f.scenes)-1, (f.end-f.title)/len(f.scenes)+d)
			b.blend(f.other, 256*(fade-d)/fade)
		}
		if left := f.frames - 1 - n; left < 2*fade {
			b.blend(f.black, 256*(2*fade-left)/(2*fade))
		}
	}
	if n >= f.title && n < f.end {
		if s := n / FrameRate; s != f.stampAt {
			f.stamp, f.stampAt = f.clock(s), s
		}
		b.stamp(f.stamp, Width-40-140, Height-56)
		b.stamp(f.name, 40, Height-56)
	}
	for _, p := range [][]uint8{b.y, b.u, b.v} {
		if _, err := w.Write(p); err != nil {
			return err
		}
	}
	return nil
}

func copyYUV(dst, src *yuv) {
	copy(dst.y, src.y)
	copy(dst.u, src.u)
	copy(dst.v, src.v)
}

// subtitles spreads text over the film, after the countdown, as SubRip.
func subtitles(text string, d time.Duration) []byte {
	var lines []string
	line := ""
	for word := range strings.FieldsSeq(text) {
		if len([]rune(line))+1+len([]rune(word)) > 42 && line != "" {
			lines = append(lines, line)
			line = ""
		}
		line = strings.TrimSpace(line + " " + word)
	}
	lines = append(lines, line)
	var cues []string
	for pair := range slices.Chunk(lines, 2) {
		cues = append(cues, strings.Join(pair, "\n"))
	}
	start, end := 7.5, d.Seconds()-3.5
	if end < start+1 {
		start, end = 3, d.Seconds()-1
	}
	per := (end - start) / float64(len(cues))
	at := func(s float64) string {
		ms := int64(s * 1000)
		return fmt.Sprintf("%02d:%02d:%02d,%03d", ms/3_600_000, ms/60_000%60, ms/1000%60, ms%1000)
	}
	var b bytes.Buffer
	for i, c := range cues {
		from := start + per*float64(i)
		// An arrow in the text would end the cue; angle brackets are markup.
		c = strings.NewReplacer("-->", "→", "<", "‹", ">", "›").Replace(c)
		fmt.Fprintf(&b, "%d\n%s --> %s\n%s\n\n", i+1, at(from), at(from+min(per-.15, 6)), c)
	}
	return b.Bytes()
}

// writeWAV writes the sound: a tick per number of the countdown, then a music
// box over a soft drone, with the quiet run of a projector beneath.
func writeWAV(path, id string, frames int) error {
	h := fnv.New64a()
	_, _ = h.Write([]byte(id)) // a hash takes anything
	r := rand.New(rand.NewPCG(h.Sum64(), 440))
	n := frames * sampleRate / FrameRate
	mix := make([]float32, 2*n)
	// note adds a struck tone with two overtones, panned.
	note := func(at, freq, level, length, pan float64) {
		from := int(at * sampleRate)
		count := min(int(length*sampleRate), n-from)
		if from < 0 || count <= 0 {
			return
		}
		decay := math.Exp(-5 / (length * sampleRate))
		l, rt := float32(level*(1-pan)), float32(level*(1+pan))
		// Each partial is a turning phasor: no sine per sample.
		type partial struct{ re, im, c, s, g float64 }
		var ps [3]partial
		for i, q := range [][2]float64{{1, 1}, {2, .35}, {4.02, .12}} {
			s, c := math.Sincos(2 * math.Pi * freq * q[0] / sampleRate)
			ps[i] = partial{re: 1, c: c, s: s, g: q[1]}
		}
		env := 1.0
		for i := range count {
			v := 0.0
			for k := range ps {
				p := &ps[k]
				p.re, p.im = p.re*p.c-p.im*p.s, p.re*p.s+p.im*p.c
				v += p.im * p.g
			}
			a := env
			if i < 240 {
				a *= float64(i) / 240
			}
			if left := count - i; left < 480 {
				a *= float64(left) / 480
			}
			env *= decay
			mix[2*(from+i)] += float32(v*a) * l
			mix[2*(from+i)+1] += float32(v*a) * rt
		}
	}
	for i := range 3 {
		note(float64(i), 1000, .10, .09, 0)
	}
	scale := []float64{0, 2, 4, 7, 9, 12, 14, 16, 19, 21} // pentatonic: nothing clashes
	root := 196 * math.Pow(2, float64(r.IntN(6))/12)
	total := float64(n) / sampleRate
	beat := .42 + .14*r.Float64()
	at, step := 3.2, 4
	for bar := 0; at < total-4; bar++ {
		if bar%8 == 0 {
			chord := []float64{0, 9, 5, 7}[bar/8%4]
			for i, iv := range []float64{-12, 0, 7} {
				note(at, root*math.Pow(2, (chord+iv-12*float64(i%2))/12), .035, beat*8.5, .3*float64(i-1))
			}
		}
		if r.IntN(5) > 0 {
			step = max(0, min(len(scale)-1, step+r.IntN(5)-2))
			note(at, root*2*math.Pow(2, scale[step]/12), .05+.03*r.Float64(), 1.6, .5*(r.Float64()-.5))
		}
		at += beat
	}
	note(max(3, total-3.5), root*2, .07, 3, 0)
	out := make([]byte, 44, 44+4*n)
	copy(out, "RIFF")
	binary.LittleEndian.PutUint32(out[4:], uint32(36+4*n))
	copy(out[8:], "WAVEfmt ")
	for i, v := range []uint32{16, 2<<16 | 1, sampleRate, 4 * sampleRate, 16<<16 | 4} {
		binary.LittleEndian.PutUint32(out[16+4*i:], v)
	}
	copy(out[36:], "data")
	binary.LittleEndian.PutUint32(out[40:], uint32(4*n))
	low := float32(0)
	for _, v := range mix {
		low += (float32(r.Uint32()>>16)/65536 - .5 - low) * .12
		x := v + low*.012
		out = binary.LittleEndian.AppendUint16(out, uint16(int16(max(-1, min(1, x))*32767)))
	}
	return os.WriteFile(path, out, 0o600)
}
