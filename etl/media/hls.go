package media

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// segments is what ffmpeg wrote for one track.
type segments struct {
	Files   []string // in order, without the init segment
	Peak    int      // bits a second of the heaviest segment
	Average int
	Codec   string  // for CODECS, such as avc1.640028
	Seconds float64 // total
}

// readSegments reads an index.m3u8 that our own ffmpeg wrote in dir, and looks
// at the sizes of what it names. Names that are not of our pattern are an
// error: a tool gone wrong must not make us store or send another file.
func readSegments(dir string) (segments, error) {
	b, err := os.ReadFile(filepath.Join(dir, "index.m3u8"))
	if err != nil {
		return segments{}, fmt.Errorf("read the playlist: %w", err)
	}
	var s segments
	var bits, length float64
	ended := false
	for line := range strings.Lines(string(b)) {
		line = strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(line, "#EXTINF:"):
			v, _, _ := strings.Cut(line[len("#EXTINF:"):], ",")
			length, err = strconv.ParseFloat(v, 64)
			if err != nil || length < 0 || length > 3600 {
				return segments{}, fmt.Errorf("playlist: bad length %q", v)
			}
		case line == "#EXT-X-ENDLIST":
			ended = true
		case line == "" || line[0] == '#':
		default:
			if !isSegment(line) {
				return segments{}, fmt.Errorf("playlist: unexpected entry %q", line)
			}
			st, err := os.Lstat(filepath.Join(dir, line))
			if err != nil {
				return segments{}, fmt.Errorf("playlist: %w", err)
			}
			if !st.Mode().IsRegular() {
				return segments{}, fmt.Errorf("playlist: %s: %w", line, fs.ErrInvalid)
			}
			n := float64(st.Size()) * 8
			bits += n
			s.Seconds += length
			if length >= 0.5 { // a last sliver says nothing about the rate
				s.Peak = max(s.Peak, int(n/length))
			}
			s.Files = append(s.Files, line)
		}
	}
	if !ended || len(s.Files) == 0 || s.Seconds <= 0 {
		return segments{}, fmt.Errorf("playlist: not finished")
	}
	s.Average = int(bits / s.Seconds)
	s.Peak = max(s.Peak, s.Average)
	initSegment, err := os.ReadFile(filepath.Join(dir, "init.mp4"))
	if err != nil {
		return segments{}, fmt.Errorf("read the init segment: %w", err)
	}
	s.Codec = codecOf(initSegment)
	return s, nil
}

func isSegment(name string) bool {
	n, ok := strings.CutPrefix(name, "seg_")
	n, ok2 := strings.CutSuffix(n, ".m4s")
	if !ok || !ok2 || len(n) < 5 || len(n) > 7 {
		return false
	}
	return strings.Trim(n, "0123456789") == ""
}

// codecOf is the RFC 6381 name of the one track in an init segment: from the
// avcC box (ISO/IEC 14496-15: version, profile, compatibility, level), else
// AAC-LC, the only sound that is written here.
func codecOf(initSegment []byte) string {
	if i := bytes.Index(initSegment, []byte("avcC")); i >= 0 && len(initSegment) >= i+8 {
		return fmt.Sprintf("avc1.%02x%02x%02x", initSegment[i+5], initSegment[i+6], initSegment[i+7])
	}
	return "mp4a.40.2"
}

// AudioTrack and SubtitleTrack are a row's audio and subtitles columns.
type AudioTrack struct {
	Name     string `json:"name"` // the folder, and the track's id in the playlist
	Language string `json:"language,omitempty"`
	Label    string `json:"label"`
	Channels int    `json:"channels"`
	Codec    string `json:"codec"`
	Bitrate  int    `json:"bitrate"` // peak, bits a second
	Default  bool   `json:"default"`
}

// SubtitleTrack is one language of text.
type SubtitleTrack struct {
	Name     string `json:"name"`
	Language string `json:"language,omitempty"`
	Label    string `json:"label"`
	Default  bool   `json:"default"`
	Forced   bool   `json:"forced"`
	Key      string `json:"key"` // the WebVTT itself, for players without HLS
}

// Rendition is one quality of a film's picture.
type Rendition struct {
	Name         string // "copy", "720p" …
	Width        int
	Height       int
	Bitrate      int // peak, bits a second
	AvgBitrate   int
	Codecs       string
	FrameRate    float64
	Path         string // relative to the master playlist
	ReadyAtMilli int64  // Unix ms; 0 before it is stored
}

