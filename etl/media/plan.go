package media

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Kind is the kind of a Step.
type Kind string

// The kinds of steps.
const (
	KindAudio     Kind = "audio"     // every audio track to AAC
	KindCopy      Kind = "copy"      // the source's own video, cut into segments
	KindVideo     Kind = "video"     // one rung of the ladder
	KindSubtitles Kind = "subtitles" // embedded text to WebVTT
	KindPoster    Kind = "poster"    // one good frame
	KindSprites   Kind = "sprites"   // thumbnails for the seek bar
)

// Step is one run of ffmpeg (or one per track) that is recorded when done.
type Step struct {
	// Name is unique in a plan and is the rendition's name and folder for
	// KindCopy and KindVideo: "copy", "720p", "audio" …
	Name string
	Kind Kind
	// Width and Height of the picture that comes out, for copy and video.
	Width, Height int
	// Weight is the step's share of the work, in seconds of encoding 720p.
	Weight float64
}

// SegmentSeconds is the length of a segment. Encoded rungs have a key frame
// exactly there, so that all of them switch at the same points.
const SegmentSeconds = 4

// rung is a box that a picture must fit into, with its bit rate.
type rung struct {
	name    string
	w, h    int
	crf     int
	maxRate int // bits a second
}

// ladder is from the top. The rates are the peaks that x264 may reach; the
// constant quality stays below for most films.
var ladder = []rung{
	{"1080p", 1920, 1080, 22, 5_500_000},
	{"720p", 1280, 720, 22, 3_000_000},
	{"480p", 854, 480, 23, 1_500_000},
	{"360p", 640, 360, 24, 800_000},
}

func rungByName(name string) (rung, bool) {
	for _, r := range ladder {
		if r.name == name {
			return r, true
		}
	}
	return rung{}, false
}

// Copyable reports whether browsers play the source's video as it is and it
// can be cut into segments: H.264, 8 bit 4:2:0, upright square progressive
// pixels, and key frames close enough to each other.
func (p Probe) Copyable() bool {
	v := p.Video
	switch v.Profile {
	case "Constrained Baseline", "Baseline", "Main", "High":
	default:
		return false
	}
	switch p.Demuxer {
	case "mov", "matroska", "mpegts", "flv":
	default:
		return false // AVI and MPEG-PS keep no usable timestamps
	}
	return v.Codec == "h264" && (v.PixelFormat == "yuv420p" || v.PixelFormat == "yuvj420p") &&
		v.Square && !v.Rotated && !v.Interlaced && v.Level <= 52 && v.FrameRate <= 61 &&
		v.BitRate <= 40_000_000 && v.MaxGOPMs <= 10_000
}

// Plan lists the steps for a film, in the order of work: first what makes it
// watchable, then what is quick, then the rest. It depends on nothing but p.
func Plan(p Probe) []Step {
	seconds := float64(p.DurationMs) / 1000
	share := func(w, h int) float64 { return seconds * float64(w*h) / (1280 * 720) }

	var first, quick, rest []Step
	if n := len(p.Audio); n > 0 {
		first = append(first, Step{Name: "audio", Kind: KindAudio, Weight: 0.1 * seconds * float64(n)})
	}
	if n := len(p.Subtitles); n > 0 {
		quick = append(quick, Step{Name: "subtitles", Kind: KindSubtitles, Weight: 0.02 * seconds * float64(n)})
	}
	quick = append(quick,
		Step{Name: "poster", Kind: KindPoster, Weight: 0.02 * seconds},
		Step{Name: "sprites", Kind: KindSprites, Weight: 0.05*share(p.Video.Width, p.Video.Height) + 0.02*seconds})

	rungs := rungsFor(p.Video.Width, p.Video.Height)
	encode := make([]Step, 0, len(rungs))
	for _, r := range rungs {
		w, h := fit(p.Video.Width, p.Video.Height, r.w, r.h)
		encode = append(encode, Step{Name: r.name, Kind: KindVideo, Width: w, Height: h, Weight: share(w, h) + 0.2*share(p.Video.Width, p.Video.Height)})
	}
	if p.Copyable() {
		first = append(first, Step{Name: "copy", Kind: KindCopy, Width: p.Video.Width, Height: p.Video.Height, Weight: 0.05 * seconds})
		// The copy stands for the rung of its own size, unless it is much
		// heavier than that rung would be.
		if top := rungs[0]; len(rungs) > 1 && float64(p.Video.BitRate) <= 1.5*float64(top.maxRate) && p.Video.Width <= top.w+16 {
			encode = encode[1:]
		} else if len(rungs) == 1 {
			encode = nil
		}
	} else if n := len(encode); n > 1 {
		// 480p (or the lowest) first: it is done soonest and looks decent.
		i := max(0, n-2)
		first = append(first, encode[i])
		encode = slices.Delete(encode, i, i+1)
	} else {
		first, encode = append(first, encode...), nil
	}
	rest = append(rest, encode...)
	return slices.Concat(first, quick, rest)
}

