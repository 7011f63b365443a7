package artwork

import (
	"math"
	"math/rand/v2"
)

// palette is the few inks of one print.
type palette struct {
	sky    rgb // the large field
	deep   rgb // darker than sky: shade, ground
	ink    rgb // the darkest
	paper  rgb // the lightest
	accent rgb // the one loud colour
}

// scene is what a motif is drawn in. It is centred on cx, cy with the unit u,
// so that it sits well in a poster and in a still alike.
type scene struct {
	*canvas
	r      *rand.Rand
	p      palette
	b      box
	cx, cy float64
	u      float64 // half of the shorter side of the motif's place
	ground float64 // y of the horizon
}

type motif func(*scene)

func (s *scene) right() float64  { return s.b.x + s.b.w }
func (s *scene) bottom() float64 { return s.b.y + s.b.h }

// sky floods the field and shades it from the top (or, downward, the bottom).
func (s *scene) field(top bool, strength float64) {
	s.fill(rect(s.b.x, s.b.y, s.b.w, s.b.h), solid(s.p.sky))
	if top {
		s.fill(rect(s.b.x, s.b.y, s.b.w, s.b.h), spray(s.p.deep, 0, s.b.y, 0, s.b.y+s.b.h*0.8, strength, 0))
	} else {
		s.fill(rect(s.b.x, s.b.y, s.b.w, s.b.h), spray(s.p.deep, 0, s.bottom(), 0, s.b.y+s.b.h*0.25, strength, 0))
	}
}

func (s *scene) stars(n int, c rgb, maxY float64) {
	for range n {
		x, y := s.b.x+s.r.Float64()*s.b.w, s.b.y+s.r.Float64()*(maxY-s.b.y)
		r := 0.006 * s.u * (0.6 + 2*s.r.Float64()*s.r.Float64())
		if s.r.IntN(7) == 0 {
			d := r * 4
			s.fill(poly(x, y-d, x+r*.7, y-r*.7, x+d, y, x+r*.7, y+r*.7, x, y+d, x-r*.7, y+r*.7, x-d, y, x-r*.7, y-r*.7), solid(c))
		} else {
			s.fill(circle(x, y, r+.6), solid(c))
		}
	}
}

// ball is a disc with a sprayed shade.
func (s *scene) ball(x, y, r float64, c, shade rgb) {
	s.fill(circle(x, y, r), solid(c))
	s.fill(circle(x, y, r), spray(shade, x+r*0.2, y-r*0.2, x-r*1.1, y+r*0.9, 0, 0.9))
}

func (s *scene) rays(x, y, r1, r2 float64, n int, turn, share float64, k ink) {
	p := newPath()
	for i := range n {
		a := turn + float64(i)*2*math.Pi/float64(n)
		d := math.Pi / float64(n) * share
		s1, c1 := math.Sincos(a - d)
		s2, c2 := math.Sincos(a + d)
		p.poly(x+c1*r1, y+s1*r1, x+c1*r2, y+s1*r2, x+c2*r2, y+s2*r2, x+c2*r1, y+s2*r1)
	}
	s.fill(p, k)
}

// hill is a smooth ground line from the left edge to the right.
func (s *scene) hill(y0, y1, bulge float64) *path {
	return newPath().M(s.b.x, y0).Q(s.b.x+s.b.w/2, min(y0, y1)-bulge, s.right(), y1).L(s.right(), s.bottom()).L(s.b.x, s.bottom()).Z()
}

func (s *scene) man(x, y, h float64, c rgb) { // standing at y, of height h, in hat and coat
	s.fill(circle(x, y-h*.86, h*.085), solid(c))
	s.fill(poly(x-h*.15, y-h*.885, x+h*.15, y-h*.885, x+h*.15, y-h*.91, x+h*.085, y-h*.915, x+h*.075, y-h, x-h*.075, y-h, x-h*.085, y-h*.915, x-h*.15, y-h*.91), solid(c))
	s.fill(newPath().M(x-h*.06, y-h*.78).Q(x-h*.19, y-h*.74, x-h*.18, y-h*.5).L(x-h*.2, y-h*.2).L(x-h*.09, y-h*.22).L(x-h*.1, y).L(x-h*.01, y).L(x, y-h*.22).L(x+h*.01, y).L(x+h*.1, y).L(x+h*.09, y-h*.22).L(x+h*.2, y-h*.2).L(x+h*.18, y-h*.5).Q(x+h*.19, y-h*.74, x+h*.06, y-h*.78).Z(), solid(c))
}

func moon(s *scene) {
	s.field(true, 0.95)
	s.stars(90, s.p.paper, s.bottom())
	r := s.u * 0.86
	x, y := s.cx, s.cy
	s.fill(circle(x, y, r*1.35), glow(s.p.accent, x, y, r*1.35, 0.75, 0))
	s.ball(x, y, r, s.p.paper, s.p.sky)
	for range 16 {
		a, d := s.r.Float64()*2*math.Pi, math.Sqrt(s.r.Float64())*r*.8
		cr := r * (0.03 + 0.11*s.r.Float64()*s.r.Float64())
		px, py := x+math.Cos(a)*d, y+math.Sin(a)*d
		s.fill(newPath().oval(px, py, cr, cr*.9, a), wash(mix(s.p.paper, s.p.sky, 0.38), .8))
		s.fill(newPath().oval(px+cr*.14, py+cr*.12, cr*.8, cr*.72, a), wash(mix(s.p.paper, s.p.sky, .2), .9))
	}
	// The shell on its way, with its trail.
	a := -0.62
	dx, dy := math.Cos(a), math.Sin(a)
	ex, ey := x-dx*r*.20, y-dy*r*.20
	s.fill(line(ex-dx*r*2.6, ey-dy*r*2.6, ex-dx*r*.2, ey-dy*r*.2, r*.02, r*.13), spray(s.p.accent, ex-dx*r*2.4, ey-dy*r*2.4, ex, ey, 0.25, 1))
	nx, ny := -dy, dx
	q := func(f, g float64) (float64, float64) { return ex + dx*r*f + nx*r*g, ey + dy*r*f + ny*r*g }
	p := newPath()
	x0, y0 := q(-.28, -.1)
	p.M(x0, y0)
	x1, y1 := q(.12, -.1)
	p.L(x1, y1)
	c1, d1 := q(.32, -.08)
	x2, y2 := q(.42, 0)
	p.Q(c1, d1, x2, y2)
	c2, d2 := q(.32, .08)
	x3, y3 := q(.12, .1)
	p.Q(c2, d2, x3, y3)
	x4, y4 := q(-.28, .1)
	p.L(x4, y4).Z()
	s.fill(p, solid(s.p.ink))
	wx, wy := q(.08, 0)
	s.fill(circle(wx, wy, r*.04), solid(s.p.accent))
	for _, g := range []float64{-1, 1} {
		a1, b1 := q(-.28, .1*g)
		a2, b2 := q(-.1, .1*g)
		a3, b3 := q(-.38, .22*g)
		s.fill(poly(a1, b1, a2, b2, a3, b3), solid(s.p.accent))
	}
}

func city(s *scene) {
	s.field(true, 0.7)
	r := s.u * .62
	s.fill(circle(s.cx, s.cy, r), solid(s.p.accent))
	s.fill(circle(s.cx, s.cy, r), spray(s.p.sky, 0, s.cy+r, 0, s.cy-r*.3, .9, 0))
	for layer, c := range []rgb{mix(s.p.sky, s.p.ink, .35), mix(s.p.sky, s.p.ink, .68), s.p.ink} {
		w := s.u * (.16 + .05*float64(layer))
		for x := s.b.x - w*s.r.Float64(); x < s.right(); {
			bw := w * (.7 + .9*s.r.Float64())
			d := 1 - math.Abs(x+bw/2-s.cx)/s.b.w
			h := s.u * (.3 + (1.15-.34*float64(layer))*s.r.Float64()*d*d)
			top := s.ground - h + float64(layer)*s.u*.12
			s.fill(rect(x, top, bw+1, s.bottom()-top), solid(c))
			if s.r.IntN(3) == 0 {
				s.fill(rect(x+bw*.2, top-s.u*.07, bw*.6, s.u*.08), solid(c))
			}
			if s.r.IntN(4) == 0 {
				s.fill(line(x+bw/2, top-s.u*.32, x+bw/2, top, 1.5, s.u*.03), solid(c))
			}
			if layer > 0 {
				p := newPath()
				g := s.u * .045
				for wy := top + g; wy < s.bottom()-g; wy += g * 1.7 {
					for wx := x + g*.7; wx+g*.7 < x+bw-g*.3; wx += g * 1.3 {
						if s.r.IntN(9) < 2 {
							p.poly(wx, wy, wx+g*.6, wy, wx+g*.6, wy+g*.8, wx, wy+g*.8)
						}
					}
				}
				s.fill(p, solid(mix(s.p.paper, s.p.accent, .25)))
			}
			x += bw + w*.08*s.r.Float64()
		}
	}
}

