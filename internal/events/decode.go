package events

import (
	"strconv"
	"time"

	"github.com/google/uuid"

	"github.com/netflixathome/cinema/internal/gid"
)

// decoder reads exactly the shape that AppendJSON writes: no white space, no
// escapes, known names. It gives up on everything else, and Decode then asks
// encoding/json, whose answer it must equal (a fuzz test holds it to that).
type decoder struct {
	b []byte
	i int
}

func (d *decoder) take(c byte) bool {
	if d.i < len(d.b) && d.b[d.i] == c {
		d.i++
		return true
	}
	return false
}

func (d *decoder) str() ([]byte, bool) {
	if !d.take('"') {
		return nil, false
	}
	rest := d.b[d.i:]
	for j, c := range rest {
		if plain[c] {
			continue
		}
		if c != '"' {
			return nil, false
		}
		d.i += j + 1
		return rest[:j], true
	}
	return nil, false
}

// plain are the bytes that stand in a text for themselves: ASCII without quotes,
// escapes and control characters.
var plain = func() (p [256]bool) {
	for c := 0x20; c < 0x80; c++ {
		p[c] = c != '"' && c != '\\'
	}
	return p
}()

func (d *decoder) number() ([]byte, bool) {
	j := d.i
	for j < len(d.b) && (d.b[j] >= '0' && d.b[j] <= '9' || d.b[j] == '.' || d.b[j] == '-') {
		j++
	}
	n := d.b[d.i:j]
	// Leading zeros and the like are left to the slow reader, which refuses them.
	if len(n) == 0 || n[0] < '1' || n[0] > '9' {
		return nil, false
	}
	d.i = j
	return n, true
}

func (d *decoder) integer(p *int) bool {
	n, ok := d.number()
	if !ok || len(n) > 15 {
		return false
	}
	v := 0
	for _, c := range n {
		if c < '0' || c > '9' {
			return false
		}
		v = v*10 + int(c-'0')
	}
	*p = v
	return true
}

func (d *decoder) float(p *float64) bool {
	n, ok := d.number()
	if !ok || n[len(n)-1] == '.' {
		return false
	}
	v, err := strconv.ParseFloat(string(n), 64)
	*p = v
	return err == nil
}

func (d *decoder) yes(p *bool) bool {
	if d.i+4 <= len(d.b) && string(d.b[d.i:d.i+4]) == "true" {
		d.i += 4
		*p = true
		return true
	}
	return false
}

func (d *decoder) text(p *string) bool {
	s, ok := d.str()
	if ok {
		*p = string(s)
	}
	return ok
}

// word reads a text that is mostly one of a few, which then takes no memory.
func (d *decoder) word(p *string, of map[string]string) bool {
	s, ok := d.str()
	if !ok {
		return false
	}
	known := false
	if *p, known = of[string(s)]; !known {
		*p = string(s)
	}
	return true
}

var names = func() map[string]string {
	m := map[string]string{}
	for _, n := range Names() {
		m[string(n)] = string(n)
	}
	return m
}()

func (d *decoder) uuid(p *uuid.UUID) bool {
	s, ok := d.str()
	if !ok || len(s) != 36 {
		return false
	}
	v, err := uuid.ParseBytes(s)
	*p = v
	return err == nil
}

func (d *decoder) gid(p *gid.ID) bool {
	s, ok := d.str()
	if !ok {
		return false
	}
	v, err := gid.Parse(string(s))
	*p = v
	return err == nil
}

// time reads timeLayout; time.Parse costs five times as much.
func (d *decoder) time(p *time.Time) bool {
	s, ok := d.str()
	if !ok || len(s) != len(timeLayout) || s[4] != '-' || s[7] != '-' || s[10] != 'T' || s[13] != ':' || s[16] != ':' || s[19] != '.' || s[23] != 'Z' {
		return false
	}
	bad := false
	num := func(from, to int) int {
		v := 0
		for _, c := range s[from:to] {
			if c < '0' || c > '9' {
				bad = true
			}
			v = v*10 + int(c-'0')
		}
		return v
	}
	y, mo, da, h, mi, se, ms := num(0, 4), num(5, 7), num(8, 10), num(11, 13), num(14, 16), num(17, 19), num(20, 23)
	if bad || mo < 1 || mo > 12 || da < 1 || h > 23 || mi > 59 || se > 59 {
		return false
	}
	t := time.Date(y, time.Month(mo), da, h, mi, se, ms*int(time.Millisecond), time.UTC)
	*p = t
	return t.Day() == da // the 31st of February is the slow reader's to refuse
}

