package artwork

import (
	"image"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// Frames of a short film about a film: what internal/demo/clip is cut from.

// Scene draws a wide picture without words, w × h pixels. Number 0 is the
// still's own motif in the middle; each further one is another motif of the
// same mood, in the same inks.
func (s *Studio) Scene(sp Spec, number, w, h int) *image.RGBA {
	c := newCanvas(w, h, s.noise)
	r := seeded(sp.ID)
	p := sp.palette(r)
	m := sp.motif(r)
	if number > 0 {
		// Functions compare by where they are; the title's own is left out.
		at := func(m motif) uintptr { return reflect.ValueOf(m).Pointer() }
		ms := slices.DeleteFunc(slices.Clone(genreMotifs[sp.mood()]), func(o motif) bool { return at(o) == at(m) })
		m = ms[number%len(ms)]
	}
	fw, fh := float64(w), float64(h)
	m(&scene{canvas: c, r: r, p: p, b: box{0, 0, fw, fh}, cx: fw * .5, cy: fh * .46, u: fh * .40, ground: fh * .70})
	return c.img
}

// TitleCard is the card at the head of the film: title, director, year.
func (s *Studio) TitleCard(sp Spec, w, h int) *image.RGBA {
	t := <-s.faces
	defer func() { s.faces <- t }()
	c := newCanvas(w, h, s.noise)
	r := seeded(sp.ID)
	p := sp.palette(r)
	fw, fh := float64(w), float64(h)
	c.flood(p.ink)
	c.fill(rect(0, 0, fw, fh), glow(p.deep, fw/2, fh/2, fw*.6, .55, 0))
	for _, d := range []float64{26, 38} {
		for _, e := range []box{{d, d, fw - 2*d, 2}, {d, fh - d, fw - 2*d, 2}, {d, d, 2, fh - 2*d}, {fw - d, d, 2, fh - 2*d + 2}} {
			c.fill(poly(e.x, e.y, e.x+e.w, e.y, e.x+e.w, e.y+e.h, e.x, e.y+e.h), solid(p.accent))
		}
	}
	main, sub, _ := strings.Cut(sp.Title, ":")
	t.title(c, sp, strings.TrimSpace(main), strings.TrimSpace(sub), box{fw * .12, fh * .2, fw * .76, fh * .48}, p.paper, p.accent, true, r)
	t.credits(c, sp, fw*.1, fh*.83, fw*.8, p.paper, p.accent, true)
	return c.img
}

// EndCard is the card at the foot of the film.
func (s *Studio) EndCard(sp Spec, text string, w, h int) *image.RGBA {
	t := <-s.faces
	defer func() { s.faces <- t }()
	c := newCanvas(w, h, s.noise)
	p := sp.palette(seeded(sp.ID))
	fw, fh := float64(w), float64(h)
	c.flood(p.ink)
	_, tw := t.serif.set(text, 0, 0, fh*.16, 0)
	o, _ := t.serif.set(text, (fw-tw)/2, fh*.54, fh*.16, 0)
	c.fill(o, solid(p.paper))
	c.fill(line(fw*.4, fh*.64, fw*.6, fh*.64, 3, 3), solid(p.accent))
	return c.img
}

// Leader is a frame of the countdown before a film: the number and the sweep,
// which has turned by the given share of a full turn.
func (s *Studio) Leader(number int, turn float64, w, h int) *image.RGBA {
	t := <-s.faces
	defer func() { s.faces <- t }()
	c := newCanvas(w, h, s.noise)
	fw, fh := float64(w), float64(h)
	light, dark, ink := hex(0xd9d0b8), hex(0xb3a98f), hex(0x1d1b18)
	c.flood(light)
	x, y := fw/2, fh/2
	reach := math.Hypot(fw, fh)
	v := []float64{x, y}
	for i := range 25 {
		a := -math.Pi/2 + turn*2*math.Pi*float64(i)/24
		v = append(v, x+math.Cos(a)*reach, y+math.Sin(a)*reach)
	}
	c.fill(poly(v...), solid(dark))
	c.fill(rect(0, y-1, fw, 3), solid(ink))
	c.fill(poly(x-1.5, 0, x+1.5, 0, x+1.5, fh, x-1.5, fh), solid(ink))
	c.fill(ring(x, y, fh*.44, fh*.43), solid(ink))
	c.fill(ring(x, y, fh*.38, fh*.372), solid(ink))
	n := strconv.Itoa(number)
	size := fh * .62
	_, nw := t.gothic.set(n, 0, 0, size, 0)
	o, _ := t.gothic.set(n, x-nw/2, y+size*t.gothic.capHeight()/2, size, 0)
	c.fill(o, solid(ink))
	return c.img
}

// Label draws a line of small text as coverage (0 to 255) in a w × h box, its
// end at the right edge when right is set.
func (s *Studio) Label(text string, w, h int, right bool) *image.Alpha {
	t := <-s.faces
	defer func() { s.faces <- t }()
	c := newCanvas(w, h, s.noise)
	c.flood(rgb{})
	size := float64(h) * .8
	_, tw := t.text.set(text, 0, 0, size, .06)
	if tw > float64(w) {
		size *= float64(w) / tw
		tw = float64(w)
	}
	x := 0.0
	if right {
		x = float64(w) - tw
	}
	o, _ := t.text.set(text, x, float64(h)*.8, size, .06)
	c.fill(o, solid(rgb{255, 255, 255}))
	m := image.NewAlpha(c.img.Rect)
	for i := range m.Pix {
		m.Pix[i] = c.img.Pix[4*i]
	}
	return m
}