func waves(s *scene) {
	s.field(true, .55)
	r := s.u * .56
	s.fill(circle(s.cx+s.u*.3, s.ground-s.u*.35, r), solid(s.p.accent))
	s.fill(circle(s.cx+s.u*.3, s.ground-s.u*.35, r), spray(s.p.sky, 0, s.ground, 0, s.ground-s.u*.8, .8, 0))
	wave := func(y, amp, length, phase float64, c rgb) {
		p := newPath().M(s.b.x, y)
		for x := s.b.x - length*phase; x < s.right()+length; x += length {
			p.L(x, y).C(x+length*.3, y, x+length*.42, y-amp*1.7, x+length*.72, y-amp).Q(x+length*.5, y-amp*.7, x+length*.62, y-amp*.25).Q(x+length*.75, y+amp*.1, x+length, y)
		}
		p.L(s.right(), s.bottom()).L(s.b.x, s.bottom()).Z()
		s.fill(p, solid(c))
		s.fill(p, spray(s.p.ink, 0, y-amp, 0, y+s.u*.75, 0, .6))
	}
	wave(s.ground, s.u*.05, s.u*.42, .2, mix(s.p.sky, s.p.deep, .6))
	// The ship.
	x, y, k := s.cx-s.u*.12, s.ground+s.u*.1, s.u*.62
	for i, f := range []float64{-.25, .08} {
		fx := x + k*f
		s.fill(poly(fx, y-k*.28, fx+k*.03, y-k*.75, fx+k*.19, y-k*.75, fx+k*.17, y-k*.28), solid(s.p.accent))
		s.fill(rect(fx+k*.02, y-k*.75, k*.18, k*.09), solid(s.p.ink))
		for j := range 6 {
			d := float64(j)
			s.fill(circle(fx+k*.12+k*.16*d+k*.02*d*d, y-k*.86-k*.09*d, k*(.07+.032*d)), glow(s.p.paper, fx+k*.12+k*.16*d, y-k*.9-k*.09*d, k*(.1+.04*d), .95-.13*d, .1))
		}
		_ = i
	}
	s.fill(poly(x-k*.55, y-k*.3, x+k*.5, y-k*.3, x+k*.46, y-k*.12, x-k*.5, y-k*.12), solid(s.p.paper))
	s.fill(poly(x-k*.95, y-k*.17, x+k*1.05, y-k*.22, x+k*.8, y+k*.25, x-k*.78, y+k*.25), solid(s.p.ink))
	s.fill(line(x-k*.93, y-k*.12, x+k*1.02, y-k*.16, k*.025, k*.025), solid(s.p.accent))
	s.fill(line(x-k*.6, y-k*1.05, x-k*.6, y-k*.2, k*.015, k*.03), solid(s.p.ink))
	for i := range 6 {
		f := float64(i)
		wave(s.ground+s.u*(.16+.17*f), s.u*(.075+.02*f), s.u*(.5+.09*f), s.r.Float64(), mix(s.p.sky, s.p.deep, .35+.13*f+.25*float64(i%2)))
	}
}

func eye(s *scene) {
	s.field(false, .5)
	x, y, k := s.cx, s.cy, s.u*.98
	s.rays(x, y, k*.3, k*4, 36, s.r.Float64(), .5, wash(s.p.deep, .55))
	lid := func(m float64) *path {
		return newPath().M(x-k*m, y).C(x-k*.5*m, y-k*.66*m, x+k*.5*m, y-k*.66*m, x+k*m, y).C(x+k*.5*m, y+k*.66*m, x-k*.5*m, y+k*.66*m, x-k*m, y).Z()
	}
	for i := range 13 { // lashes
		a := math.Pi*1.08 + float64(i)*math.Pi*.84/12
		sx, sy := math.Cos(a), math.Sin(a)
		s.fill(line(x+sx*k*.78, y+sy*k*.42, x+sx*k*1.22, y+sy*k*.86, k*.085, k*.012), solid(s.p.ink))
	}
	s.fill(lid(1.08), solid(s.p.ink))
	s.fill(lid(.98), solid(s.p.paper))
	s.fill(lid(.98), spray(s.p.deep, 0, y-k*.5, 0, y+k*.1, .8, 0))
	r := k * .44
	s.fill(circle(x, y, r), solid(s.p.accent))
	s.rays(x, y, r*.4, r*.96, 40, 0, .45, wash(s.p.ink, .45))
	s.fill(ring(x, y, r, r*.88), solid(s.p.ink))
	s.fill(circle(x, y, r*.5), solid(s.p.ink))
	for i := range 6 { // the pupil is an aperture
		a := float64(i) * math.Pi / 3
		s.fill(line(x+math.Cos(a)*r*.2, y+math.Sin(a)*r*.2, x+math.Cos(a+1.25)*r*.5, y+math.Sin(a+1.25)*r*.5, r*.025, r*.025), solid(s.p.accent))
	}
	s.fill(circle(x-r*.3, y-r*.34, r*.15), solid(s.p.paper))
}

func spiral(s *scene) {
	s.field(false, .6)
	x, y := s.cx, s.cy
	dir := 1.0
	if s.r.IntN(2) == 0 {
		dir = -1
	}
	for arm := range 2 {
		var outer, inner []float64
		for t := 0.0; t < 6.6*math.Pi; t += .09 {
			r := s.u * .012 * math.Pow(t, 1.72)
			w := r * .17
			a := dir*t + float64(arm)*math.Pi
			outer = append(outer, x+math.Cos(a)*(r+w), y+math.Sin(a)*(r+w))
			inner = append(inner, x+math.Cos(a)*(r-w), y+math.Sin(a)*(r-w))
		}
		for i := len(inner) - 2; i >= 0; i -= 2 {
			outer = append(outer, inner[i], inner[i+1])
		}
		c := s.p.ink
		if arm == 1 {
			c = s.p.accent
		}
		s.fill(poly(outer...), solid(c))
	}
	s.man(x+s.u*.02, y+s.u*.42, s.u*.72, s.p.paper)
	s.fill(poly(x-s.u*.2, y+s.u*.42, x+s.u*.24, y+s.u*.42, x+s.u*.95, y+s.u*1.5, x+s.u*.4, y+s.u*1.5), spray(s.p.paper, 0, y+s.u*.4, 0, y+s.u*1.4, .7, 0))
}

func train(s *scene) {
	s.field(true, .75)
	x, y, k := s.cx, s.cy+s.u*.02, s.u*.8
	s.rays(x, y-k*.1, 0, s.u*4, 28, .06, .5, wash(s.p.accent, .55))
	for j := range 9 { // smoke to one side
		d := float64(j)
		cx, cy, r := x+k*.08+k*.085*d*d*.42, y-k*.95-k*.115*d, k*(.15+.045*d)
		s.fill(circle(cx, cy, r), solid(mix(s.p.paper, s.p.sky, .1*d)))
		s.fill(circle(cx, cy, r), spray(s.p.deep, cx+r*.2, cy-r*.3, cx-r*.6, cy+r, 0, .75))
	}
	gy := y + k*.78
	s.fill(rect(s.b.x, gy, s.b.w, s.bottom()-gy), solid(s.p.deep))
	s.fill(rect(s.b.x, gy, s.b.w, s.bottom()-gy), spray(s.p.ink, 0, gy, 0, s.bottom(), .1, .8))
	for i := range 9 { // sleepers and rails towards us
		t := math.Pow(float64(i)/8, 1.7)
		w, yy := k*(.75+1.6*t), gy+k*.05+(s.bottom()-gy)*t
		s.fill(rect(x-w, yy, 2*w, k*(.035+.08*t)), solid(s.p.ink))
	}
	for _, d := range []float64{-1, 1} {
		s.fill(line(x+d*k*.5, gy, x+d*k*1.75, s.bottom()+k*.2, k*.05, k*.16), solid(s.p.paper))
	}
	s.fill(rect(x-k*.2, y-k*1.0, k*.4, k*.45), solid(s.p.ink)) // chimney
	s.fill(poly(x-k*.2, y-k*.98, x-k*.28, y-k*1.1, x+k*.28, y-k*1.1, x+k*.2, y-k*.98), solid(s.p.accent))
	s.fill(rect(x-k*.78, y+k*.1, k*1.56, k*.5), solid(s.p.ink))
	s.fill(circle(x, y, k*.74), solid(s.p.ink))
	s.fill(circle(x, y, k*.74), spray(mix(s.p.ink, s.p.paper, .5), x-k*.1, y, x+k*.9, y-k*.6, 0, .7))
	s.fill(ring(x, y, k*.62, k*.575), solid(s.p.accent))
	p := newPath()
	for i := range 16 {
		a := float64(i) * math.Pi / 8
		p.oval(x+math.Cos(a)*k*.675, y+math.Sin(a)*k*.675, k*.024, k*.024, 0)
	}
	s.fill(p, solid(s.p.paper))
	s.fill(circle(x, y-k*.1, k*.3), solid(s.p.ink))
	s.fill(circle(x, y-k*.1, k*.25), solid(s.p.paper))
	s.fill(circle(x, y-k*.1, k*.25), glow(s.p.accent, x, y-k*.1, k*.27, 0, .8))
	s.fill(rect(x-k*.95, y+k*.5, k*1.9, k*.16), solid(s.p.accent)) // buffer beam
	for _, d := range []float64{-1, 1} {
		s.fill(circle(x+d*k*.72, y+k*.58, k*.13), solid(s.p.paper))
		s.fill(circle(x+d*k*.72, y+k*.58, k*.085), solid(s.p.ink))
	}
	s.fill(poly(x-k*.62, y+k*.66, x+k*.62, y+k*.66, x+k*.8, y+k*1.0, x-k*.8, y+k*1.0), solid(s.p.ink))
	for i := -4; i <= 4; i++ {
		d := float64(i)
		s.fill(line(x+d*k*.13, y+k*.68, x+d*k*.175, y+k*.98, k*.022, k*.03), solid(s.p.paper))
	}
}

