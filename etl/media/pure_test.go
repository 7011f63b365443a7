package media

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/netflixathome/cinema/internal/fault"
)

func film(w, h int, mod ...func(*Probe)) Probe {
	p := Probe{Demuxer: "mov", DurationMs: 100_000, Video: Video{Codec: "h264", Profile: "High", PixelFormat: "yuv420p", Level: 40,
		Width: w, Height: h, Square: true, FrameRate: 24, BitRate: 2_000_000, MaxGOPMs: 2000},
		Audio: []Track{{Index: 1, Codec: "aac", Profile: "LC", Channels: 2}}}
	for _, m := range mod {
		m(&p)
	}
	return p
}

func TestPlan(t *testing.T) {
	hevc := func(p *Probe) { p.Video.Codec, p.Video.Profile = "hevc", "Main" }
	subs := func(p *Probe) { p.Subtitles = []Track{{Index: 2, Codec: "subrip"}} }
	silent := func(p *Probe) { p.Audio = nil }
	for _, c := range []struct {
		name string
		p    Probe
		want string
	}{
		{"1080p that browsers play", film(1920, 1080), "audio copy:1920x1080 poster sprites 720p:1280x720 480p:854x480 360p:640x360"},
		{"1080p of a camera", film(1920, 1080, func(p *Probe) { p.Video.BitRate = 30e6 }), "audio copy:1920x1080 poster sprites 1080p:1920x1080 720p:1280x720 480p:854x480 360p:640x360"},
		{"1080p in HEVC", film(1920, 1080, hevc), "audio 480p:854x480 poster sprites 1080p:1920x1080 720p:1280x720 360p:640x360"},
		{"wide 1080p", film(1920, 800), "audio copy:1920x800 poster sprites 720p:1280x534 480p:854x356 360p:640x266"},
		{"4K", film(3840, 2160), "audio copy:3840x2160 poster sprites 1080p:1920x1080 720p:1280x720 480p:854x480 360p:640x360"},
		{"720p with subtitles", film(1280, 720, subs), "audio copy:1280x720 subtitles poster sprites 480p:854x480 360p:640x360"},
		{"4:3", film(640, 480), "audio copy:640x480 poster sprites 360p:480x360"},
		{"4:3 in HEVC", film(640, 480, hevc), "audio 480p:640x480 poster sprites 360p:480x360"},
		{"small", film(320, 240), "audio copy:320x240 poster sprites"},
		{"small in HEVC", film(321, 241, hevc), "audio 360p:320x240 poster sprites"},
		{"portrait", film(1080, 1920), "audio copy:1080x1920 poster sprites 720p:720x1280 480p:480x854 360p:360x640"},
		{"silent", film(640, 360, silent), "copy:640x360 poster sprites"},
	} {
		var got []string
		for _, s := range Plan(c.p) {
			w := s.Name
			if s.Width > 0 {
				w += fmt.Sprintf(":%dx%d", s.Width, s.Height)
			}
			got = append(got, w)
			if s.Weight <= 0 {
				t.Errorf("%s: %s weighs nothing", c.name, s.Name)
			}
		}
		if g := strings.Join(got, " "); g != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.name, g, c.want)
		}
	}
}

func TestCopyable(t *testing.T) {
	for name, mod := range map[string]func(*Probe){
		"10 bit":     func(p *Probe) { p.Video.Profile, p.Video.PixelFormat = "High 10", "yuv420p10le" },
		"4:4:4":      func(p *Probe) { p.Video.PixelFormat = "yuv444p" },
		"interlaced": func(p *Probe) { p.Video.Interlaced = true },
		"rotated":    func(p *Probe) { p.Video.Rotated = true },
		"anamorphic": func(p *Probe) { p.Video.Square = false },
		"long GOP":   func(p *Probe) { p.Video.MaxGOPMs = 12_000 },
		"avi":        func(p *Probe) { p.Demuxer = "avi" },
		"120 fps":    func(p *Probe) { p.Video.FrameRate = 120 },
	} {
		if film(1280, 720, mod).Copyable() {
			t.Errorf("%s was to be copied", name)
		}
	}
	if !film(1280, 720).Copyable() {
		t.Error("a plain film was not to be copied")
	}
}

