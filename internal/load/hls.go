package load

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// track is a media playlist: the pieces of one track in order.
type track struct {
	init     string // address of the init segment; empty for none
	segments []segment
}

type segment struct {
	address string
	length  time.Duration
}

// film is what a player fetches: a picture and, where it is apart, its sound.
type film struct {
	video, audio *track
}

// aheadOf is how much a player holds in store before it waits.
const aheadOf = 30 * time.Second

// openFilm fetches the master playlist and those of the tracks that a player
// begins with: hls.js takes the second best that the line allows; here it is
// drawn, so that all qualities are fetched.
func (b *browser) openFilm(ctx context.Context, master string, d dice) (*film, error) {
	text, err := b.fetch(ctx, Playlist, master, maxAnswer)
	if err != nil {
		return nil, err
	}
	base, err := b.net.base.Parse(master)
	if err != nil {
		return nil, fmt.Errorf("playlist: %w", err)
	}
	variants, audio := readMaster(string(text))
	if len(variants) == 0 {
		return nil, &failure{"empty playlist"}
	}
	f := &film{}
	if f.video, err = b.openTrack(ctx, base, variants[d.IntN(len(variants))]); err != nil {
		return nil, err
	}
	if audio != "" {
		if f.audio, err = b.openTrack(ctx, base, audio); err != nil {
			return nil, err
		}
	}
	return f, nil
}

func (b *browser) openTrack(ctx context.Context, base *url.URL, name string) (*track, error) {
	at, err := base.Parse(name)
	if err != nil {
		return nil, fmt.Errorf("playlist: %w", err)
	}
	text, err := b.fetch(ctx, Playlist, at.String(), maxAnswer)
	if err != nil {
		return nil, err
	}
	t, err := readTrack(string(text), at)
	if err != nil {
		return nil, &failure{"bad playlist"}
	}
	return t, nil
}

// readMaster finds the variants' playlists and the first one of sound
// (RFC 8216, 4.3.4).
func readMaster(text string) (variants []string, audio string) {
	stream := false
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(line, "#EXT-X-MEDIA:") && strings.Contains(line, "TYPE=AUDIO"):
			if audio == "" {
				audio = attribute(line, "URI")
			}
		case strings.HasPrefix(line, "#EXT-X-STREAM-INF:"):
			stream = true
		case line == "" || line[0] == '#':
		case stream:
			variants = append(variants, line)
			stream = false
		}
	}
	return variants, audio
}

// readTrack reads a media playlist (RFC 8216, 4.3.3).
func readTrack(text string, at *url.URL) (*track, error) {
	t := &track{}
	var length time.Duration
	whole := func(name string) (string, error) {
		u, err := at.Parse(name)
		if err != nil {
			return "", fmt.Errorf("playlist: %w", err)
		}
		return u.String(), nil
	}
	var err error
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(line, "#EXT-X-MAP:"):
			if t.init, err = whole(attribute(line, "URI")); err != nil {
				return nil, err
			}
		case strings.HasPrefix(line, "#EXTINF:"):
			v, _, _ := strings.Cut(line[len("#EXTINF:"):], ",")
			seconds, err := strconv.ParseFloat(v, 64)
			if err != nil || seconds < 0 || seconds > 3600 {
				return nil, fmt.Errorf("playlist: length %q", v)
			}
			length = time.Duration(seconds * float64(time.Second))
		case line == "" || line[0] == '#':
		default:
			address, err := whole(line)
			if err != nil {
				return nil, err
			}
			t.segments = append(t.segments, segment{address, length})
		}
	}
	if len(t.segments) == 0 || t.length() <= 0 {
		return nil, errors.New("playlist: nothing to play")
	}
	return t, nil
}

// attribute is the quoted value of a name in a tag's list of attributes.
func attribute(line, name string) string {
	_, rest, ok := strings.Cut(line, name+`="`)
	if !ok {
		return ""
	}
	value, _, _ := strings.Cut(rest, `"`)
	return value
}

func (t *track) length() (sum time.Duration) {
	for _, s := range t.segments {
		sum += s.length
	}
	return sum
}

// loader fetches a track's pieces one after the other, ahead of what is played.
type loader struct {
	*track
	next   int           // the piece to fetch
	loaded time.Duration // how far into the viewing the pieces reach
}

// seek goes to the piece at a place in the film, as of a moment of the viewing.
func (l *loader) seek(to, now time.Duration) {
	l.loaded = now
	for l.next = 0; l.next < len(l.segments)-1 && to >= l.segments[l.next].length; l.next++ {
		to -= l.segments[l.next].length
	}
}

// fill fetches until the store reaches ahead of now, the moment of the viewing.
func (l *loader) fill(ctx context.Context, b *browser, now time.Duration) error {
	for l.loaded < now+aheadOf {
		s := l.segments[l.next]
		if _, err := b.fetch(ctx, Segment, s.address, 0); err != nil {
			return err
		}
		l.loaded += max(s.length, 100*time.Millisecond)
		// At its end a film goes on from the beginning: see Model.Watch.
		l.next = (l.next + 1) % len(l.segments)
	}
	return nil
}