func house(s *scene) {
	s.field(true, .85)
	x := s.cx - s.u*.05
	mx, my, mr := s.cx+s.u*.22, s.cy-s.u*.25, s.u*.62
	s.ball(mx, my, mr, s.p.accent, s.p.sky)
	for i := range 5 { // streaks of cloud
		f := float64(i)
		y := my - mr*.6 + f*mr*.36
		w := s.u * (.5 + .6*s.r.Float64())
		cx := mx + (s.r.Float64()-.5)*mr*1.6
		s.fill(newPath().oval(cx, y, w, s.u*.022, 0), wash(s.p.sky, .8))
	}
	hy := s.ground - s.u*.18
	s.fill(newPath().M(s.b.x, s.ground+s.u*.35).C(x-s.u*.7, s.ground+s.u*.25, x-s.u*.55, hy, x, hy).C(x+s.u*.6, hy, x+s.u*.7, s.ground+s.u*.3, s.right(), s.ground+s.u*.2).L(s.right(), s.bottom()).L(s.b.x, s.bottom()).Z(), solid(s.p.ink))
	k := s.u * .5
	b := hy + k*.08
	block := func(x0, w, h, roof float64) {
		s.fill(rect(x+k*x0, b-k*h, k*w, k*h), solid(s.p.ink))
		s.fill(poly(x+k*(x0-.07), b-k*h+1, x+k*(x0+w/2-.02), b-k*(h+roof), x+k*(x0+w+.07), b-k*h+1), solid(s.p.ink))
	}
	block(-.85, .7, .75, .45)
	block(-.3, .62, 1.1, .75)
	block(.3, .6, .7, .4)
	block(.62, .24, 1.25, .55)
	s.fill(rect(x-k*.62, b-k*1.3, k*.1, k*.5), solid(s.p.ink))
	win := newPath()
	for _, w := range [][2]float64{{-.7, .5}, {-.45, .5}, {-.12, .95}, {.08, .95}, {-.12, .5}, {.42, .42}, {.66, 1.05}, {.66, .6}} {
		if s.r.IntN(5) > 0 {
			win.poly(x+k*w[0], b-k*w[1], x+k*(w[0]+.13), b-k*w[1], x+k*(w[0]+.13), b-k*(w[1]-.2), x+k*w[0], b-k*(w[1]-.2))
		}
	}
	s.fill(win, solid(s.p.paper))
	s.fill(newPath().M(x-k*.06, b+k*.02).C(x-k*.2, s.ground+s.u*.2, x+s.u*.5, s.ground+s.u*.2, x-s.u*.2, s.bottom()).L(x+s.u*.5, s.bottom()).C(x+s.u*.75, s.ground+s.u*.1, x+k*.1, s.ground+s.u*.15, x+k*.06, b+k*.02).Z(), spray(s.p.deep, 0, b, 0, s.bottom(), .95, .1))
	s.tree(x-s.u*.86, s.ground+s.u*.32, s.u*.62, -math.Pi/2-.06, 6)
	for range 7 { // bats
		bx, by, w := mx+(s.r.Float64()-.6)*s.u*1.5, my+(s.r.Float64()-.6)*s.u*.9, s.u*(.04+.05*s.r.Float64())
		s.fill(newPath().M(bx, by+w*.3).Q(bx-w*.35, by-w*.1, bx-w*.6, by+w*.35).Q(bx-w*.8, by-w*.05, bx-w*1.3, by).Q(bx-w*.6, by-w*.75, bx-w*.12, by-w*.15).L(bx-w*.1, by-w*.35).L(bx, by-w*.2).L(bx+w*.1, by-w*.35).L(bx+w*.12, by-w*.15).Q(bx+w*.6, by-w*.75, bx+w*1.3, by).Q(bx+w*.8, by-w*.05, bx+w*.6, by+w*.35).Q(bx+w*.35, by-w*.1, bx, by+w*.3).Z(), solid(s.p.ink))
	}
}

func (s *scene) tree(x, y, l, a float64, depth int) {
	x2, y2 := x+math.Cos(a)*l*.42, y+math.Sin(a)*l*.42
	s.fill(line(x, y, x2, y2, l*.085, l*.055), solid(s.p.ink))
	if depth == 0 {
		return
	}
	s.tree(x2, y2, l*.74, a-.3-.3*s.r.Float64(), depth-1)
	s.tree(x2, y2, l*.72, a+.25+.35*s.r.Float64(), depth-1)
}

func shards(s *scene) {
	s.field(false, .55)
	// A crooked street that closes in.
	x, y := s.cx+s.u*.1, s.cy+s.u*.1
	n := 15
	for i := range n {
		a := float64(i)*2*math.Pi/float64(n) + s.r.Float64()*.16
		d := 2 * math.Pi / float64(n) * (.34 + .3*s.r.Float64())
		r1 := s.u * (.5 + .36*s.r.Float64())
		c := s.p.ink
		switch i % 4 {
		case 1:
			c = s.p.deep
		case 3:
			c = mix(s.p.ink, s.p.deep, .5)
		}
		s.fill(poly(x+math.Cos(a+d*.3)*r1, y+math.Sin(a+d*.3)*r1, x+math.Cos(a-d)*s.u*4, y+math.Sin(a-d)*s.u*4, x+math.Cos(a+d)*s.u*4, y+math.Sin(a+d)*s.u*4), solid(c))
	}
	for i, w := range [][3]float64{{-.95, -.6, .26}, {.9, -.85, .3}, {1.05, .1, .22}, {-1.02, .3, .24}} {
		cx, cy, k := x+s.u*w[0], y+s.u*w[1], s.u*w[2]
		t := (s.r.Float64() - .5) * .9
		q := func(a, b float64) (float64, float64) { return cx + k*(a+b*t), cy + k*(b*1.3-a*t*.6) }
		p := newPath()
		x0, y0 := q(-.5, -.5)
		x1, y1 := q(.4, -.6)
		x2, y2 := q(.6, .45)
		x3, y3 := q(-.35, .6)
		s.fill(p.poly(x0, y0, x1, y1, x2, y2, x3, y3), solid(s.p.accent))
		s.fill(line((x0+x1)/2, (y0+y1)/2, (x2+x3)/2, (y2+y3)/2, k*.07, k*.07), solid(s.p.ink))
		s.fill(line((x0+x3)/2, (y0+y3)/2, (x1+x2)/2, (y1+y2)/2, k*.07, k*.07), solid(s.p.ink))
		_ = i
	}
	s.fill(circle(x, y-s.u*.12, s.u*.5), glow(s.p.paper, x, y-s.u*.12, s.u*.55, 1, .05))
	s.fill(poly(x-s.u*.14, y+s.u*.6, x+s.u*.16, y+s.u*.6, x-s.u*.3, y+s.u*2.2, x-s.u*1.15, y+s.u*2.2), spray(s.p.ink, 0, y+s.u*.6, 0, y+s.u*2, 1, .35))
	s.man(x, y+s.u*.62, s.u*1.02, s.p.ink)
}

func road(s *scene) {
	s.field(true, .9)
	x, y := s.cx, s.ground-s.u*.12
	s.stars(40, s.p.paper, y)
	s.fill(circle(x, y, s.u*.95), glow(s.p.accent, x, y, s.u*.95, 1, 0))
	s.fill(rect(s.b.x, y, s.b.w, s.bottom()-y), solid(s.p.ink))
	s.fill(newPath().M(s.b.x, y).L(s.b.x, y-s.u*.2).L(x-s.u*.9, y-s.u*.34).L(x-s.u*.55, y-s.u*.1).L(x-s.u*.3, y-s.u*.16).L(x, y).L(x+s.u*.35, y-s.u*.13).L(x+s.u*.8, y-s.u*.3).L(s.right(), y-s.u*.12).L(s.right(), y).Z(), solid(mix(s.p.ink, s.p.sky, .35)))
	s.fill(poly(x-s.u*.03, y, x+s.u*.03, y, x+s.u*1.25, s.bottom(), x-s.u*1.25, s.bottom()), solid(s.p.deep))
	s.fill(poly(x-s.u*.03, y, x+s.u*.03, y, x+s.u*1.25, s.bottom(), x-s.u*1.25, s.bottom()), spray(s.p.accent, 0, y, 0, s.bottom(), .55, 0))
	h := s.bottom() - y
	for i := range 9 {
		t1 := math.Pow((float64(i)+.2)/9, 2.2)
		t2 := math.Pow((float64(i)+.75)/9, 2.2)
		s.fill(poly(x-s.u*.05*t1-.6, y+h*t1, x+s.u*.05*t1+.6, y+h*t1, x+s.u*.05*t2+.6, y+h*t2, x-s.u*.05*t2-.6, y+h*t2), solid(s.p.paper))
	}
	var px, py float64
	for i := range 7 { // poles with a wire
		t := math.Pow((float64(i)+.6)/6.4, 2.3)
		bx, by, k := x+s.u*(.12+1.45*t), y+h*t*.55, s.u*(.1+1.6*t)
		s.fill(line(bx, by-k, bx, by, max(1.2, k*.028), max(1.5, k*.04)), solid(s.p.ink))
		s.fill(line(bx-k*.14, by-k*.88, bx+k*.14, by-k*.88, max(1, k*.022), max(1, k*.022)), solid(s.p.ink))
		if i > 0 {
			s.fill(newPath().M(px, py).Q((px+bx)/2, max(py, by-k*.9)+k*.03, bx, by-k*.9).L(bx, by-k*.9+max(1.2, k*.008)).Q((px+bx)/2, max(py, by-k*.9)+k*.045, px, py+1.2).Z(), solid(s.p.ink))
		}
		px, py = bx, by-k*.9
	}
	// A car, coming.
	k := s.u * .2
	cy := y + s.u*.18
	for _, d := range []float64{-1, 1} {
		s.fill(poly(x+d*k*.5, cy-k*.12, x+d*k*.5, cy+k*.12, x+d*k*.5+d*s.u*.5-s.u*.4, s.bottom(), x+d*k*.5+d*s.u*.5+s.u*.4, s.bottom()), spray(s.p.paper, 0, cy, 0, s.bottom(), .6, 0))
	}
	s.fill(newPath().M(x-k*.8, cy+k*.35).L(x-k*.8, cy-k*.2).Q(x-k*.7, cy-k*.35, x-k*.5, cy-k*.36).L(x-k*.36, cy-k*.8).Q(x, cy-k*.92, x+k*.36, cy-k*.8).L(x+k*.5, cy-k*.36).Q(x+k*.7, cy-k*.35, x+k*.8, cy-k*.2).L(x+k*.8, cy+k*.35).Z(), solid(s.p.ink))
	for _, d := range []float64{-1, 1} {
		s.fill(circle(x+d*k*.5, cy-k*.05, k*.5), glow(s.p.paper, x+d*k*.5, cy-k*.05, k*.5, .8, 0))
		s.fill(circle(x+d*k*.5, cy-k*.05, k*.17), solid(s.p.paper))
	}
}

