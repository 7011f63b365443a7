package artwork

import (
	"bytes"
	"compress/zlib"
	"embed"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode"

	"golang.org/x/image/font"
	"golang.org/x/image/font/sfnt"
	"golang.org/x/image/math/fixed"
)

// The faces are subsets of families under the SIL Open Font License, as their
// foundries publish them for the web; the licences lie beside them.
//
//go:embed fonts/*.woff
var fontFiles embed.FS

// family is one typeface in several files, each for a script.
type family struct {
	faces []*sfnt.Font
	buf   sfnt.Buffer
}

func loadFamily(name string) (*family, error) {
	f := &family{}
	for _, script := range []string{"latin", "latin-ext", "cyrillic"} {
		n, w, _ := strings.Cut(name, ":")
		b, err := fontFiles.ReadFile("fonts/" + n + "-" + script + "-" + w + "-normal.woff")
		if err != nil {
			return nil, fmt.Errorf("artwork: %w", err)
		}
		if b, err = unwrapWOFF(b); err != nil {
			return nil, fmt.Errorf("artwork: %s %s: %w", name, script, err)
		}
		face, err := sfnt.Parse(b)
		if err != nil {
			return nil, fmt.Errorf("artwork: %s %s: %w", name, script, err)
		}
		f.faces = append(f.faces, face)
	}
	return f, nil
}

// unwrapWOFF makes the plain font out of WOFF 1.0 (W3C Recommendation, 2012),
// which is the same tables, each by zlib.
func unwrapWOFF(b []byte) ([]byte, error) {
	bad := errors.New("not a WOFF file")
	if len(b) < 44 || string(b[:4]) != "wOFF" {
		return nil, bad
	}
	n := int(binary.BigEndian.Uint16(b[12:]))
	if len(b) < 44+20*n {
		return nil, bad
	}
	out := make([]byte, 12+16*n)
	copy(out, b[4:8]) // flavour
	binary.BigEndian.PutUint16(out[4:], uint16(n))
	for i := range n {
		e := b[44+20*i:]
		off, size, orig := int(binary.BigEndian.Uint32(e[4:])), int(binary.BigEndian.Uint32(e[8:])), int(binary.BigEndian.Uint32(e[12:]))
		if off < 0 || size < 0 || off+size > len(b) || orig > 4<<20 {
			return nil, bad
		}
		table := b[off : off+size]
		if size < orig {
			z, err := zlib.NewReader(bytes.NewReader(table))
			if err != nil {
				return nil, err
			}
			if table, err = io.ReadAll(io.LimitReader(z, int64(orig)+1)); err != nil || len(table) != orig {
				return nil, bad
			}
		}
		d := out[12+16*i:]
		copy(d, e[:4])
		copy(d[4:8], e[16:20])
		binary.BigEndian.PutUint32(d[8:], uint32(len(out)))
		binary.BigEndian.PutUint32(d[12:], uint32(len(table)))
		out = append(out, table...)
		for len(out)%4 != 0 {
			out = append(out, 0)
		}
	}
	return out, nil
}

func (f *family) glyph(r rune) (*sfnt.Font, sfnt.GlyphIndex) {
	for _, face := range f.faces {
		if g, err := face.GlyphIndex(&f.buf, r); err == nil && g != 0 {
			return face, g
		}
	}
	return f.faces[0], 0
}