func TestParseProbe(t *testing.T) {
	const format = `"format":{"duration":"60.5","bit_rate":"900000"}`
	for _, c := range []struct{ name, json, reason string }{
		{"garbage", "garbage", ReasonNotAFilm},
		{"nothing", "{}", ReasonNotAFilm},
		{"sound only", `{"streams":[{"codec_type":"audio","codec_name":"mp3","channels":2}],` + format + `}`, ReasonNotAFilm},
		{"a cover picture", `{"streams":[{"codec_type":"video","codec_name":"mjpeg","disposition":{"attached_pic":1},"width":600,"height":600}],` + format + `}`, ReasonNotAFilm},
		{"odd codec", `{"streams":[{"codec_type":"video","codec_name":"ans<i>","width":600,"height":600}],` + format + `}`, ReasonUnsupported},
		{"huge", `{"streams":[{"codec_type":"video","codec_name":"h264","width":60000,"height":600}],` + format + `}`, ReasonTooLarge},
		{"negative", `{"streams":[{"codec_type":"video","codec_name":"h264","width":-1,"height":600}],` + format + `}`, ReasonTooLarge},
		{"no length", `{"streams":[{"codec_type":"video","codec_name":"h264","width":600,"height":600}]}`, ReasonTruncated},
		{"a day", `{"streams":[{"codec_type":"video","codec_name":"h264","width":600,"height":600}],"format":{"duration":"86400"}}`, ReasonTooLong},
	} {
		_, err := parseProbe([]byte(c.json))
		var f *fault.Error
		if !errors.As(err, &f) || f.Kind != fault.Invalid || f.Reason != c.reason {
			t.Errorf("%s: %v", c.name, err)
		}
		if f != nil && strings.ContainsAny(f.Message, "<>\n") {
			t.Errorf("%s: the message carries text of the file: %q", c.name, f.Message)
		}
	}
	p, err := parseProbe([]byte(`{"streams":[
		{"index":0,"codec_type":"video","codec_name":"mjpeg","disposition":{"attached_pic":1},"width":600,"height":600},
		{"index":1,"codec_type":"video","codec_name":"h264","width":720,"height":576,"sample_aspect_ratio":"64:45","field_order":"tt","avg_frame_rate":"25/1"},
		{"index":2,"codec_type":"audio","codec_name":"aac","profile":"LC","channels":6,"sample_rate":"48000","tags":{"language":"rus"},"disposition":{"default":1}},
		{"index":3,"codec_type":"subtitle","codec_name":"dvd_subtitle"},
		{"index":4,"codec_type":"subtitle","codec_name":"subrip","tags":{"language":"x\";rm"}}],` + format + `}`))
	if err != nil {
		t.Fatal(err)
	}
	if v := p.Video; v.Index != 1 || v.Width != 1024 || v.Height != 576 || v.Square || !v.Interlaced || v.FrameRate != 25 || v.BitRate != 900000 {
		t.Errorf("video %+v", v)
	}
	if len(p.Audio) != 1 || p.Audio[0].Language != "rus" || !p.Audio[0].Default || p.Audio[0].Rate != 48000 {
		t.Errorf("audio %+v", p.Audio)
	}
	if len(p.Subtitles) != 1 || p.Subtitles[0].Index != 4 || p.Subtitles[0].Language != "" {
		t.Errorf("subtitles %+v", p.Subtitles)
	}
}

func FuzzParseProbe(f *testing.F) {
	f.Add([]byte(`{"streams":[{"index":1,"codec_type":"video","codec_name":"h264","width":720,"height":576,"sample_aspect_ratio":"64:45","side_data_list":[{"rotation":-90}]},
		{"index":2,"codec_type":"audio","codec_name":"aac","channels":6,"tags":{"language":"rus"}}],"format":{"duration":"60.5"}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := parseProbe(b)
		if err != nil {
			var fe *fault.Error
			if !errors.As(err, &fe) || fe.Kind != fault.Invalid {
				t.Fatalf("not a refusal: %v", err)
			}
			return
		}
		if !fits(p.Video.Width, p.Video.Height) || p.DurationMs < minDurationMs || p.DurationMs > maxDurationMs {
			t.Fatalf("let through: %+v", p)
		}
		steps := Plan(p)
		for _, s := range steps {
			if s.Kind == KindVideo && (s.Width%2 != 0 || s.Height%2 != 0 || s.Width < 2 || s.Height < 2) {
				t.Fatalf("%+v of %+v", s, p.Video)
			}
		}
		for _, a := range append(append(audioArgs(p), spritesArgs(p)...), posterArgs(p)...) {
			if strings.ContainsAny(a, "\x00\n;\"'`$") {
				t.Fatalf("argument %q", a)
			}
		}
	})
}

func FuzzWhole(f *testing.F) {
	f.Add([]byte("\x00\x00\x00\x08ftyp\x00\x00\x00\x08moov"))
	f.Add([]byte("\x1aE\xdf\xa3\x81\x00\x18\x53\x80\x67\x01\xff\xff\xff\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, d := range []string{"mov", "matroska"} {
			if err := checkWhole(bytes.NewReader(b), int64(len(b)), d); err != nil && fault.KindOf(err) != fault.Invalid {
				t.Fatalf("%s: %v", d, err)
			}
		}
		sniff(b)
		orientation(b)
	})
}

func TestSniff(t *testing.T) {
	ts := make([]byte, 512)
	ts[0], ts[188], ts[376] = 'G', 'G', 'G'
	for in, want := range map[string]string{
		"\x00\x00\x00\x20ftypisom": "mov", "\x1aE\xdf\xa3....": "matroska", "RIFF\x00\x00\x00\x00AVI LIST": "avi", string(ts): "mpegts",
		"#EXTM3U\n#EXT-X-VERSION:3": "", "ffconcat version 1.0": "", "<svg xmlns=": "", "<!DOCTYPE html>": "", "RIFF\x00\x00\x00\x00WAVE": "",
		"": "", "x": "", "\x89PNG\r\n\x1a\n": "", "[playlist]": "", "GIF89a": "",
	} {
		if got := sniff([]byte(in)); got != want {
			t.Errorf("%.20q: %q, want %q", in, got, want)
		}
	}
}