func tent(s *scene) {
	s.field(true, .5)
	x, top := s.cx, s.cy-s.u*.75
	s.rays(x, top, 0, s.u*4, 32, .05, .5, wash(s.p.accent, .35))
	base := s.ground + s.u*.2
	n := 10
	w := s.u * 1.25
	at := func(i int) (float64, float64) {
		t := float64(i)/float64(n)*2 - 1
		return x + w*t, base - s.u*.52 + s.u*.14*(1-t*t)
	}
	for i := range n {
		x1, y1 := at(i)
		x2, y2 := at(i + 1)
		c, d := s.p.accent, s.p.paper
		if i%2 == 0 {
			c, d = d, c
		}
		s.fill(newPath().M(x, top).Q((x+x1)/2+(x1-x)*.02, top+(y1-top)*.72, x1, y1).L(x2, y2).Q((x+x2)/2+(x2-x)*.02, top+(y2-top)*.72, x, top).Z(), solid(c))
		s.fill(poly(x1*.94+x*.06, y1, x2*.94+x*.06, y2, x2*.97+x*.03, s.bottom(), x1*.97+x*.03, s.bottom()), solid(mix(d, s.p.ink, .12)))
		mx := (x1 + x2) / 2
		s.fill(newPath().M(x1, y1).L(x2, y2).Q(mx+(x2-mx)*.4, y2+s.u*.16, mx, (y1+y2)/2+s.u*.16).Q(mx-(x2-mx)*.4, y1+s.u*.16, x1, y1).Z(), solid(c))
	}
	s.fill(newPath().M(x, top).L(x-w, base-s.u*.5).L(x-w, s.bottom()).L(x+w, s.bottom()).L(x+w, base-s.u*.5).Z(), spray(s.p.ink, x+w*.1, 0, x-w, 0, 0, .6))
	s.fill(newPath().M(x-s.u*.34, s.bottom()).L(x-s.u*.3, base-s.u*.1).Q(x, base-s.u*.62, x+s.u*.3, base-s.u*.1).L(x+s.u*.34, s.bottom()).Z(), solid(s.p.ink))
	s.fill(line(x, top-s.u*.34, x, top+4, s.u*.016, s.u*.02), solid(s.p.ink))
	s.fill(newPath().M(x, top-s.u*.34).Q(x+s.u*.16, top-s.u*.4, x+s.u*.34, top-s.u*.28).Q(x+s.u*.16, top-s.u*.26, x, top-s.u*.16).Z(), solid(s.p.ink))
	s.man(x, s.ground+s.u*.38, s.u*.5, s.p.paper)
}

func flower(s *scene) {
	s.field(false, .45)
	x, y := s.cx, s.cy-s.u*.18
	s.ball(s.cx+s.u*.25, s.cy-s.u*.3, s.u*.74, mix(s.p.sky, s.p.paper, .6), s.p.sky)
	s.fill(newPath().M(x-s.u*.03, y).C(x-s.u*.1, y+s.u*.7, x+s.u*.16, y+s.u, x+s.u*.02, y+s.u*2.6).L(x+s.u*.1, y+s.u*2.6).C(x+s.u*.24, y+s.u, x-s.u*.02, y+s.u*.7, x+s.u*.04, y).Z(), solid(s.p.ink))
	leaf := func(y0, dx, dy float64) {
		lx, ly := x+s.u*.05, y+s.u*y0
		s.fill(newPath().M(lx, ly).C(lx+s.u*dx*.3, ly+s.u*dy*1.3, lx+s.u*dx*.8, ly+s.u*dy*1.2, lx+s.u*dx, ly+s.u*dy).C(lx+s.u*dx*.8, ly+s.u*dy*.2, lx+s.u*dx*.3, ly+s.u*dy*.1, lx, ly).Z(), solid(s.p.deep))
		s.fill(newPath().M(lx, ly).C(lx+s.u*dx*.3, ly+s.u*dy*1.3, lx+s.u*dx*.8, ly+s.u*dy*1.2, lx+s.u*dx, ly+s.u*dy).Q(lx+s.u*dx*.5, ly+s.u*dy*.8, lx, ly).Z(), solid(s.p.ink))
	}
	leaf(1.05, .85, -.45)
	leaf(1.3, -.8, -.5)
	for ringN := range 3 {
		f := float64(ringN)
		n := 9 - ringN
		for i := range n {
			a := float64(i)*2*math.Pi/float64(n) + f*.35
			d, l := s.u*(.42-.14*f), s.u*(.34-.08*f)
			px, py := x+math.Cos(a)*d, y+math.Sin(a)*d
			c := mix(s.p.accent, s.p.paper, .12+.22*float64((i+ringN)%2)+.1*f)
			s.fill(newPath().oval(px, py, l, l*.52, a), solid(c))
			s.fill(newPath().oval(px, py, l, l*.52, a), spray(mix(s.p.accent, s.p.ink, .5), x+math.Cos(a)*s.u*.1, y+math.Sin(a)*s.u*.1, x+math.Cos(a)*s.u*.62, y+math.Sin(a)*s.u*.62, .9, 0))
		}
	}
	s.fill(circle(x, y, s.u*.15), solid(s.p.ink))
	p := newPath()
	for i := range 34 {
		a, d := float64(i)*2.399963, s.u*.022*math.Sqrt(float64(i))
		p.oval(x+math.Cos(a)*d, y+math.Sin(a)*d, s.u*.011, s.u*.011, 0)
	}
	s.fill(p, solid(s.p.paper))
	for i := range 3 { // petals that fall
		px, py := x+s.u*(.5+.4*float64(i)*s.r.Float64())*float64(i%2*2-1), y+s.u*(.8+.33*float64(i))
		s.fill(newPath().oval(px, py, s.u*.12, s.u*.06, s.r.Float64()*3), solid(s.p.accent))
	}
}

func gears(s *scene) {
	s.fill(rect(s.b.x, s.b.y, s.b.w, s.b.h), solid(s.p.paper))
	s.fill(rect(s.b.x, s.b.y, s.b.w, s.b.h), spray(s.p.sky, s.b.x, s.b.y, s.right(), s.bottom(), .1, .6))
	x, y := s.cx, s.cy
	s.fill(poly(x-s.u*3, y+s.u*2.1, x-s.u*3, y+s.u*1.2, x+s.u*3, y-s.u*2.4, x+s.u*3, y-s.u*1.3), solid(s.p.accent))
	s.fill(line(x-s.u*3, y+s.u*2.55, x+s.u*3, y-s.u*1.0, s.u*.07, s.u*.07), solid(s.p.ink))
	s.fill(line(x-s.u*3, y+s.u*.95, x+s.u*3, y-s.u*2.65, s.u*.03, s.u*.03), solid(s.p.ink))
	gear := func(x, y, r float64, n int, turn float64, k ink, hub rgb) {
		p := newPath()
		var v []float64
		for i := range n {
			a := turn + float64(i)*2*math.Pi/float64(n)
			d := math.Pi / float64(n)
			for _, q := range [][2]float64{{-d, .84}, {-d * .5, .86}, {-d * .36, 1}, {d * .36, 1}, {d * .5, .86}} {
				v = append(v, x+math.Cos(a+q[0])*r*q[1], y+math.Sin(a+q[0])*r*q[1])
			}
		}
		p.poly(v...)
		for i := range 6 {
			a := turn + float64(i)*math.Pi/3
			p.oval(x+math.Cos(a)*r*.52, y+math.Sin(a)*r*.52, -r*.17, r*.17, 0)
		}
		s.fill(p, k)
		s.fill(circle(x, y, r*.22), solid(hub))
		s.fill(circle(x, y, r*.1), solid(s.p.ink))
	}
	gear(x-s.u*.28, y+s.u*.18, s.u*.78, 18, .1, solid(s.p.ink), s.p.accent)
	gear(x+s.u*.68, y-s.u*.56, s.u*.48, 12, .2, over(s.p.deep, 1), s.p.paper)
	gear(x+s.u*.5, y+s.u*.86, s.u*.32, 9, .5, solid(s.p.ink), s.p.paper)
	// A chimney row with flags of smoke at the foot.
	for i := range 5 {
		cx := x - s.u*1.2 + float64(i)*s.u*.2
		h := s.u * (.55 + .12*float64(i%3))
		s.fill(poly(cx, s.bottom(), cx+s.u*.03, s.ground+s.u*.55-h, cx+s.u*.1, s.ground+s.u*.55-h, cx+s.u*.13, s.bottom()), solid(s.p.ink))
		s.fill(newPath().M(cx+s.u*.03, s.ground+s.u*.53-h).C(cx, s.ground+s.u*.3-h, cx+s.u*.3, s.ground+s.u*.35-h, cx+s.u*.42, s.ground+s.u*.2-h).C(cx+s.u*.4, s.ground+s.u*.5-h, cx+s.u*.2, s.ground+s.u*.45-h, cx+s.u*.1, s.ground+s.u*.53-h).Z(), wash(s.p.deep, .85))
	}
}