func (d *decoder) event(e *Event) bool {
	if !d.take('{') {
		return false
	}
	// A name given twice is the slow reader's business: AppendJSON keeps an
	// order, so each name must be unlike all before; a bit set is enough.
	var seen uint64
	for first := true; !d.take('}'); first = false {
		if !first && !d.take(',') {
			return false
		}
		name, ok := d.str()
		if !ok || !d.take(':') {
			return false
		}
		bit, ok := d.field(e, name)
		if !ok || seen&(1<<bit) != 0 {
			return false
		}
		seen |= 1 << bit
	}
	return d.i == len(d.b)
}

func (d *decoder) field(e *Event, name []byte) (uint, bool) {
	switch string(name) {
	case "version":
		return 0, d.integer(&e.Version)
	case "id":
		return 1, d.uuid(&e.ID)
	case "name":
		return 2, d.word((*string)(&e.Name), names)
	case "at":
		return 3, d.time(&e.At)
	case "clientAt":
		return 4, d.time(&e.ClientAt)
	case "receivedAt":
		return 5, d.time(&e.ReceivedAt)
	case "sessionId":
		return 6, d.uuid(&e.SessionID)
	case "userId":
		return 7, d.uuid(&e.UserID)
	case "profileId":
		return 8, d.uuid(&e.ProfileID)
	case "playableId":
		return 9, d.gid(&e.Playable)
	case "titleId":
		return 10, d.gid(&e.Title)
	case "device":
		return 11, d.device(&e.Device)
	case "locale":
		return 12, d.text(&e.Locale)
	case "demo":
		return 13, d.yes(&e.Demo)
	case "positionMs":
		return 14, d.integer(&e.PositionMs)
	case "durationMs":
		return 15, d.integer(&e.DurationMs)
	case "fromMs":
		return 16, d.integer(&e.FromMs)
	case "firstFrameMs":
		return 17, d.integer(&e.FirstFrameMs)
	case "stalledMs":
		return 18, d.integer(&e.StalledMs)
	case "watchedMs":
		return 19, d.integer(&e.WatchedMs)
	case "bufferedMs":
		return 20, d.integer(&e.BufferedMs)
	case "playing":
		return 21, d.yes(&e.Playing)
	case "rate":
		return 22, d.float(&e.Rate)
	case "rendition":
		return 23, d.text(&e.Rendition)
	case "subtitle":
		return 24, d.text(&e.Subtitle)
	case "reason":
		return 25, d.text(&e.Reason)
	case "code":
		return 26, d.text(&e.Code)
	case "page":
		return 27, d.text(&e.Page)
	case "from":
		return 28, d.text(&e.Origin)
	case "on":
		return 29, d.yes(&e.On)
	case "rating":
		return 30, d.integer(&e.Rating)
	case "query":
		return 31, d.text(&e.Query)
	case "filters":
		return 32, d.text(&e.Filters)
	case "results":
		return 33, d.integer(&e.Results)
	case "elapsedMs":
		return 34, d.integer(&e.ElapsedMs)
	case "rank":
		return 35, d.integer(&e.Rank)
	case "everyMs":
		return 36, d.integer(&e.EveryMs)
	}
	return 0, false
}

func (d *decoder) device(p *Device) bool {
	const kind, system, browser = `{"kind":`, `,"system":`, `,"browser":`
	lit := func(s string) bool {
		if d.i+len(s) <= len(d.b) && string(d.b[d.i:d.i+len(s)]) == s {
			d.i += len(s)
			return true
		}
		return false
	}
	return lit(kind) && d.text(&p.Kind) && lit(system) && d.text(&p.System) && lit(browser) && d.text(&p.Browser) && d.take('}')
}