// rungsFor leaves out what would enlarge the picture; a source smaller than
// every rung gets the lowest alone, in its own size.
func rungsFor(w, h int) []rung {
	var out []rung
	for _, r := range ladder {
		rw, rh := r.w, r.h
		if h > w { // portrait: turn the box
			rw, rh = rh, rw
		}
		if float64(w) >= 0.95*float64(rw) || float64(h) >= 0.95*float64(rh) {
			out = append(out, r)
		}
	}
	if len(out) == 0 {
		out = []rung{ladder[len(ladder)-1]}
	}
	return out
}

// fit scales w × h down into the box, never up, to even numbers as 4:2:0
// wants them. A portrait picture gets the box turned.
func fit(w, h, boxW, boxH int) (int, int) {
	if h > w {
		boxW, boxH = boxH, boxW
	}
	s := min(1, float64(boxW)/float64(w), float64(boxH)/float64(h))
	even := func(x float64) int { return max(2, 2*int(math.Round(x*s/2))) }
	return min(even(float64(w)), max(2, w&^1)), min(even(float64(h)), max(2, h&^1))
}

// thumbs is the layout of the seek bar's thumbnails.
type thumbs struct {
	EverySeconds  int
	Width, Height int // of one
	Columns, Rows int
	Count, Sheets int
}

func thumbsFor(p Probe) thumbs {
	t := thumbs{EverySeconds: 5, Width: 160, Columns: 10, Rows: 10}
	if p.DurationMs > 30*60*1000 {
		t.EverySeconds = 10
	}
	t.Height = max(2, 2*int(math.Round(160*float64(p.Video.Height)/float64(p.Video.Width)/2)))
	t.Height = min(t.Height, 320)
	t.Count = max(1, int((p.DurationMs+int64(t.EverySeconds)*1000-1)/(int64(t.EverySeconds)*1000)))
	t.Sheets = (t.Count + t.Columns*t.Rows - 1) / (t.Columns * t.Rows)
	return t
}

// input is what the source is called in the work folder, always.
const input = "input"

// in is how ffmpeg and ffprobe are told to read the source: the demuxer
// forced, no other format, no protocol but file.
func in(p Probe) []string {
	return []string{"-protocol_whitelist", "file", "-format_whitelist", p.Demuxer, "-f", p.Demuxer}
}

var quiet = []string{"-hide_banner", "-nostdin", "-loglevel", "error", "-nostats", "-progress", "pipe:1", "-stats_period", "0.5"}

// clean drops everything but the picture or sound itself.
var clean = []string{"-map_metadata", "-1", "-map_chapters", "-1", "-dn"}

// fromPicture moves time 0 to the first picture for the tracks beside it. It
// is given also when that changes nothing, as a microsecond: without it ffmpeg
// starts a track of a transport stream at its own first packet when no other
// is read, and sound that comes late would come early.
func fromPicture(p Probe) []string {
	at := "0.000001"
	if p.Video.StartMs != 0 {
		at = "-" + strconv.FormatFloat(float64(p.Video.StartMs)/1000, 'f', 3, 64)
	}
	return []string{"-itsoffset", at}
}

// maxSkewMs is how far a track that is copied may start from the picture:
// ITU-R BT.1359 puts what a viewer notices at 45 ms.
const maxSkewMs = 40

// hlsOut writes segments. Each track is written by itself and starts at 0:
// negative_cts_offsets makes that the first picture shown and not the first
// decoded, without an edit list, which browsers' media sources ignore.
func hlsOut() []string {
	return []string{
		"-f", "hls", "-hls_time", strconv.Itoa(SegmentSeconds), "-hls_list_size", "0", "-hls_playlist_type", "vod",
		"-hls_segment_type", "fmp4", "-hls_fmp4_init_filename", "init.mp4", "-hls_flags", "independent_segments",
		"-hls_segment_options", "movflags=+negative_cts_offsets",
	}
}