func fields(s *scene) {
	s.field(true, .35)
	x, y, r := s.cx+s.u*.1, s.ground-s.u*.3, s.u*.7
	s.rays(x, y, r*1.08, s.u*4, 44, 0, .42, wash(s.p.accent, .3))
	s.fill(circle(x, y, r), solid(s.p.accent))
	s.fill(circle(x, y, r), spray(s.p.paper, 0, y-r, 0, y+r*.5, .7, 0))
	far := s.hill(s.ground-s.u*.02, s.ground+s.u*.1, s.u*.16)
	s.fill(far, solid(mix(s.p.sky, s.p.deep, .55)))
	s.fill(far, spray(s.p.deep, s.b.x, s.ground, s.right(), s.ground+s.u*.3, .7, .1))
	near := s.hill(s.ground+s.u*.34, s.ground+s.u*.16, s.u*.12)
	s.fill(near, solid(s.p.deep))
	vx, vy := s.cx-s.u*.35, s.ground-s.u*.1
	for i := range 30 { // furrows
		a := .06 + float64(i)*.103
		dx, dy := math.Cos(a), math.Sin(a)
		l := s.u * 4
		s.fill(line(vx+dx*s.u*.55, vy+dy*s.u*.55+s.u*.1, vx+dx*l, vy+dy*l, 2, s.u*.16), spray(s.p.ink, 0, s.ground+s.u*.1, 0, s.bottom(), .25, .95))
	}
	tx, ty := s.cx-s.u*.52, s.ground+s.u*.16
	s.fill(line(tx, ty, tx, ty-s.u*.42, s.u*.05, s.u*.035), solid(s.p.ink))
	for range 9 {
		s.fill(circle(tx+(s.r.Float64()-.5)*s.u*.36, ty-s.u*(.4+.3*s.r.Float64()), s.u*(.09+.07*s.r.Float64())), solid(s.p.ink))
	}
	for i := range 5 { // birds
		bx, by, w := s.cx+s.u*(.1+.2*float64(i)), s.ground-s.u*(1.05+.11*float64(i%3)), s.u*.07
		s.fill(newPath().M(bx-w, by-w*.4).Q(bx-w*.4, by-w*.6, bx, by).Q(bx+w*.4, by-w*.6, bx+w, by-w*.4).Q(bx+w*.4, by-w*.3, bx, by+w*.22).Q(bx-w*.4, by-w*.3, bx-w, by-w*.4).Z(), solid(s.p.ink))
	}
}

func wings(s *scene) {
	s.field(true, .6)
	x, y, k := s.cx, s.cy, s.u*.95
	for i, c := range []rgb{s.p.accent, s.p.paper, s.p.deep} {
		s.fill(circle(x, y, k*(1-.3*float64(i))), solid(c))
	}
	s.fill(circle(x, y, k), spray(s.p.ink, x, y, x-k, y+k, 0, .5))
	cloud := func(cx, cy, w float64, c rgb) {
		p := newPath()
		for i := range 6 {
			f := float64(i) / 5
			p.oval(cx+(f-.5)*w*1.5, cy, w*(.2+.16*math.Sin(f*math.Pi)), w*(.14+.16*math.Sin(f*math.Pi)), 0)
		}
		s.fill(p, solid(c))
		s.fill(p, spray(s.p.deep, 0, cy-w*.1, 0, cy+w*.3, 0, .8))
	}
	cloud(x-k*.95, y+k*.62, k*.6, s.p.paper)
	cloud(x+k*.95, y-k*.55, k*.5, s.p.paper)
	// A biplane, banking.
	a := -.16
	sn, cs := math.Sincos(a)
	q := func(px, py float64) (float64, float64) { return x + k*(px*cs-py*sn), y + k*(px*sn+py*cs) }
	quad := func(c rgb, v ...float64) {
		var o []float64
		for i := 0; i < len(v); i += 2 {
			a, b := q(v[i], v[i+1])
			o = append(o, a, b)
		}
		s.fill(poly(o...), solid(c))
	}
	for _, d := range []float64{-1, 1} {
		for _, m := range []float64{.42, .85} {
			quad(s.p.ink, d*m-.012, -.3, d*m+.012, -.3, d*(m-.05)+.012, .17, d*(m-.05)-.012, .17)
		}
		quad(s.p.ink, d*.12, .22, d*.34, .46, d*.31, .48, d*.06, .25)
		cx, cy := q(d*.34, .5)
		s.fill(circle(cx, cy, k*.085), solid(s.p.ink))
	}
	quad(s.p.ink, -1.22, -.36, 1.22, -.36, 1.17, -.285, -1.17, -.285)
	quad(s.p.ink, -1.1, .14, 1.1, .14, 1.05, .21, -1.05, .21)
	quad(s.p.accent, -1.22, -.36, -.9, -.36, -.88, -.285, -1.17, -.285)
	quad(s.p.accent, .9, -.36, 1.22, -.36, 1.17, -.285, .88, -.285)
	cx, cy := q(0, -.02)
	s.fill(circle(cx, cy, k*.24), solid(s.p.ink))
	s.fill(circle(cx, cy, k*.19), solid(mix(s.p.ink, s.p.paper, .25)))
	for i := range 9 {
		b := float64(i) * 2 * math.Pi / 9
		s.fill(line(cx, cy, cx+math.Cos(b)*k*.17, cy+math.Sin(b)*k*.17, k*.05, k*.03), solid(s.p.ink))
	}
	s.fill(newPath().oval(cx, cy, k*.4, k*.4, 0), wash(s.p.paper, .16))
	s.fill(newPath().oval(cx, cy, k*.4, k*.03, .7), solid(s.p.paper))
	s.fill(circle(cx, cy, k*.045), solid(s.p.accent))
}

func flame(s *scene) {
	s.fill(rect(s.b.x, s.b.y, s.b.w, s.b.h), solid(s.p.ink))
	x, y, k := s.cx, s.cy+s.u*.35, s.u
	s.fill(rect(s.b.x, s.b.y, s.b.w, s.b.h), glow(s.p.deep, x, y-k*.3, k*1.9, .95, 0))
	tongue := func(cx, w, h, lean float64, c rgb) {
		b := y + k*.78
		p := newPath().M(cx, b).C(cx-w*1.35, b-h*.02, cx-w*1.05, b-h*.45, cx-w*.35, b-h*.62).C(cx-w*.05, b-h*.72, cx+lean*w*.2, b-h*.85, cx+lean*w, b-h).C(cx+lean*w*.6+w*.4, b-h*.8, cx+w*1.1, b-h*.55, cx+w, b-h*.3).C(cx+w*1.0, b-h*.1, cx+w*.6, b, cx, b).Z()
		s.fill(p, solid(c))
		s.fill(p, spray(s.p.accent, 0, b-h, 0, b, .6, 0))
	}
	tongue(x-k*.42, k*.4, k*1.15, -.6, mix(s.p.accent, s.p.ink, .35))
	tongue(x+k*.45, k*.38, k*1.3, .7, mix(s.p.accent, s.p.ink, .35))
	tongue(x, k*.62, k*1.95, .25, s.p.accent)
	tongue(x-k*.14, k*.42, k*1.3, -.4, mix(s.p.accent, s.p.paper, .45))
	tongue(x+k*.1, k*.3, k*.95, .4, mix(s.p.accent, s.p.paper, .8))
	s.fill(line(x, y-k*.3, x, y+k*2.4, k*.1, k*.13), solid(s.p.ink)) // a cross stands in it
	s.fill(line(x-k*.34, y+k*.02, x+k*.34, y+k*.02, k*.1, k*.1), solid(s.p.ink))
	for range 40 {
		a, d := -math.Pi/2+(s.r.Float64()-.5)*1.7, k*(.8+1.5*s.r.Float64())
		s.fill(circle(x+math.Cos(a)*d, y+k*.3+math.Sin(a)*d, k*(.006+.014*s.r.Float64())), solid(mix(s.p.accent, s.p.paper, s.r.Float64())))
	}
}

func keyhole(s *scene) {
	s.field(false, .6)
	x, y, k := s.cx, s.cy-s.u*.12, s.u
	s.fill(newPath().oval(x, y+k*.2, k*.92, k*1.28, 0), solid(s.p.deep))
	s.fill(newPath().oval(x, y+k*.2, k*.92, k*1.28, 0), spray(s.p.ink, x+k*.3, 0, x-k*.9, 0, .1, .8))
	p := newPath()
	for i := range 4 {
		a := math.Pi/4 + float64(i)*math.Pi/2
		p.oval(x+math.Cos(a)*k*.6, y+k*.2+math.Sin(a)*k*.85, k*.05, k*.05, 0)
	}
	s.fill(p, solid(s.p.sky))
	hole := func(m float64) *path {
		return newPath().M(x-k*.2*m, y+k*.12).C(x-k*.62*m, y-k*.1, x-k*.5*m, y-k*.75*m, x, y-k*.75*m).C(x+k*.5*m, y-k*.75*m, x+k*.62*m, y-k*.1, x+k*.2*m, y+k*.12).L(x+k*.42*m, y+k*1.05*m).L(x-k*.42*m, y+k*1.05*m).Z()
	}
	s.fill(hole(1.08), solid(s.p.ink))
	s.fill(hole(1), solid(s.p.paper))
	s.fill(hole(1), spray(s.p.accent, 0, y-k*.7, 0, y+k*1.05, .85, .0))
	s.man(x, y+k*1.03, k*1.1, s.p.ink)
	s.fill(poly(x-k*.42, y+k*1.05, x+k*.42, y+k*1.05, x+k*1.6, y+k*3, x-k*1.6, y+k*3), spray(s.p.paper, 0, y+k*1.05, 0, y+k*2.4, .75, 0))
	s.fill(poly(x-k*.1, y+k*1.05, x+k*.1, y+k*1.05, x+k*.34, y+k*3, x-k*.34, y+k*3), spray(s.p.ink, 0, y+k*1.05, 0, y+k*2.6, 1, .1))
}

