package media

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"regexp"
	"strconv"
	"strings"
)

// Probe is what Inspect found out about a film. It is stored with the job as
// JSON, so that a restarted worker plans the same steps.
type Probe struct {
	Demuxer    string  `json:"demuxer"` // ffmpeg's name, forced when the file is read
	DurationMs int64   `json:"durationMs"`
	SizeBytes  int64   `json:"sizeBytes"`
	Video      Video   `json:"video"`
	Audio      []Track `json:"audio,omitempty"`
	Subtitles  []Track `json:"subtitles,omitempty"` // text only: pictures cannot become WebVTT
}

// Video is the stream that is shown.
type Video struct {
	Index       int     `json:"index"` // the stream's number in the file
	Codec       string  `json:"codec"`
	Profile     string  `json:"profile,omitempty"`
	PixelFormat string  `json:"pixelFormat,omitempty"`
	Level       int     `json:"level,omitempty"`
	Width       int     `json:"width"`  // as shown: after pixel shape and rotation
	Height      int     `json:"height"` // as shown
	Square      bool    `json:"square"` // the stored size is the shown size
	Rotated     bool    `json:"rotated,omitempty"`
	Interlaced  bool    `json:"interlaced,omitempty"`
	FrameRate   float64 `json:"frameRate,omitempty"`
	BitRate     int64   `json:"bitRate,omitempty"` // bits a second; of the whole file where the stream does not say
	// MaxGOPMs is the longest distance of two key frames in what was looked
	// at; 0 when fewer than two were seen.
	MaxGOPMs int64 `json:"maxGopMs,omitempty"`
	// StartMs is where the picture starts, from the start of the file: other
	// tracks may start sooner. It is time 0 of all that is made.
	StartMs int64 `json:"startMs,omitempty"`
}

// Track is an audio or subtitle stream.
type Track struct {
	Index    int    `json:"index"`
	Codec    string `json:"codec"`
	Profile  string `json:"profile,omitempty"`
	Channels int    `json:"channels,omitempty"`
	Rate     int    `json:"rate,omitempty"`
	Language string `json:"language,omitempty"` // ISO 639, two or three letters, or empty
	Default  bool   `json:"default,omitempty"`
	Forced   bool   `json:"forced,omitempty"`
	StartMs  int64  `json:"startMs,omitempty"` // from the start of the file
}

// The codecs that are taken. The list is closed: each decoder more is code
// more that reads bytes from outside.
var (
	videoCodecs = set("h264 hevc av1 vp8 vp9 mpeg1video mpeg2video mpeg4 msmpeg4v2 msmpeg4v3 wmv2 wmv3 vc1 theora prores h263 flv1")
	audioCodecs = set("aac mp3 mp2 ac3 eac3 opus vorbis flac alac dts truehd wmav2 amr_nb pcm_s16le pcm_s16be pcm_s24le pcm_s24be pcm_s32le pcm_f32le pcm_u8")
	textCodecs  = set("mov_text subrip ass ssa webvtt text")
)

func set(words string) map[string]bool {
	m := map[string]bool{}
	for w := range strings.FieldsSeq(words) {
		m[w] = true
	}
	return m
}

// ffprobe's JSON, as far as it is used. Everything in it may be hostile.
type probeJSON struct {
	Streams []struct {
		Index         int    `json:"index"`
		CodecName     string `json:"codec_name"`
		CodecType     string `json:"codec_type"`
		Profile       string `json:"profile"`
		PixFmt        string `json:"pix_fmt"`
		Level         int    `json:"level"`
		Width         int    `json:"width"`
		Height        int    `json:"height"`
		SampleAspect  string `json:"sample_aspect_ratio"`
		FieldOrder    string `json:"field_order"`
		AvgFrameRate  string `json:"avg_frame_rate"`
		RealFrameRate string `json:"r_frame_rate"`
		Duration      string `json:"duration"`
		StartTime     string `json:"start_time"`
		BitRate       string `json:"bit_rate"`
		SampleRate    string `json:"sample_rate"`
		Channels      int    `json:"channels"`
		Disposition   struct {
			Default     int `json:"default"`
			Forced      int `json:"forced"`
			AttachedPic int `json:"attached_pic"`
		} `json:"disposition"`
		Tags struct {
			Language string `json:"language"`
		} `json:"tags"`
		SideData []struct {
			Rotation float64 `json:"rotation"`
		} `json:"side_data_list"`
	} `json:"streams"`
	Format struct {
		Duration  string `json:"duration"`
		StartTime string `json:"start_time"`
		BitRate   string `json:"bit_rate"`
	} `json:"format"`
}