// audioArgs is one run with an output per track, in the folders a0, a1 …
func audioArgs(p Probe) []string {
	a := slices.Concat(quiet, fromPicture(p), in(p), []string{"-i", input})
	for i, t := range p.Audio {
		a = append(a, "-map", "0:"+strconv.Itoa(t.Index), "-vn", "-sn")
		a = append(a, clean...)
		skew := max(t.StartMs-p.Video.StartMs, p.Video.StartMs-t.StartMs)
		if t.Codec == "aac" && t.Profile == "LC" && t.Channels <= 2 && skew <= maxSkewMs && p.Demuxer != "flv" {
			a = append(a, "-c:a", "copy")
		} else {
			a = append(a, "-c:a", "aac", "-b:a", "160k", "-ac", strconv.Itoa(min(2, max(1, t.Channels))), "-ar", "48000",
				// Gaps and drifts of the source become silence, so that sound
				// and picture stay together through the whole film.
				"-af", "aresample=async=1000:first_pts=0")
		}
		a = append(a, hlsOut()...)
		dir := "a" + strconv.Itoa(i) + "/"
		a = append(a, "-hls_segment_filename", dir+"seg_%05d.m4s", dir+"index.m3u8")
	}
	return a
}

func videoArgs(p Probe, s Step, threads int) []string {
	a := slices.Concat(quiet, in(p), []string{"-i", input, "-map", "0:" + strconv.Itoa(p.Video.Index), "-an", "-sn"}, clean)
	if s.Kind == KindCopy {
		a = append(a, "-c:v", "copy")
	} else {
		r, _ := rungByName(s.Name)
		var f []string
		if p.Video.Interlaced {
			f = append(f, "bwdif=mode=send_frame")
		}
		f = append(f, fmt.Sprintf("scale=%d:%d:flags=bicubic", s.Width, s.Height), "setsar=1", "format=yuv420p")
		if p.Video.FrameRate > 61 {
			f = append(f, "fps=60")
		}
		a = append(a, "-vf", strings.Join(f, ","),
			"-c:v", "libx264", "-preset", "veryfast", "-profile:v", "high",
			"-crf", strconv.Itoa(r.crf), "-maxrate", strconv.Itoa(r.maxRate), "-bufsize", strconv.Itoa(2*r.maxRate),
			// A key frame exactly at each segment's start and closed GOPs, so
			// that a player can switch there; the encoder may not add others.
			"-force_key_frames", "expr:gte(t,n_forced*"+strconv.Itoa(SegmentSeconds)+")",
			"-g", "600", "-sc_threshold", "0", "-flags", "+cgop")
		if threads > 0 {
			a = append(a, "-threads", strconv.Itoa(threads))
		}
	}
	a = append(a, hlsOut()...)
	return append(a, "-hls_segment_filename", "seg_%05d.m4s", "index.m3u8")
}

func subtitleArgs(p Probe, t Track) []string {
	return slices.Concat(quiet, fromPicture(p), in(p), []string{"-i", input, "-map", "0:" + strconv.Itoa(t.Index)}, clean,
		[]string{"-c:s", "webvtt", "-f", "webvtt", "subtitles.vtt"})
}

// posterArgs takes the most typical frame of some seconds after a tenth of
// the film: rarely a title card, a fade or a spoiler.
func posterArgs(p Probe) []string {
	at := float64(p.DurationMs) / 1000 * 0.1
	w, h := fit(p.Video.Width, p.Video.Height, 1280, 720)
	return slices.Concat(quiet, []string{"-ss", strconv.FormatFloat(at, 'f', 3, 64)}, in(p),
		[]string{"-i", input, "-map", "0:" + strconv.Itoa(p.Video.Index), "-an", "-sn"}, clean,
		[]string{"-frames:v", "1", "-vf", fmt.Sprintf("thumbnail=60,scale=%d:%d,setsar=1,format=yuvj420p", w, h),
			"-c:v", "mjpeg", "-q:v", "3", "-f", "image2", "-update", "1", "poster.jpg"})
}

// spritesArgs decodes key frames only, where these come often enough: a
// two-hour film takes seconds. A short film, or one whose key frames are rare,
// is decoded as a whole.
func spritesArgs(p Probe) []string {
	t := thumbsFor(p)
	var skip []string
	if p.DurationMs > 3*60*1000 && p.Video.MaxGOPMs > 0 && p.Video.MaxGOPMs <= 10_000 && p.Video.Codec != "theora" {
		skip = []string{"-skip_frame", "nokey"}
	}
	return slices.Concat(quiet, skip, in(p),
		[]string{"-i", input, "-map", "0:" + strconv.Itoa(p.Video.Index), "-an", "-sn"}, clean,
		[]string{"-vf", fmt.Sprintf("fps=fps=1/%d:start_time=0:round=near:eof_action=pass,scale=%d:%d:flags=bilinear,setsar=1,tile=%dx%d,format=yuvj420p",
			t.EverySeconds, t.Width, t.Height, t.Columns, t.Rows),
			"-c:v", "mjpeg", "-q:v", "5", "-f", "image2", "sprite_%03d.jpg"})
}