func clock(s *scene) {
	s.field(true, .5)
	x, y, k := s.cx, s.cy, s.u*.9
	s.fill(rect(x+k*.2, s.b.y, s.b.w, s.b.h), solid(s.p.deep)) // the wall it hangs on
	p := newPath()
	for wy := s.b.y + k*.1; wy < s.bottom(); wy += k * .52 {
		for wx := x + k*.5; wx < s.right(); wx += k * .46 {
			p.poly(wx, wy, wx+k*.26, wy, wx+k*.26, wy+k*.34, wx, wy+k*.34)
		}
	}
	s.fill(p, solid(mix(s.p.deep, s.p.ink, .55)))
	s.fill(circle(x+k*.05, y+k*.06, k*1.04), wash(s.p.ink, .45))
	s.fill(circle(x, y, k), solid(s.p.ink))
	s.fill(circle(x, y, k*.91), solid(s.p.paper))
	s.fill(circle(x, y, k*.91), spray(s.p.sky, x+k*.3, y-k*.3, x-k*.9, y+k*.9, 0, .7))
	for i := range 60 {
		a := float64(i) * math.Pi / 30
		l, w := .05, .012
		if i%5 == 0 {
			l, w = .15, .05
		}
		s.fill(line(x+math.Cos(a)*k*.84, y+math.Sin(a)*k*.84, x+math.Cos(a)*k*(.84-l), y+math.Sin(a)*k*(.84-l), k*w, k*w*.8), solid(s.p.ink))
	}
	h, m := -2.25+.3*s.r.Float64(), -.18
	s.fill(line(x-math.Cos(h)*k*.14, y-math.Sin(h)*k*.14, x+math.Cos(h)*k*.5, y+math.Sin(h)*k*.5, k*.1, k*.04), solid(s.p.ink))
	s.fill(line(x-math.Cos(m)*k*.2, y-math.Sin(m)*k*.2, x+math.Cos(m)*k*.82, y+math.Sin(m)*k*.82, k*.08, k*.03), solid(s.p.accent))
	s.fill(circle(x, y, k*.075), solid(s.p.accent))
	// Who hangs on the hand.
	hx, hy := x+math.Cos(m)*k*.72, y+math.Sin(m)*k*.72
	f := k * .92
	s.fill(line(hx, hy, hx+f*.03, hy+f*.22, f*.035, f*.05), solid(s.p.ink))
	s.fill(line(hx-f*.05, hy+f*.01, hx-f*.03, hy+f*.22, f*.035, f*.05), solid(s.p.ink))
	s.fill(circle(hx+f*.0, hy+f*.14, f*.055), solid(s.p.ink))
	s.fill(newPath().oval(hx, hy+f*.105, f*.1, f*.018, -.1), solid(s.p.ink))
	s.fill(poly(hx-f*.06, hy+f*.2, hx+f*.06, hy+f*.2, hx+f*.07, hy+f*.46, hx-f*.05, hy+f*.46), solid(s.p.ink))
	s.fill(line(hx+f*.045, hy+f*.44, hx+f*.16, hy+f*.74, f*.065, f*.035), solid(s.p.ink))
	s.fill(line(hx-f*.02, hy+f*.44, hx-f*.08, hy+f*.76, f*.065, f*.035), solid(s.p.ink))
}

func tower(s *scene) {
	s.field(false, .7)
	x := s.cx
	y := s.cy - s.u*.3
	s.rays(x, y, 0, s.u*4, 40, math.Pi/40, .5, wash(s.p.accent, .7))
	s.fill(circle(x, y, s.u*.62), glow(s.p.paper, x, y, s.u*.62, .95, .0))
	step := func(dx, k, h float64, c rgb, sides bool) {
		cx := x + dx
		for i := range 6 {
			f := float64(i)
			w := s.u * k * (.5 - .078*f)
			top := s.bottom() - s.u*h*(.35+.15*f)
			s.fill(rect(cx-w, top, 2*w, s.bottom()-top), solid(c))
			if sides {
				s.fill(rect(cx-w, top, w, s.bottom()-top), solid(mix(c, s.p.ink, .4)))
			}
			p := newPath()
			for j := -3; j <= 3; j++ {
				p.poly(cx+float64(j)*w*.26-w*.03, top+s.u*.03, cx+float64(j)*w*.26+w*.03, top+s.u*.03, cx+float64(j)*w*.26+w*.03, top+s.u*h*.14, cx+float64(j)*w*.26-w*.03, top+s.u*h*.14)
			}
			if sides {
				s.fill(p, solid(s.p.accent))
			}
		}
		s.fill(line(cx, s.bottom()-s.u*h*1.4, cx, s.bottom()-s.u*h, 1, s.u*.04*k), solid(c))
	}
	h := (s.bottom() - y) / s.u
	for _, d := range []float64{-1.15, 1.2, -.62, .68} {
		step(s.u*d, .5, h*(.62+.1*math.Abs(d)*s.r.Float64()), mix(s.p.sky, s.p.ink, .5), false)
	}
	step(0, 1, h*.98, mix(s.p.deep, s.p.ink, .6), true)
	s.fill(line(s.b.x, y+s.u*.72, s.right(), y+s.u*.5, s.u*.02, s.u*.02), solid(s.p.ink)) // a flying way
	for range 2 {
		px, py, k := x+s.u*(s.r.Float64()-.5)*2.2, y-s.u*(.1+.35*s.r.Float64()), s.u*.11
		s.fill(poly(px-k, py, px+k, py-k*.16, px+k*.2, py+k*.16), solid(s.p.ink))
		s.fill(poly(px-k*.1, py-k*.5, px+k*.1, py-k*.5, px+k*.2, py+k*.5, px, py+k*.5), solid(s.p.ink))
	}
}

func temple(s *scene) {
	s.field(true, .45)
	x, k := s.cx, s.u*1.02
	g := s.ground + s.u*.22
	s.fill(circle(x, g-k*.75, k*.8), solid(s.p.accent))
	s.fill(circle(x, g-k*.75, k*.8), spray(s.p.paper, 0, g-k*1.5, 0, g-k*.3, .75, 0))
	s.fill(rect(s.b.x, g, s.b.w, s.bottom()-g), solid(s.p.deep))
	for i := range 5 {
		f := float64(i)
		s.fill(rect(x-k*(.98+.17*f), g+k*.11*f, k*2*(.98+.17*f), k*.112), solid(mix(s.p.paper, s.p.deep, .12+.17*f)))
	}
	s.fill(rect(x-k*.86, g-k*1.0, k*1.72, k), solid(s.p.ink))
	for i := range 6 {
		cx := x - k*.8 + float64(i)*k*.32
		s.fill(poly(cx-k*.075, g, cx-k*.06, g-k*.95, cx+k*.06, g-k*.95, cx+k*.075, g), solid(s.p.paper))
		s.fill(poly(cx-k*.075, g, cx-k*.06, g-k*.95, cx+k*.06, g-k*.95, cx+k*.075, g), spray(s.p.deep, cx+k*.02, 0, cx-k*.08, 0, 0, 1))
		for _, d := range []float64{-.03, 0, .03} {
			s.fill(line(cx+k*d, g-k*.93, cx+k*d, g-k*.02, k*.008, k*.009), wash(s.p.deep, .8))
		}
		s.fill(rect(cx-k*.1, g-k*1.0, k*.2, k*.06), solid(s.p.paper))
		s.fill(rect(cx-k*.1, g-k*.045, k*.2, k*.05), solid(s.p.paper))
	}
	s.fill(rect(x-k*.98, g-k*1.14, k*1.96, k*.15), solid(mix(s.p.paper, s.p.deep, .2)))
	s.fill(poly(x-k*1.05, g-k*1.14, x, g-k*1.58, x+k*1.05, g-k*1.14), solid(s.p.ink))
	s.fill(poly(x-k*.8, g-k*1.18, x, g-k*1.5, x+k*.8, g-k*1.18), solid(s.p.accent))
	for i := range 3 {
		s.man(x-k*.3+k*.3*float64(i), g+k*(.3+.12*float64(i%2)), k*.3, s.p.ink)
	}
}