// Limits on what is taken at all.
const (
	maxStreams    = 64
	maxTracks     = 12 // of each kind; the rest is left out
	maxSide       = 8192
	maxPixels     = 8192 * 4352
	minSide       = 16
	maxDurationMs = 12 * 3600 * 1000
	minDurationMs = 500
)

var languageForm = regexp.MustCompile(`^[a-z]{2,3}$`)

// parseProbe reads ffprobe's JSON. Refusals are *fault.Error of kind Invalid.
func parseProbe(b []byte) (Probe, error) {
	var j probeJSON
	if err := json.Unmarshal(b, &j); err != nil {
		return Probe{}, notAFilm(fmt.Errorf("ffprobe's answer: %w", err))
	}
	if len(j.Streams) > maxStreams {
		return Probe{}, refuse(ReasonUnsupported, "The file has %d streams; %d is the most.", len(j.Streams), maxStreams)
	}
	p := Probe{DurationMs: ms(j.Format.Duration)}
	found, otherVideo, otherAudio := false, "", ""
	for _, s := range j.Streams {
		if s.Index < 0 || s.Index >= 1000 {
			continue
		}
		lang := strings.ToLower(s.Tags.Language)
		if !languageForm.MatchString(lang) || lang == "und" {
			lang = ""
		}
		t := Track{Index: s.Index, Codec: s.CodecName, Profile: s.Profile, Channels: s.Channels,
			Language: lang, StartMs: since(j.Format.StartTime, s.StartTime), Default: s.Disposition.Default != 0, Forced: s.Disposition.Forced != 0}
		switch {
		case s.CodecType == "video" && s.Disposition.AttachedPic != 0:
			// A cover picture.
		case s.CodecType == "video" && !videoCodecs[s.CodecName]:
			otherVideo = s.CodecName
		case s.CodecType == "video" && !found:
			found = true
			v := Video{Index: s.Index, Codec: s.CodecName, Profile: s.Profile, PixelFormat: s.PixFmt, Level: s.Level,
				Width: s.Width, Height: s.Height, Square: true, BitRate: number(s.BitRate), FrameRate: ratio(s.AvgFrameRate), StartMs: t.StartMs}
			if v.FrameRate <= 0 || v.FrameRate > 300 {
				v.FrameRate = ratio(s.RealFrameRate)
			}
			if v.FrameRate <= 0 || v.FrameRate > 300 {
				v.FrameRate = 0
			}
			if v.BitRate <= 0 {
				v.BitRate = number(j.Format.BitRate)
			}
			if !fits(v.Width, v.Height) {
				return Probe{}, refuse(ReasonTooLarge, "The picture is %d × %d; that is not a size that can be shown.", v.Width, v.Height)
			}
			if sar := ratio(strings.Replace(s.SampleAspect, ":", "/", 1)); sar > 0.1 && sar < 10 && math.Abs(sar-1) > 0.005 {
				v.Square = false
				v.Width = int(math.Round(float64(v.Width) * sar))
			}
			for _, d := range s.SideData {
				if r := math.Mod(math.Abs(d.Rotation), 360); r > 1 {
					v.Rotated = true
					if math.Abs(r-90) < 1 || math.Abs(r-270) < 1 {
						v.Width, v.Height = v.Height, v.Width
					}
				}
			}
			if !fits(v.Width, v.Height) {
				return Probe{}, refuse(ReasonTooLarge, "The picture is %d × %d; that is not a size that can be shown.", v.Width, v.Height)
			}
			switch s.FieldOrder {
			case "tt", "bb", "tb", "bt":
				v.Interlaced = true
			}
			p.Video = v
			if p.DurationMs == 0 {
				p.DurationMs = ms(s.Duration)
			}
		case s.CodecType == "audio" && !audioCodecs[s.CodecName]:
			otherAudio = s.CodecName
		case s.CodecType == "audio" && len(p.Audio) < maxTracks:
			if s.Channels < 1 || s.Channels > 64 {
				continue
			}
			t.Rate = int(number(s.SampleRate))
			p.Audio = append(p.Audio, t)
		case s.CodecType == "subtitle" && textCodecs[s.CodecName] && len(p.Subtitles) < maxTracks:
			t.Channels, t.Profile = 0, ""
			p.Subtitles = append(p.Subtitles, t)
		}
	}
	switch {
	case !found && otherVideo != "":
		return Probe{}, refuse(ReasonUnsupported, "The picture is coded as %s, which cannot be read here.", word(otherVideo))
	case !found:
		return Probe{}, notAFilm(errors.New("no video stream"))
	case len(p.Audio) == 0 && otherAudio != "":
		return Probe{}, refuse(ReasonUnsupported, "The sound is coded as %s, which cannot be read here.", word(otherAudio))
	case p.DurationMs < minDurationMs:
		return Probe{}, refuse(ReasonTruncated, "The file holds no film to speak of: it says it is %d ms long.", p.DurationMs)
	case p.DurationMs > maxDurationMs:
		return Probe{}, refuse(ReasonTooLong, "The film is longer than 12 hours.")
	}
	return p, nil
}