// master writes the master playlist (RFC 8216): the best rung first.
func master(rs []Rendition, audio []AudioTrack, subs []SubtitleTrack) []byte {
	var b bytes.Buffer
	b.WriteString("#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-INDEPENDENT-SEGMENTS\n")
	attr := func(s string) string { // no quote or line break may leave its string
		return `"` + strings.Map(func(r rune) rune {
			if r < ' ' || r == '"' || r == 0x7f || r == '\u2028' || r == '\u2029' {
				return -1
			}
			return r
		}, s) + `"`
	}
	yes := func(v bool) string {
		if v {
			return "YES"
		}
		return "NO"
	}
	audioRate, audioCodec := 0, ""
	for _, a := range audio {
		audioRate, audioCodec = max(audioRate, a.Bitrate), a.Codec
		fmt.Fprintf(&b, "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"audio\",NAME=%s", attr(a.Label))
		if a.Language != "" {
			fmt.Fprintf(&b, ",LANGUAGE=%s", attr(a.Language))
		}
		fmt.Fprintf(&b, ",DEFAULT=%s,AUTOSELECT=YES,CHANNELS=\"%d\",URI=%s\n", yes(a.Default), a.Channels, attr(a.Name+"/index.m3u8"))
	}
	for _, s := range subs {
		fmt.Fprintf(&b, "#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID=\"subs\",NAME=%s", attr(s.Label))
		if s.Language != "" {
			fmt.Fprintf(&b, ",LANGUAGE=%s", attr(s.Language))
		}
		fmt.Fprintf(&b, ",DEFAULT=NO,AUTOSELECT=YES,FORCED=%s,URI=%s\n", yes(s.Forced), attr(s.Name+"/index.m3u8"))
	}
	rs = slices.Clone(rs)
	slices.SortStableFunc(rs, func(x, y Rendition) int {
		if d := y.Height*y.Width - x.Height*x.Width; d != 0 {
			return d
		}
		return y.Bitrate - x.Bitrate
	})
	for _, r := range rs {
		codecs := r.Codecs
		if audioCodec != "" {
			codecs += "," + audioCodec
		}
		fmt.Fprintf(&b, "#EXT-X-STREAM-INF:BANDWIDTH=%d,AVERAGE-BANDWIDTH=%d,RESOLUTION=%dx%d,CODECS=%s",
			r.Bitrate+audioRate, r.AvgBitrate+audioRate, r.Width, r.Height, attr(codecs))
		if r.FrameRate > 0 {
			fmt.Fprintf(&b, ",FRAME-RATE=%.3f", r.FrameRate)
		}
		if len(audio) > 0 {
			b.WriteString(`,AUDIO="audio"`)
		}
		if len(subs) > 0 {
			b.WriteString(`,SUBTITLES="subs"`)
		}
		b.WriteString("\n" + r.Path + "\n")
	}
	return b.Bytes()
}

// subtitlePlaylist wraps one WebVTT file as a playlist of one segment.
func subtitlePlaylist(durationMs int64) []byte {
	s := float64(durationMs) / 1000
	return fmt.Appendf(nil, "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:%d\n#EXT-X-MEDIA-SEQUENCE:0\n#EXT-X-PLAYLIST-TYPE:VOD\n#EXTINF:%.3f,\nsubtitles.vtt\n#EXT-X-ENDLIST\n",
		int(s)+1, s)
}

// thumbsVTT tells a player which part of which sheet is the picture of a time.
func thumbsVTT(t thumbs, durationMs int64) []byte {
	var b bytes.Buffer
	b.WriteString("WEBVTT\n")
	per := t.Columns * t.Rows
	for i := range t.Count {
		from := int64(i*t.EverySeconds) * 1000
		to := min(from+int64(t.EverySeconds)*1000, durationMs)
		c := i % per
		fmt.Fprintf(&b, "\n%s --> %s\nsprite_%03d.jpg#xywh=%d,%d,%d,%d\n", vttTime(from), vttTime(to), i/per+1,
			c%t.Columns*t.Width, c/t.Columns*t.Height, t.Width, t.Height)
	}
	return b.Bytes()
}

func vttTime(ms int64) string {
	return fmt.Sprintf("%02d:%02d:%02d.%03d", ms/3_600_000, ms/60_000%60, ms/1000%60, ms%1000)
}

// languages: ISO 639-2 codes of containers (both forms) to the two letters of
// BCP 47 and the language's name in itself, for the player's menu.
var languages = map[string][2]string{
	"eng": {"en", "English"}, "rus": {"ru", "Русский"}, "fre": {"fr", "Français"}, "fra": {"fr", "Français"},
	"ger": {"de", "Deutsch"}, "deu": {"de", "Deutsch"}, "spa": {"es", "Español"}, "ita": {"it", "Italiano"},
	"por": {"pt", "Português"}, "jpn": {"ja", "日本語"}, "chi": {"zh", "中文"}, "zho": {"zh", "中文"},
	"kor": {"ko", "한국어"}, "ukr": {"uk", "Українська"}, "pol": {"pl", "Polski"}, "cze": {"cs", "Čeština"},
	"ces": {"cs", "Čeština"}, "swe": {"sv", "Svenska"}, "dan": {"da", "Dansk"}, "nor": {"no", "Norsk"},
	"fin": {"fi", "Suomi"}, "dut": {"nl", "Nederlands"}, "nld": {"nl", "Nederlands"}, "tur": {"tr", "Türkçe"},
	"ara": {"ar", "العربية"}, "heb": {"he", "עברית"}, "hin": {"hi", "हिन्दी"}, "hun": {"hu", "Magyar"},
	"gre": {"el", "Ελληνικά"}, "ell": {"el", "Ελληνικά"}, "rum": {"ro", "Română"}, "ron": {"ro", "Română"},
	"bul": {"bg", "Български"}, "srp": {"sr", "Српски"}, "bel": {"be", "Беларуская"}, "kaz": {"kk", "Қазақша"},
	"est": {"et", "Eesti"}, "lav": {"lv", "Latviešu"}, "lit": {"lt", "Lietuvių"}, "tha": {"th", "ไทย"},
	"vie": {"vi", "Tiếng Việt"}, "geo": {"ka", "ქართული"}, "kat": {"ka", "ქართული"},
}

// labels names tracks for people, each name once, as HLS demands of a group.
func labels(ts []Track) (codes, names []string) {
	used := map[string]int{}
	for i, t := range ts {
		code, name := t.Language, ""
		if l, ok := languages[t.Language]; ok {
			code, name = l[0], l[1]
		} else if len(t.Language) == 2 {
			for _, l := range languages {
				if l[0] == t.Language {
					name = l[1]
				}
			}
		}
		if name == "" && code != "" {
			name = strings.ToUpper(code)
		}
		if name == "" {
			name = strconv.Itoa(i + 1)
		}
		used[name]++
		if n := used[name]; n > 1 {
			name += " " + strconv.Itoa(n)
		}
		codes, names = append(codes, code), append(names, name)
	}
	return codes, names
}