func arches(s *scene) {
	s.field(true, .9)
	x, k := s.cx, s.u
	s.stars(70, s.p.paper, s.ground)
	mx, my := x+k*.2, s.cy-k*.42
	s.fill(circle(mx, my, k*.4), solid(s.p.accent))
	s.fill(circle(mx+k*.15, my-k*.07, k*.34), solid(mix(s.p.sky, s.p.deep, .5)))
	dome := func(cx, b, r, h float64, c rgb) {
		s.fill(rect(cx-r*.82, b-h, r*1.64, h+s.u*2), solid(c))
		y := b - h
		p := newPath().M(cx-r*.82, y).C(cx-r*1.35, y-r*.75, cx-r*.75, y-r*1.25, cx, y-r*1.95).C(cx+r*.75, y-r*1.25, cx+r*1.35, y-r*.75, cx+r*.82, y).Z()
		s.fill(p, solid(c))
		s.fill(p, spray(s.p.accent, cx+r*.9, y-r*1.2, cx-r*.3, y-r*.3, .75, 0))
		s.fill(line(cx, y-r*2.4, cx, y-r*1.8, 1.5, r*.07), solid(c))
		s.fill(circle(cx, y-r*2.4, r*.08), solid(s.p.accent))
	}
	c1, c2 := mix(s.p.sky, s.p.ink, .45), mix(s.p.sky, s.p.ink, .8)
	g := s.ground + k*.3
	for _, d := range []float64{-1.15, 1.18, -.52, .74} {
		dome(x+k*d, g, k*.11, k*(1.0+.25*s.r.Float64()), c1)
	}
	dome(x-k*.85, g, k*.28, k*.45, c2)
	dome(x+k*.9, g, k*.26, k*.38, c2)
	dome(x+k*.02, g, k*.46, k*.5, s.p.ink)
	for i := range 7 {
		ax, w := x-k*.9+float64(i)*k*.3, k*.1
		s.fill(newPath().M(ax-w, g+k*.5).L(ax-w, g+k*.12).Q(ax-w, g-k*.05, ax, g-k*.14).Q(ax+w, g-k*.05, ax+w, g+k*.12).L(ax+w, g+k*.5).Z(), solid(mix(s.p.accent, s.p.paper, .3*float64(i%2))))
	}
	// A carpet that flies.
	cx, cy, w := x-k*.42, s.cy-k*.1, k*.42
	s.fill(newPath().M(cx-w, cy+w*.1).C(cx-w*.5, cy-w*.25, cx+w*.2, cy+w*.35, cx+w, cy-w*.1).L(cx+w*.85, cy+w*.12).C(cx+w*.1, cy+w*.55, cx-w*.5, cy, cx-w*1.1, cy+w*.32).Z(), solid(s.p.paper))
	s.fill(circle(cx, cy-w*.36, w*.09), solid(s.p.paper))
	s.fill(poly(cx-w*.2, cy+w*.1, cx-w*.1, cy-w*.28, cx+w*.1, cy-w*.28, cx+w*.24, cy+w*.14), solid(s.p.paper))
}

func ice(s *scene) {
	s.field(true, .85)
	x, k := s.cx, s.u
	s.stars(60, s.p.paper, s.ground)
	for i := range 4 { // northern light
		f := float64(i)
		y := s.cy - k*(.75-.2*f)
		p := newPath().M(s.b.x, y+k*.2).C(x-k*.6, y-k*.5, x+k*.2, y+k*.5, s.right(), y-k*.25).L(s.right(), y+k*.2).C(x+k*.2, y+k*.95, x-k*.6, y-k*.05, s.b.x, y+k*.75).Z()
		s.fill(p, spray(mix(s.p.accent, s.p.paper, .15*f), 0, y+k*.6, 0, y-k*.25, .62, 0))
	}
	peak := func(cx, w, h float64, dark rgb) {
		b := s.ground + k*.2
		s.fill(poly(cx-w, b, cx, b-h, cx+w, b), solid(dark))
		s.fill(poly(cx, b-h, cx+w, b, cx+w*.1, b), spray(s.p.ink, cx, 0, cx+w, 0, .8, .3))
		s.fill(poly(cx, b-h, cx+w*.3, b-h*.7, cx+w*.17, b-h*.62, cx+w*.08, b-h*.72, cx-w*.06, b-h*.56, cx-w*.16, b-h*.7, cx-w*.34, b-h*.66), solid(s.p.paper))
	}
	peak(x-k*.95, k*.75, k*.85, mix(s.p.sky, s.p.deep, .5))
	peak(x+k*.9, k*.85, k*1.0, mix(s.p.sky, s.p.deep, .6))
	peak(x+k*.05, k*.9, k*1.3, s.p.deep)
	snow := s.hill(s.ground+k*.2, s.ground+k*.08, -k*.05)
	s.fill(snow, solid(s.p.paper))
	s.fill(snow, spray(s.p.sky, s.b.x, s.bottom(), s.right(), s.ground, .75, .05))
	s.man(x-k*.32, s.ground+k*.62, k*.46, s.p.ink)
	s.fill(poly(x-k*.37, s.ground+k*.62, x-k*.27, s.ground+k*.62, x+k*.5, s.ground+k*.95, x+k*.25, s.ground+k*.95), wash(s.p.deep, .6))
	for i := range 12 {
		t := float64(i) / 12
		s.fill(newPath().oval(x-k*.38-k*.75*t, s.ground+k*(.66+.5*t)+k*.03*float64(i%2), k*.012*(1+t*2), k*.006*(1+t*2), 0), wash(s.p.deep, .8))
	}
}

func wheel(s *scene) {
	s.field(true, .85)
	s.stars(50, s.p.paper, s.ground)
	x, y, k := s.cx, s.cy, s.u*.86
	s.fill(circle(x, y, k*1.3), glow(s.p.accent, x, y, k*1.3, .55, 0))
	g := s.ground + s.u*.42
	s.fill(ring(x, y, k, k*.965), solid(s.p.paper))
	s.fill(ring(x, y, k*.86, k*.84), solid(s.p.paper))
	n := 14
	turn := s.r.Float64()
	for i := range n {
		a := turn + float64(i)*2*math.Pi/float64(n)
		b := a + 2*math.Pi/float64(n)
		s.fill(line(x, y, x+math.Cos(a)*k, y+math.Sin(a)*k, k*.014, k*.014), solid(s.p.paper))
		s.fill(line(x+math.Cos(a)*k*.85, y+math.Sin(a)*k*.85, x+math.Cos(b)*k*.98, y+math.Sin(b)*k*.98, k*.012, k*.012), solid(s.p.paper))
	}
	for i := range n {
		a := turn + float64(i)*2*math.Pi/float64(n)
		cx, cy, w := x+math.Cos(a)*k, y+math.Sin(a)*k, k*.085
		c := s.p.accent
		if i%2 == 0 {
			c = s.p.paper
		}
		s.fill(newPath().M(cx-w, cy+w*.7).L(cx+w, cy+w*.7).Q(cx+w*.8, cy+w*2, cx, cy+w*2).Q(cx-w*.8, cy+w*2, cx-w, cy+w*.7).Z(), solid(c))
		s.fill(poly(cx-w*1.1, cy+w*.25, cx, cy-w*.3, cx+w*1.1, cy+w*.25), solid(c))
		s.fill(circle(cx, cy, k*.02), solid(s.p.ink))
	}
	s.fill(line(x, y, x-k*.55, g, k*.05, k*.075), solid(s.p.ink))
	s.fill(line(x, y, x+k*.55, g, k*.05, k*.075), solid(s.p.ink))
	s.fill(circle(x, y, k*.1), solid(s.p.accent))
	s.fill(circle(x, y, k*.05), solid(s.p.ink))
	s.fill(s.hill(g, g-s.u*.05, s.u*.05), solid(s.p.ink))
	s.fill(s.hill(g, g-s.u*.05, s.u*.05), spray(s.p.deep, 0, g, 0, s.bottom(), .6, 0))
	s.man(x-k*.12, g+s.u*.2, s.u*.34, s.p.paper)
}

func blinds(s *scene) {
	s.fill(rect(s.b.x, s.b.y, s.b.w, s.b.h), solid(s.p.ink))
	x, k := s.cx, s.u
	for y := s.b.y - k; y < s.bottom()+k*2; y += k * .3 { // light through the slats
		s.fill(poly(s.b.x, y+k*.55, s.right(), y, s.right(), y+k*.17, s.b.x, y+k*.72), solid(s.p.sky))
		s.fill(poly(s.b.x, y+k*.55, s.right(), y, s.right(), y+k*.17, s.b.x, y+k*.72), spray(s.p.accent, s.right(), 0, s.b.x+s.b.w*.1, 0, .9, 0))
	}
	s.fill(rect(s.b.x, s.b.y, s.b.w, s.b.h), spray(s.p.ink, s.right(), 0, s.b.x, 0, 0, .8))
	// A man in a hat.
	y := s.cy + k*.05
	fig := newPath().M(x-k*1.25, s.bottom()).C(x-k*1.2, y+k*1.0, x-k*.6, y+k*.88, x-k*.3, y+k*.72).L(x-k*.3, y+k*.4).C(x-k*.5, y+k*.1, x-k*.44, y-k*.3, x-k*.4, y-k*.42).L(x+k*.42, y-k*.42).C(x+k*.5, y-k*.2, x+k*.48, y, x+k*.56, y+k*.12).L(x+k*.44, y+k*.18).C(x+k*.46, y+k*.5, x+k*.3, y+k*.52, x+k*.22, y+k*.5).L(x+k*.26, y+k*.74).C(x+k*.7, y+k*.9, x+k*1.15, y+k*1.0, x+k*1.25, s.bottom()).Z()
	s.fill(fig, solid(s.p.ink))
	hat := newPath().M(x-k*.82, y-k*.3).C(x-k*.5, y-k*.5, x-k*.5, y-k*.4, x-k*.46, y-k*.5).C(x-k*.5, y-k*.95, x-k*.3, y-k*1.08, x-k*.08, y-k*.98).C(x+k*.1, y-k*1.12, x+k*.42, y-k*1.02, x+k*.44, y-k*.5).C(x+k*.6, y-k*.44, x+k*.8, y-k*.42, x+k*.92, y-k*.24).C(x+k*.5, y-k*.32, x-k*.3, y-k*.2, x-k*.82, y-k*.3).Z()
	s.fill(hat, solid(s.p.ink))
	s.fill(newPath().M(x-k*.47, y-k*.58).C(x-k*.2, y-k*.48, x+k*.2, y-k*.48, x+k*.45, y-k*.56).L(x+k*.45, y-k*.44).C(x+k*.2, y-k*.36, x-k*.2, y-k*.36, x-k*.47, y-k*.45).Z(), solid(s.p.accent))
	for _, c := range []*path{fig, hat} { // the slats cross him, faintly
		s.fill(c, spray(s.p.sky, x+k*.9, y, x+k*.1, y+k*.1, .5, 0))
	}
	s.fill(poly(x-k*.06, y+k*.78, x+k*.04, y+k*.74, x+k*.14, y+k*.78, x+k*.2, s.bottom(), x-k*.12, s.bottom()), solid(s.p.accent))
	s.fill(poly(x-k*.3, y+k*.72, x-k*.06, y+k*.8, x-k*.2, y+k*1.15, x-k*.42, y+k*.84), solid(s.p.paper))
	s.fill(poly(x+k*.26, y+k*.74, x+k*.12, y+k*.8, x+k*.24, y+k*1.15, x+k*.42, y+k*.86), solid(s.p.paper))
	// His cigarette.
	s.fill(line(x+k*.5, y+k*.36, x+k*.72, y+k*.4, k*.03, k*.03), solid(s.p.paper))
	s.fill(circle(x+k*.73, y+k*.4, k*.028), solid(s.p.accent))
	s.fill(newPath().M(x+k*.73, y+k*.38).C(x+k*.6, y, x+k*1.0, y-k*.2, x+k*.82, y-k*.9).C(x+k*1.08, y-k*.2, x+k*.7, y, x+k*.75, y+k*.38).Z(), spray(s.p.paper, 0, y+k*.4, 0, y-k*.9, .95, .1))
}