// set lays text out from x on the baseline y and returns its outline and
// width. track is the extra space between letters, in parts of the size.
func (f *family) set(text string, x, y, size, track float64) (*path, float64) {
	p := newPath()
	ppem := fixed.Int26_6(size * 64)
	at := x
	var prevFace *sfnt.Font
	var prev sfnt.GlyphIndex
	first := true
	for _, r := range text {
		face, g := f.glyph(r)
		if !first {
			at += track * size
			if face == prevFace {
				if k, err := face.Kern(&f.buf, prev, g, ppem, font.HintingNone); err == nil {
					at += float64(k) / 64
				}
			}
		}
		first = false
		if g == 0 && !unicode.IsSpace(r) {
			continue
		}
		if segs, err := face.LoadGlyph(&f.buf, g, ppem, nil); err == nil {
			v := func(q fixed.Point26_6) (float64, float64) { return at + float64(q.X)/64, y + float64(q.Y)/64 }
			open := false
			for _, s := range segs {
				a, b := v(s.Args[0])
				switch s.Op {
				case sfnt.SegmentOpMoveTo:
					if open {
						p.Z()
					}
					open = true
					p.M(a, b)
				case sfnt.SegmentOpLineTo:
					p.L(a, b)
				case sfnt.SegmentOpQuadTo:
					c, d := v(s.Args[1])
					p.Q(a, b, c, d)
				case sfnt.SegmentOpCubeTo:
					c, d := v(s.Args[1])
					e, g := v(s.Args[2])
					p.C(a, b, c, d, e, g)
				}
			}
			if open {
				p.Z()
			}
		}
		if adv, err := face.GlyphAdvance(&f.buf, g, ppem, font.HintingNone); err == nil {
			at += float64(adv) / 64
		}
		prevFace, prev = face, g
	}
	return p, at - x
}

// width measures text at size 1000, for comparing line breaks.
func (f *family) width(text string, track float64) float64 {
	_, w := f.set(text, 0, 0, 1000, track)
	return w / 1000
}

// capHeight is the height of H in parts of the size.
func (f *family) capHeight() float64 {
	p, _ := f.set("H", 0, 0, 1000, 0)
	return -p.minY / 1000
}

// breaks lists the ways of breaking words into n lines.
func breaks(words []string, n int) [][]string {
	if n == 1 {
		return [][]string{{strings.Join(words, " ")}}
	}
	var out [][]string
	for i := 1; i <= len(words)-(n-1); i++ {
		head := strings.Join(words[:i], " ")
		for _, rest := range breaks(words[i:], n-1) {
			out = append(out, append([]string{head}, rest...))
		}
	}
	return out
}

// small words must not end a line, nor stand alone on one, where that can be
// helped.
var small = map[string]bool{"a": true, "an": true, "the": true, "of": true, "and": true, "on": true, "in": true, "with": true, "to": true,
	"under": true, "de": true, "la": true, "le": true, "les": true, "un": true, "mr.": true, "dr.": true,
	"в": true, "на": true, "и": true, "с": true, "с\u00a0": true, "из": true, "по": true, "под": true, "как": true, "который": true, "прежде": true}

// setting is a title broken into lines.
type setting struct {
	lines []string
	size  float64 // of equal lines
}

// compose finds the break and the size with which text fills w × h best: the
// largest type, with a price on ragged lines and on stranded small words.
func (f *family) compose(text string, w, h, leading, track, maxSize float64, maxLines int) setting {
	words := strings.Fields(text)
	if len(words) == 0 {
		return setting{}
	}
	// Long titles have too many breaks to try all: join them in pairs.
	for len(words) > 9 {
		var joined []string
		for i := 0; i < len(words); i += 2 {
			joined = append(joined, strings.Join(words[i:min(i+2, len(words))], " "))
		}
		words = joined
	}
	best, bestScore := setting{}, -1.0
	cap := f.capHeight()
	for n := 1; n <= min(maxLines, len(words)); n++ {
		for _, lines := range breaks(words, n) {
			widest, narrowest, price := 0.0, 1e9, 1.0
			for i, l := range lines {
				lw := f.width(l, track)
				widest, narrowest = max(widest, lw), min(narrowest, lw)
				ws := strings.Fields(l)
				if i < n-1 && small[strings.ToLower(ws[len(ws)-1])] {
					price *= 0.8
				}
			}
			size := min(maxSize, w/widest, h/(cap+float64(n-1)*leading))
			score := size * price * (0.75 + 0.25*narrowest/widest)
			if score > bestScore {
				best, bestScore = setting{lines, size}, score
			}
		}
	}
	return best
}