func fits(w, h int) bool {
	return w >= minSide && h >= minSide && w <= maxSide && h <= maxSide && w*h <= maxPixels
}

// word lets a codec's name into a message only in a form that cannot surprise.
func word(s string) string {
	out := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '_' {
			return r
		}
		return -1
	}, s)
	return out[:min(len(out), 24)]
}

func ms(s string) int64 {
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || !(f > 0) || f > 1e9 {
		return 0
	}
	return int64(f * 1000)
}

// since is from start to at, both in seconds; 0 when either is not known or
// they are absurdly far apart.
func since(start, at string) int64 {
	a, err1 := strconv.ParseFloat(start, 64)
	b, err2 := strconv.ParseFloat(at, 64)
	if d := b - a; err1 == nil && err2 == nil && d > 0 && d < 600 {
		return int64(math.Round(d * 1000))
	}
	return 0
}

func number(s string) int64 {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 0 {
		return 0
	}
	return n
}

func ratio(s string) float64 {
	a, b, ok := strings.Cut(s, "/")
	if !ok {
		b = "1"
	}
	x, err1 := strconv.ParseFloat(a, 64)
	y, err2 := strconv.ParseFloat(b, 64)
	if err1 != nil || err2 != nil || y == 0 {
		return 0
	}
	if r := x / y; r > 0 && r < 1e6 {
		return r
	}
	return 0
}

// parseGOP reads ffprobe's "pts_time,flags" lines of the first minutes and
// returns the longest distance between key frames.
func parseGOP(b []byte) int64 {
	last, longest, seen := 0.0, 0.0, false
	for line := range bytes.Lines(b) {
		pts, flags, ok := strings.Cut(strings.TrimSpace(string(line)), ",")
		if !ok || !strings.HasPrefix(flags, "K") {
			continue
		}
		t, err := strconv.ParseFloat(pts, 64)
		if err != nil || math.IsNaN(t) || math.Abs(t) > 1e9 {
			continue
		}
		if seen {
			longest = max(longest, t-last)
		}
		last, seen = t, true
	}
	return int64(longest * 1000)
}