func mask(s *scene) {
	s.field(false, .5)
	x, y, k := s.cx, s.cy, s.u*.9
	s.rays(x, y, 0, s.u*4, 20, .15, .5, wash(s.p.deep, .5))
	s.fill(newPath().oval(x+k*.05, y+k*.07, k*.78, k*1.04, 0), wash(s.p.ink, .45))
	s.fill(newPath().oval(x, y, k*.76, k*1.02, 0), solid(s.p.paper))
	half := newPath().M(x, y-k*1.02).C(x+k*.12, y-k*.4, x-k*.1, y-k*.1, x+k*.06, y+k*.1).C(x-k*.08, y+k*.5, x+k*.06, y+k*.8, x, y+k*1.02).C(x+k*.42, y+k*1.02, x+k*.76, y+k*.563, x+k*.76, y).C(x+k*.76, y-k*.563, x+k*.42, y-k*1.02, x, y-k*1.02).Z()
	s.fill(half, solid(s.p.ink))
	s.fill(newPath().oval(x, y, k*.76, k*1.02, 0), spray(s.p.accent, x-k*.1, y, x-k*.85, y+k*.5, 0, .55))
	for _, d := range []float64{-1, 1} {
		c, e := s.p.ink, s.p.paper
		if d > 0 {
			c, e = s.p.paper, s.p.ink
		}
		ex, ey := x+d*k*.33, y-k*.18
		s.fill(newPath().M(ex-k*.22, ey).Q(ex, ey-k*.24, ex+k*.22, ey).Q(ex, ey+k*.12, ex-k*.22, ey).Z(), solid(c))
		s.fill(circle(ex, ey-k*.03, k*.07), solid(e))
		s.fill(newPath().M(ex-k*.26, ey-k*.26-d*k*.03).Q(ex, ey-k*.46, ex+k*.26, ey-k*.26+d*k*.03).Q(ex, ey-k*.37, ex-k*.26, ey-k*.26-d*k*.03).Z(), solid(c))
	}
	s.fill(newPath().oval(x-k*.42, y+k*.2, k*.14, k*.14, 0), wash(s.p.accent, .9))
	s.fill(newPath().oval(x+k*.42, y+k*.2, k*.14, k*.14, 0), wash(s.p.accent, .9))
	m := y + k*.42
	s.fill(newPath().M(x-k*.4, m-k*.05).Q(x, m+k*.42, x+k*.4, m-k*.05).Q(x, m+k*.2, x-k*.4, m-k*.05).Z(), solid(s.p.accent))
	for i := range 3 { // ribbons
		f := float64(i) * .09
		for _, d := range []float64{-1, 1} {
			s.fill(newPath().M(x+d*k*.74, y-k*.1).C(x+d*k*(1.1+f), y+k*.2, x+d*k*(.8+f), y+k*.7, x+d*k*(1.12+f), y+k*(1.2+f)).L(x+d*k*(1.02+f), y+k*(1.25+f)).C(x+d*k*(.7+f), y+k*.7, x+d*k*(1.0+f), y+k*.25, x+d*k*.72, y).Z(), solid(mix(s.p.accent, s.p.ink, .25*float64(i))))
		}
	}
}

func bowler(s *scene) {
	s.field(false, .4)
	x, y, k := s.cx, s.cy-s.u*.1, s.u*.86
	s.fill(circle(x, y+k*.2, k*1.12), solid(mix(s.p.sky, s.p.paper, .55)))
	s.fill(circle(x, y+k*.2, k*1.12), spray(s.p.accent, 0, y+k*1.3, 0, y-k*.4, .9, 0))
	s.fill(newPath().M(x-k*.62, y-k*.12).C(x-k*.72, y-k*1.02, x+k*.72, y-k*1.02, x+k*.62, y-k*.12).Z(), solid(s.p.ink))
	s.fill(newPath().M(x-k*.62, y-k*.12).C(x-k*.72, y-k*1.02, x+k*.72, y-k*1.02, x+k*.62, y-k*.12).Z(), spray(mix(s.p.ink, s.p.paper, .5), x+k*.1, y-k*.4, x+k*.7, y-k*.8, 0, .8))
	s.fill(poly(x-k*.63, y-k*.28, x+k*.63, y-k*.28, x+k*.62, y-k*.1, x-k*.62, y-k*.1), solid(s.p.accent))
	s.fill(newPath().M(x-k*1.0, y-k*.2).C(x-k*.9, y+k*.02, x-k*.4, y-k*.06, x, y-k*.06).C(x+k*.4, y-k*.06, x+k*.9, y+k*.02, x+k*1.0, y-k*.2).C(x+k*.95, y+k*.1, x+k*.5, y+k*.08, x, y+k*.08).C(x-k*.5, y+k*.08, x-k*.95, y+k*.1, x-k*1.0, y-k*.2).Z(), solid(s.p.ink))
	for _, d := range []float64{-1, 1} {
		ex := x + d*k*.28
		s.fill(newPath().M(ex-k*.15, y+k*.22).Q(ex, y+k*.1, ex+k*.15, y+k*.22).Q(ex, y+k*.155, ex-k*.15, y+k*.22).Z(), solid(s.p.ink))
		s.fill(circle(ex, y+k*.36, k*.055), solid(s.p.ink))
		s.fill(newPath().M(x+d*k*.01, y+k*.66).C(x+d*k*.05, y+k*.5, x+d*k*.22, y+k*.56, x+d*k*.32, y+k*.76).Q(x+d*k*.16, y+k*.8, x+d*k*.01, y+k*.73).Z(), solid(s.p.ink))
		s.fill(newPath().M(x, y+k*1.2).L(x+d*k*.46, y+k*.98).Q(x+d*k*.54, y+k*1.2, x+d*k*.46, y+k*1.42).Z(), solid(s.p.accent))
	}
	s.fill(circle(x, y+k*1.2, k*.09), solid(s.p.ink))
	cx := x + k*1.18 // the cane
	s.fill(line(cx, y+k*.3, cx-k*.1, s.bottom()+k, k*.05, k*.05), solid(s.p.ink))
	s.fill(ring(cx-k*.13, y+k*.3, k*.155, k*.105), solid(s.p.ink))
	s.fill(rect(cx-k*.4, y+k*.31, k*.375, k*.3), wash(mix(s.p.sky, s.p.paper, .3), 0.01))
}

func rings(s *scene) {
	s.field(true, .4)
	x, y, k := s.cx, s.cy, s.u
	sun := s.p.accent
	s.fill(circle(x-k*.28, y-k*.05, k*.6), solid(sun))
	s.fill(circle(x-k*.28, y-k*.05, k*.6), spray(s.p.paper, x-k*.6, y-k*.6, x, y+k*.3, .6, 0))
	s.fill(circle(x+k*.34, y+k*.1, k*.6), over(mix(s.p.deep, s.p.sky, .2), 1))
	s.fill(circle(x+k*.34, y+k*.1, k*.6), spray(s.p.ink, x+k*.8, y+k*.6, x, y, .6, 0))
	// Two, looking at each other: profiles cut by the line between.
	for _, d := range []float64{-1, 1} {
		fx := x + k*.03 + d*k*.08
		q := func(px, py float64) (float64, float64) { return fx + d*k*px, y + k*py }
		p := newPath()
		a, b := q(.34, -.52)
		p.M(a, b)
		cur := func(v ...float64) {
			a, b := q(v[0], v[1])
			c, e := q(v[2], v[3])
			f, g := q(v[4], v[5])
			p.C(a, b, c, e, f, g)
		}
		cur(.16, -.52, .06, -.4, .07, -.26)
		cur(.07, -.2, .05, -.14, .0, -.05)
		cur(.0, -.02, .03, -.01, .05, .0)
		cur(.03, .05, .02, .06, .05, .09)
		cur(.03, .12, .05, .15, .05, .18)
		cur(.05, .28, .16, .28, .24, .27)
		cur(.26, .45, .2, .6, .0, .78)
		a, b = q(.0, 1.7)
		p.L(a, b)
		a, b = q(1.2, 1.7)
		p.L(a, b)
		cur(1.1, .9, .75, .8, .56, .62)
		cur(.5, .5, .56, .3, .62, .1)
		cur(.72, -.3, .6, -.52, .34, -.52)
		p.Z()
		c := s.p.ink
		if d > 0 {
			c = mix(s.p.ink, s.p.accent, .28)
		}
		s.fill(p, solid(c))
		s.fill(p, spray(s.p.sky, fx+d*k*.1, y, fx+d*k*.75, y+k*.3, 0, .5))
	}
	s.stars(16, s.p.paper, s.cy-k*.5)
}