func TestWholeMOV(t *testing.T) {
	box := func(kind string, n int) []byte {
		b := make([]byte, n)
		binary.BigEndian.PutUint32(b, uint32(n))
		copy(b[4:], kind)
		return b
	}
	whole := bytes.Join([][]byte{box("ftyp", 32), box("moov", 100), box("mdat", 500)}, nil)
	for name, c := range map[string]struct {
		b  []byte
		ok bool
	}{
		"whole": {whole, true}, "cut": {whole[:len(whole)-1], false}, "no moov": {whole[:32], false},
		"to the end": {append(append([]byte{}, whole[:132]...), 0, 0, 0, 0, 'm', 'd', 'a', 't', 1, 2), true},
		"padding":    {append(append([]byte{}, whole...), 0, 0, 0, 0, 0), true},
	} {
		if err := checkWhole(bytes.NewReader(c.b), int64(len(c.b)), "mov"); (err == nil) != c.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestMaster(t *testing.T) {
	got := string(master(
		[]Rendition{{Name: "360p", Width: 640, Height: 360, Bitrate: 800_000, AvgBitrate: 500_000, Codecs: "avc1.64001e", Path: "360p/index.m3u8", FrameRate: 23.976},
			{Name: "copy", Width: 1280, Height: 720, Bitrate: 3_000_000, AvgBitrate: 2_000_000, Codecs: "avc1.64001f", Path: "copy/index.m3u8", FrameRate: 23.976}},
		[]AudioTrack{{Name: "a0", Language: "en", Label: "English", Channels: 2, Codec: "mp4a.40.2", Bitrate: 160_000, Default: true},
			{Name: "a1", Label: "a\"b\nc", Channels: 1, Codec: "mp4a.40.2", Bitrate: 100_000}},
		[]SubtitleTrack{{Name: "s0", Language: "ru", Label: "Русский"}}))
	want := `#EXTM3U
#EXT-X-VERSION:7
#EXT-X-INDEPENDENT-SEGMENTS
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="audio",NAME="English",LANGUAGE="en",DEFAULT=YES,AUTOSELECT=YES,CHANNELS="2",URI="a0/index.m3u8"
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="audio",NAME="abc",DEFAULT=NO,AUTOSELECT=YES,CHANNELS="1",URI="a1/index.m3u8"
#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID="subs",NAME="Русский",LANGUAGE="ru",DEFAULT=NO,AUTOSELECT=YES,FORCED=NO,URI="s0/index.m3u8"
#EXT-X-STREAM-INF:BANDWIDTH=3160000,AVERAGE-BANDWIDTH=2160000,RESOLUTION=1280x720,CODECS="avc1.64001f,mp4a.40.2",FRAME-RATE=23.976,AUDIO="audio",SUBTITLES="subs"
copy/index.m3u8
#EXT-X-STREAM-INF:BANDWIDTH=960000,AVERAGE-BANDWIDTH=660000,RESOLUTION=640x360,CODECS="avc1.64001e,mp4a.40.2",FRAME-RATE=23.976,AUDIO="audio",SUBTITLES="subs"
360p/index.m3u8
`
	if got != want {
		t.Errorf("got\n%s", got)
	}
}

func TestThumbs(t *testing.T) {
	th := thumbsFor(film(1280, 720, func(p *Probe) { p.DurationMs = 501_000 }))
	if th.EverySeconds != 5 || th.Count != 101 || th.Sheets != 2 || th.Height != 90 {
		t.Fatalf("%+v", th)
	}
	vtt := string(thumbsVTT(th, 501_000))
	for _, want := range []string{
		"WEBVTT\n\n00:00:00.000 --> 00:00:05.000\nsprite_001.jpg#xywh=0,0,160,90\n",
		"\n00:00:55.000 --> 00:01:00.000\nsprite_001.jpg#xywh=160,90,160,90\n",
		"\n00:08:20.000 --> 00:08:21.000\nsprite_002.jpg#xywh=0,0,160,90\n",
	} {
		if !strings.Contains(vtt, want) {
			t.Errorf("no %q", want)
		}
	}
	if th := thumbsFor(film(1280, 720, func(p *Probe) { p.DurationMs = 2 * 3600_000 })); th.EverySeconds != 10 || th.Sheets != 8 {
		t.Errorf("two hours: %+v", th)
	}
}

func TestLabels(t *testing.T) {
	codes, names := labels([]Track{{Language: "rus"}, {Language: "eng"}, {Language: "rus"}, {}, {Language: "xyz"}, {Language: "en"}})
	if fmt.Sprint(codes) != "[ru en ru  xyz en]" || fmt.Sprint(names) != "[Русский English Русский 2 4 XYZ English 2]" {
		t.Errorf("%q %q", codes, names)
	}
}
