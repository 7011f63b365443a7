// Package artwork draws the posters and stills of the demo cinema.
//
// The pictures are in the manner of mid-century printed posters: one motif,
// five inks, sprayed shade, paper grain, and a title that is set, not typed.
// Everything follows from the Spec: the motif from the words of the title,
// else from the genre; palette and layout from the genre and a hash of the id.
// The same Spec gives the same bytes.
package artwork

import (
	"bytes"
	"errors"
	"fmt"
	"hash/fnv"
	"image"
	"image/jpeg"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Sizes of what is drawn, in pixels.
const (
	PosterWidth, PosterHeight = 800, 1200
	StillWidth, StillHeight   = 1920, 1080
)

// Spec is a film, as far as its poster shows it.
type Spec struct {
	ID       string // seeds everything that varies
	Title    string // set large; a part after a colon is set small
	Director string // may be empty
	Year     int    // 0 for none
	Genres   []string
	// English is the title in English, whose words choose the motif, so that
	// posters in two languages show the same; empty means Title.
	English string
	// Russian sets the small print in Russian.
	Russian bool
}

// Studio draws. It is safe for concurrent use.
type Studio struct {
	noise *[noiseSize * noiseSize]uint8
	// Faces hold a buffer and are not safe for two at once: each drawing
	// takes a set and puts it back.
	faces chan *typefaces
}

type typefaces struct{ gothic, text, serif, fat *family }

func loadFaces() (*typefaces, error) {
	t := &typefaces{}
	for _, f := range []struct {
		to   **family
		name string
	}{{&t.gothic, "oswald:700"}, {&t.text, "oswald:500"}, {&t.serif, "yeseva-one:400"}, {&t.fat, "dela-gothic-one:400"}} {
		var err error
		if *f.to, err = loadFamily(f.name); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// concurrent is how many drawings may run at once; more wait.
const concurrent = 4

// NewStudio loads the typefaces.
func NewStudio() (*Studio, error) {
	s := &Studio{noise: noiseTile(), faces: make(chan *typefaces, concurrent)}
	for range concurrent {
		t, err := loadFaces()
		if err != nil {
			return nil, err
		}
		s.faces <- t
	}
	return s, nil
}

// Poster draws the poster as a JPEG of PosterWidth × PosterHeight.
func (s *Studio) Poster(sp Spec) ([]byte, error) {
	c, err := s.poster(sp)
	if err != nil {
		return nil, err
	}
	return encode(c.img)
}

// Still draws a wide picture without words as a JPEG of StillWidth ×
// StillHeight; its motif stands right of the middle, as a page sets its text
// on the left.
func (s *Studio) Still(sp Spec) ([]byte, error) {
	if sp.ID == "" {
		return nil, errors.New("artwork: a film needs an id")
	}
	// Drawn at two thirds and enlarged it would be faster, but the grain is
	// what makes it look printed.
	c := newCanvas(StillWidth, StillHeight, s.noise)
	r := seeded(sp.ID)
	p := sp.palette(r)
	b := box{0, 0, StillWidth, StillHeight}
	sp.motif(r)(&scene{canvas: c, r: r, p: p, b: b, cx: StillWidth * .67, cy: StillHeight * .46, u: StillHeight * .40, ground: StillHeight * .70})
	c.paper(.07)
	return encode(c.img)
}

func encode(m image.Image) ([]byte, error) {
	var b bytes.Buffer
	if err := jpeg.Encode(&b, m, &jpeg.Options{Quality: 84}); err != nil {
		return nil, fmt.Errorf("artwork: %w", err)
	}
	return b.Bytes(), nil
}

func seeded(id string) *rand.Rand {
	h := fnv.New64a()
	_, _ = h.Write([]byte(id)) // a hash takes anything
	return rand.New(rand.NewPCG(h.Sum64(), 1919))
}

// palettes by mood: sky, deep, ink, paper, accent.
var palettes = map[string][]palette{
	"horror": {
		{hex(0x2f4a4e), hex(0x14262b), hex(0x0a1113), hex(0xe9dfc4), hex(0xd8482b)},
		{hex(0x4a2a3c), hex(0x24121f), hex(0x10080e), hex(0xf0e2c2), hex(0xe0a526)},
		{hex(0x5d6b3a), hex(0x2c3820), hex(0x11170c), hex(0xefe6c8), hex(0xd94f30)},
	},
	"scifi": {
		{hex(0x1f4e79), hex(0x0f2a4a), hex(0x081526), hex(0xf1e6cb), hex(0xf08a35)},
		{hex(0x2b7a78), hex(0x17403f), hex(0x0a1f22), hex(0xf3ead2), hex(0xf2b134)},
		{hex(0x5a3d78), hex(0x2d1e47), hex(0x140d24), hex(0xf4e7d3), hex(0xf27a54)},
	},
	"noir": {
		{hex(0x3c4048), hex(0x20232a), hex(0x0c0d10), hex(0xece5d4), hex(0xd63a2f)},
		{hex(0x4d4a42), hex(0x27251f), hex(0x0f0e0b), hex(0xefe7d0), hex(0xe7b02d)},
		{hex(0x2c4a5c), hex(0x152835), hex(0x090f15), hex(0xeae4d3), hex(0xe98a3a)},
	},
	"comedy": {
		{hex(0xe9b949), hex(0xcb7f2c), hex(0x2a1d18), hex(0xfbf1d9), hex(0xd5432e)},
		{hex(0x57a6a1), hex(0x2f7472), hex(0x16282d), hex(0xfbf0d6), hex(0xe8663a)},
		{hex(0xe07f62), hex(0xb3503f), hex(0x2b1718), hex(0xfdf0d9), hex(0x20727a)},
		{hex(0x8fb7c9), hex(0x4d7f99), hex(0x182733), hex(0xfaf1dc), hex(0xe2543a)},
	},
	"romance": {
		{hex(0xd8a298), hex(0xa85f60), hex(0x33191f), hex(0xfaeedd), hex(0xc2363b)},
		{hex(0x7f9fb0), hex(0x456679), hex(0x17242f), hex(0xf8eedb), hex(0xe0705a)},
		{hex(0xc9a66b), hex(0x8d6a3b), hex(0x2b1d14), hex(0xfaf0da), hex(0xa8323a)},
	},
	"history": {
		{hex(0xc4a884), hex(0x8d6f52), hex(0x1d1613), hex(0xf4e8cf), hex(0xc8321f)},
		{hex(0xb9b199), hex(0x77735f), hex(0x191a17), hex(0xf3ecd8), hex(0xbf2f22)},
		{hex(0xd19a4b), hex(0x94602c), hex(0x22160f), hex(0xf6e9cc), hex(0x9c2a20)},
	},
	"adventure": {
		{hex(0x2f7f86), hex(0x1b4d57), hex(0x0c2027), hex(0xf6e8c8), hex(0xf0a13a)},
		{hex(0xe09a3e), hex(0xa8602a), hex(0x2a1610), hex(0xfaeccb), hex(0x1f6b75)},
		{hex(0x364f8a), hex(0x1d2b55), hex(0x0c1228), hex(0xf5e8cd), hex(0xefb23c)},
	},
	"documentary": {
		{hex(0xd9cdb4), hex(0x9b9079), hex(0x17171a), hex(0xf7f0df), hex(0xd23b2a)},
		{hex(0x6fa3b5), hex(0x3b6b80), hex(0x122029), hex(0xf5efdf), hex(0xf0b43c)},
	},
	"drama": {
		{hex(0x8a3b33), hex(0x571f20), hex(0x1d0d0e), hex(0xf4e6cc), hex(0xe9a23b)},
		{hex(0x42606b), hex(0x243a44), hex(0x0f181d), hex(0xf2e7d0), hex(0xdb5a37)},
		{hex(0x6f7f57), hex(0x435034), hex(0x171c12), hex(0xf4ead0), hex(0xd9702f)},
		{hex(0xb98b4e), hex(0x7c5730), hex(0x22170f), hex(0xf7ecd2), hex(0x8e2a2a)},
	},
}

// moods: which palette a genre prints in. The first genre that is known
// decides.
var moods = map[string]string{
	"horror": "horror", "sci-fi": "scifi", "film-noir": "noir", "crime": "noir", "thriller": "noir", "mystery": "noir", "comedy": "comedy",
	"animation": "comedy", "romance": "romance", "history": "history", "war": "history", "adventure": "adventure", "western": "adventure",
	"fantasy": "adventure", "action": "adventure", "documentary": "documentary", "drama": "drama",
}

func (sp Spec) mood() string {
	// Drama says least: any other genre beside it sets the tone.
	for _, g := range sp.Genres {
		if m := moods[g]; m != "" && g != "drama" && g != "romance" {
			return m
		}
	}
	for _, g := range sp.Genres {
		if m := moods[g]; m != "" {
			return m
		}
	}
	return "drama"
}

func (sp Spec) palette(r *rand.Rand) palette {
	ps := palettes[sp.mood()]
	return ps[r.IntN(len(ps))]
}

// words lead from a word of the title to a motif: the first that is found.
var words = []struct {
	word string
	m    motif
}{
	{"moon", moon}, {"mars", moon}, {"train", train}, {"general", train}, {"railway", train}, {"locomotive", train},
	{"leagues", waves}, {"sea", waves}, {"battleship", waves}, {"steamboat", waves}, {"ship", waves}, {"willie", waves},
	{"house", house}, {"nosferatu", house}, {"haunted", house}, {"cabinet", shards}, {"golem", shards}, {"caligari", shards},
	{"carnival", wheel}, {"circus", tent}, {"vampires", mask}, {"opera", mask}, {"laughs", mask}, {"laugh", keyhole}, {"jekyll", mask}, {"zorro", mask},
	{"detour", road}, {"hitch-hiker", road}, {"road", road}, {"carriage", clock}, {"camera", eye}, {"chien", eye}, {"eye", eye}, {"zombie", eye},
	{"north", ice}, {"gold", ice}, {"snow", ice}, {"wings", wings}, {"earth", fields}, {"sunrise", fields}, {"mother", gears}, {"dawn", fields},
	{"blossoms", flower}, {"rose", flower}, {"angel", tent}, {"safety", clock}, {"d.o.a.", clock}, {"clock", clock}, {"metropolis", tower},
	{"bagdad", arches}, {"achmed", arches}, {"arabian", arches}, {"intolerance", temple}, {"ben-hur", temple}, {"rome", temple}, {"freshman", temple},
	{"strike", gears}, {"october", gears}, {"factory", gears}, {"joan", flame}, {"faust", flame}, {"fire", flame}, {"häxan", flame}, {"witch", flame},
	{"box", keyhole}, {"gates", keyhole}, {"sherlock", keyhole}, {"key", keyhole}, {"dead", house}, {"lodger", blinds}, {"stranger", blinds},
	{"hunchback", tower}, {"kid", bowler}, {"godfrey", bowler}, {"charade", spiral}, {"vertigo", spiral}, {"greed", spiral}, {"friday", city},
	{"hospitality", rings}, {"world", fields}, {"city", city}, {"night", house}, {"hill", house}, {"mabuse", spiral}, {"gambler", spiral},
}

// genreMotifs are for titles that name nothing.
var genreMotifs = map[string][]motif{
	"horror": {house, shards, eye, mask}, "scifi": {moon, tower, spiral}, "noir": {blinds, city, road, keyhole}, "comedy": {bowler, tent, mask, wheel},
	"romance": {rings, flower, fields}, "history": {gears, temple, flame}, "adventure": {waves, arches, ice, train}, "documentary": {eye, ice, fields},
	"drama": {keyhole, rings, city, fields},
}

func (sp Spec) motif(r *rand.Rand) motif {
	title := sp.English
	if title == "" {
		title = sp.Title
	}
	ws := strings.FieldsFunc(strings.ToLower(title), func(c rune) bool { return strings.ContainsRune(" ,:;!?'’\"«»()", c) })
	for _, w := range words {
		if slices.Contains(ws, w.word) {
			return w.m
		}
	}
	ms := genreMotifs[sp.mood()]
	return ms[r.IntN(len(ms))]
}

func (s *Studio) poster(sp Spec) (*canvas, error) {
	if sp.ID == "" || strings.TrimSpace(sp.Title) == "" || !utf8.ValidString(sp.Title) {
		return nil, errors.New("artwork: a poster needs an id and a title")
	}
	t := <-s.faces
	defer func() { s.faces <- t }()

	const w, h = float64(PosterWidth), float64(PosterHeight)
	c := newCanvas(PosterWidth, PosterHeight, s.noise)
	r := seeded(sp.ID)
	p := sp.palette(r)
	m := sp.motif(r)
	layout := r.IntN(10)
	sc := &scene{canvas: c, r: r, p: p, b: box{0, 0, w, h}, cx: w / 2}

	// Small print must be read: a loud colour too near its ground gives way.
	legible := func(c, ground, ink rgb) rgb {
		for range 6 {
			if d := c.luma() - ground.luma(); d > 75 || d < -75 {
				break
			}
			c = mix(c, ink, .3)
		}
		return c
	}

	main, sub, _ := strings.Cut(sp.Title, ":")
	main, sub = strings.TrimSpace(main), strings.TrimSpace(sub)
	if i := strings.LastIndex(main, ", "); sub == "" && i > 0 && utf8.RuneCountInString(main) > 28 {
		main, sub = main[:i], strings.TrimSpace(main[i+1:])
	}

	switch {
	case layout < 4: // the picture fills the sheet, the title stands in its foot
		sc.cy, sc.u, sc.ground = h*.36, w*.40, h*.56
		m(sc)
		c.fill(rect(0, h*.55, w, h*.45), spray(p.ink, 0, h*.56, 0, h*.80, 0, 1.35))
		c.fill(rect(0, h*.745, w, h*.26), spray(p.ink, 0, h*.745, 0, h*.79, .6, 1.4))
		t.title(c, sp, main, sub, box{64, h * .70, w - 128, h * .205}, p.paper, legible(p.accent, p.ink, p.paper), true, r)
		t.credits(c, sp, 64, h-56, w-128, p.paper, legible(p.accent, p.ink, p.paper), true)
	case layout < 7: // a framed print on paper
		c.flood(p.paper)
		fr := box{44, 44, w - 88, h * .655}
		done := c.in(fr)
		sc.b, sc.cy, sc.u, sc.ground = fr, fr.y+fr.h*.47, w*.37, fr.y+fr.h*.72
		m(sc)
		done()
		ink, loud := p.ink, legible(p.accent, p.paper, p.ink)
		t.title(c, sp, main, sub, box{44, fr.y + fr.h + 38, w - 88, h * .165}, ink, loud, false, r)
		c.fill(rect(44, h-98, w-88, 2.5), solid(ink))
		t.credits(c, sp, 44, h-50, w-88, ink, loud, false)
	default: // the title at the head, the picture below
		head := h * .315
		fieldC, on := p.accent, p.paper
		if p.accent.luma() > 150 {
			on = p.ink
		}
		if r.IntN(2) == 0 {
			fieldC, on = p.ink, p.paper
		}
		c.flood(fieldC)
		pic := box{0, head, w, h - head}
		done := c.in(pic)
		sc.b, sc.cy, sc.u, sc.ground = pic, head+pic.h*.46, w*.40, head+pic.h*.70
		m(sc)
		done()
		c.fill(rect(0, head-9, w, 9), solid(p.paper))
		loud := p.accent
		if fieldC == p.accent {
			loud = p.ink
			if on == p.ink {
				loud = p.deep
			}
		}
		loud = legible(loud, fieldC, on)
		t.title(c, sp, main, sub, box{56, 104, w - 112, head - 150}, on, loud, true, r)
		t.credits(c, sp, 56, 66, w-112, on, loud, true)
	}
	c.paper(.085)
	return c, nil
}

// title sets the title into b: stacked capitals of one width, or lines of a
// display serif, as the mood wants it.
func (t *typefaces) title(c *canvas, sp Spec, main, sub string, b box, ink, loud rgb, centre bool, r *rand.Rand) {
	face, caps, track, leading, maxSize, stacked := t.gothic, true, .012, 1.02, 210.0, true
	switch sp.mood() {
	case "horror", "history", "romance", "adventure":
		if r.IntN(4) > 0 {
			face, caps, track, leading, maxSize, stacked = t.serif, false, 0, 1.0, 150, false
		}
	case "comedy":
		if r.IntN(3) > 0 {
			face, caps, track, leading, maxSize, stacked = t.fat, false, -.01, 1.06, 118, false
		}
	case "drama", "scifi":
		if r.IntN(3) == 0 {
			face, caps, track, leading, maxSize, stacked = t.serif, false, 0, 1.0, 150, false
		}
	}
	if caps {
		main = strings.ToUpper(main)
	}
	subH := 0.0
	var subSet setting
	if sub != "" {
		sub = strings.ToUpper(sub)
		subSet = t.text.compose(sub, b.w, 78, 1.3, .12, 27, 2)
		subH = subSet.size*(t.text.capHeight()+1.3*float64(len(subSet.lines)-1)) + 22
	}
	avail := b.h - subH
	st := face.compose(main, b.w, avail, leading, track, maxSize, 4)
	if len(st.lines) == 0 {
		return
	}
	capH := face.capHeight()

	sizes := make([]float64, len(st.lines))
	for i, l := range st.lines {
		sizes[i] = st.size
		if stacked && len(st.lines) > 1 {
			// Each line as wide as the block, within reason.
			widest := 0.0
			for _, k := range st.lines {
				widest = max(widest, face.width(k, track))
			}
			sizes[i] = st.size * min(1.75, widest/face.width(l, track))
		}
	}
	gap := .17
	if !stacked {
		gap = leading - capH
	}
	total := func() float64 {
		sum := 0.0
		for i, z := range sizes {
			sum += z * capH
			if i > 0 {
				if stacked {
					sum += gap * st.size
				} else {
					sum += gap * z
				}
			}
		}
		return sum
	}
	if over := total() / avail; over > 1 {
		for i := range sizes {
			sizes[i] /= over
		}
		st.size /= over
	}
	y := b.y + (avail-total())/2
	if !centre {
		y = b.y
	}
	place := func(f *family, text string, size, tr, base float64, k rgb) {
		p, w := f.set(text, 0, 0, size, tr)
		x := b.x
		if centre {
			x = b.x + (b.w-w)/2
		} else {
			x -= p.minX // optical: the stem stands on the margin, not its side bearing
		}
		p, _ = f.set(text, x, base, size, tr)
		c.fill(p, solid(k))
	}
	for i, l := range st.lines {
		if i > 0 {
			if stacked {
				y += gap * st.size
			} else {
				y += gap * sizes[i]
			}
		}
		y += sizes[i] * capH
		place(face, l, sizes[i], track, y, ink)
	}
	if sub != "" {
		y += 24
		for i, l := range subSet.lines {
			if i > 0 {
				y += subSet.size * .42
			}
			y += subSet.size * t.text.capHeight()
			place(t.text, l, subSet.size, .12, y, loud)
		}
	}
}

// credits sets the small print on the baseline y: who made it, and when.
func (t *typefaces) credits(c *canvas, sp Spec, x, y, w float64, ink, loud rgb, centre bool) {
	const size, track = 23, .16
	who, when := "", ""
	if sp.Director != "" {
		by := "A film by "
		if sp.Russian {
			by = "Фильм: "
		}
		who = strings.ToUpper(by + sp.Director)
	}
	if sp.Year != 0 {
		when = strconv.Itoa(sp.Year)
	}
	_, ww := t.text.set(who, 0, 0, size, track)
	_, wy := t.text.set(when, 0, 0, size, track)
	z := min(1, (w-wy-60)/max(1, ww))
	if !centre {
		p, _ := t.text.set(who, x, y, size*z, track)
		c.fill(p, solid(ink))
		p, _ = t.text.set(when, x+w-wy, y, size, track)
		c.fill(p, solid(loud))
		return
	}
	gap := 0.0
	if who != "" && when != "" {
		gap = 34
	}
	at := x + (w-ww*z-gap-wy)/2
	p, _ := t.text.set(who, at, y, size*z, track)
	c.fill(p, solid(ink))
	if gap > 0 {
		c.fill(circle(at+ww*z+gap/2+1, y-size*.4, 3), solid(loud))
	}
	p, _ = t.text.set(when, at+ww*z+gap, y, size, track)
	c.fill(p, solid(loud))
}