// sniff chooses ffmpeg's demuxer by a file's first bytes; empty when the file
// is of no container that is taken. What is not in this list, such as a
// playlist, never reaches ffmpeg.
func sniff(head []byte) string {
	at := func(i int, s string) bool { return len(head) >= i+len(s) && string(head[i:i+len(s)]) == s }
	switch {
	case at(4, "ftyp"), at(4, "moov"), at(4, "mdat"), at(4, "wide"), at(4, "free"), at(4, "skip"):
		return "mov"
	case at(0, "\x1aE\xdf\xa3"):
		return "matroska"
	case at(0, "RIFF") && at(8, "AVI "):
		return "avi"
	case at(0, "FLV\x01"):
		return "flv"
	case at(0, "OggS"):
		return "ogg"
	case at(0, "\x00\x00\x01\xba"):
		return "mpeg"
	case at(0, "\x30\x26\xb2\x75\x8e\x66\xcf\x11"):
		return "asf"
	case at(0, "G") && at(188, "G") && at(376, "G"), at(4, "G") && at(196, "G") && at(388, "G"):
		return "mpegts"
	}
	return ""
}

// checkWhole looks whether the container's own lengths fit into the file:
// an upload that was cut short often still probes as a film.
func checkWhole(r io.ReaderAt, size int64, demuxer string) error {
	switch demuxer {
	case "mov":
		return wholeMOV(r, size)
	case "matroska":
		return wholeMatroska(r, size)
	}
	return nil
}

func wholeMOV(r io.ReaderAt, size int64) error {
	moov := false
	var h [16]byte
	for off, n := int64(0), 0; off < size; n++ {
		if n > 100_000 {
			return notAFilm(errors.New("too many boxes"))
		}
		if size-off < 8 {
			break // a few bytes of padding do no harm
		}
		if _, err := r.ReadAt(h[:8], off); err != nil {
			return fmt.Errorf("read the file: %w", err)
		}
		length := int64(binary.BigEndian.Uint32(h[:4]))
		switch {
		case length == 0: // to the end of the file
			length = size - off
		case length == 1:
			if size-off < 16 {
				return truncated()
			}
			if _, err := r.ReadAt(h[:16], off); err != nil {
				return fmt.Errorf("read the file: %w", err)
			}
			length = int64(binary.BigEndian.Uint64(h[8:16]))
			if length < 16 {
				return notAFilm(errors.New("a box shorter than its header"))
			}
		case length < 8:
			if moov {
				return nil // trailing bytes after a whole film
			}
			return notAFilm(errors.New("a box shorter than its header"))
		}
		if length > size-off {
			return truncated()
		}
		if string(h[4:8]) == "moov" {
			moov = true
		}
		off += length
	}
	if !moov {
		return truncated()
	}
	return nil
}

func wholeMatroska(r io.ReaderAt, size int64) error {
	buf := make([]byte, min(size, 4096))
	if _, err := r.ReadAt(buf, 0); err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("read the file: %w", err)
	}
	n, w := vint(buf[min(4, len(buf)):])
	if w == 0 || n < 0 || n > int64(len(buf))-int64(4+w) {
		return notAFilm(errors.New("bad EBML header"))
	}
	seg := int(n) + 4 + w
	if seg+4 > len(buf) || !bytes.Equal(buf[seg:seg+4], []byte{0x18, 0x53, 0x80, 0x67}) {
		return truncated()
	}
	n, w = vint(buf[seg+4:])
	if w == 0 {
		return truncated()
	}
	if n >= 0 && n > size-int64(seg+4+w) { // negative: not known, as in a live recording
		return truncated()
	}
	return nil
}

// vint reads an EBML length: its value, -1 for "not known", and its width.
func vint(b []byte) (int64, int) {
	if len(b) == 0 || b[0] == 0 {
		return 0, 0
	}
	w := 1
	for m := byte(0x80); b[0]&m == 0; m >>= 1 {
		w++
	}
	if len(b) < w {
		return 0, 0
	}
	v := int64(b[0]) & (1<<(8-w) - 1)
	ones := v == 1<<(8-w)-1
	for _, c := range b[1:w] {
		v = v<<8 | int64(c)
		ones = ones && c == 0xff
	}
	if ones {
		return -1, w
	}
	return v, w
}
