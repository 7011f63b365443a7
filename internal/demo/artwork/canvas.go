package artwork

import (
	"image"
	"image/color"
	"math"
	"math/rand/v2"

	"golang.org/x/image/draw"
	"golang.org/x/image/vector"
)

// rgb is an opaque colour.
type rgb struct{ r, g, b uint8 }

func hex(v uint32) rgb { return rgb{uint8(v >> 16), uint8(v >> 8), uint8(v)} }

// mix goes from a to b as t goes from 0 to 1.
func mix(a, b rgb, t float64) rgb {
	f := func(x, y uint8) uint8 { return uint8(float64(x) + (float64(y)-float64(x))*t + 0.5) }
	return rgb{f(a.r, b.r), f(a.g, b.g), f(a.b, b.b)}
}

func (c rgb) luma() float64 { return 0.299*float64(c.r) + 0.587*float64(c.g) + 0.114*float64(c.b) }

// box is a rectangle in pixels.
type box struct{ x, y, w, h float64 }

// path is an outline; its bounds are kept so that only they are rasterised.
type path struct {
	op                     []byte // M, L, Q, C, Z
	p                      []float64
	minX, minY, maxX, maxY float64
	plain                  bool // an upright rectangle: needs no rasteriser
}

func newPath() *path {
	return &path{minX: math.Inf(1), minY: math.Inf(1), maxX: math.Inf(-1), maxY: math.Inf(-1)}
}

func (p *path) add(op byte, v ...float64) *path {
	p.op = append(p.op, op)
	p.p = append(p.p, v...)
	for i := 0; i+1 < len(v); i += 2 {
		p.minX, p.maxX = min(p.minX, v[i]), max(p.maxX, v[i])
		p.minY, p.maxY = min(p.minY, v[i+1]), max(p.maxY, v[i+1])
	}
	return p
}

func (p *path) M(x, y float64) *path             { return p.add('M', x, y) }
func (p *path) L(x, y float64) *path             { return p.add('L', x, y) }
func (p *path) Q(x1, y1, x, y float64) *path     { return p.add('Q', x1, y1, x, y) }
func (p *path) C(a, b, c, d, x, y float64) *path { return p.add('C', a, b, c, d, x, y) }
func (p *path) Z() *path                         { return p.add('Z') }

// poly adds a closed polygon of x, y pairs.
func (p *path) poly(v ...float64) *path {
	p.M(v[0], v[1])
	for i := 2; i+1 < len(v); i += 2 {
		p.L(v[i], v[i+1])
	}
	return p.Z()
}

const kappa = 0.5522847498

// oval adds an ellipse, turned by angle a; a negative rx cuts a hole.
func (p *path) oval(cx, cy, rx, ry, a float64) *path {
	s, c := math.Sincos(a)
	t := func(x, y float64) (float64, float64) { return cx + x*rx*c - y*ry*s, cy + x*rx*s + y*ry*c }
	q := [][2]float64{{1, 0}, {1, kappa}, {kappa, 1}, {0, 1}, {-kappa, 1}, {-1, kappa}, {-1, 0}, {-1, -kappa}, {-kappa, -1}, {0, -1}, {kappa, -1}, {1, -kappa}, {1, 0}}
	x, y := t(q[0][0], q[0][1])
	p.M(x, y)
	for i := 1; i < 13; i += 3 {
		a, b := t(q[i][0], q[i][1])
		c, d := t(q[i+1][0], q[i+1][1])
		x, y = t(q[i+2][0], q[i+2][1])
		p.C(a, b, c, d, x, y)
	}
	return p.Z()
}

func circle(cx, cy, r float64) *path { return newPath().oval(cx, cy, r, r, 0) }
func poly(v ...float64) *path        { return newPath().poly(v...) }
func ring(cx, cy, r, inner float64) *path {
	return newPath().oval(cx, cy, r, r, 0).oval(cx, cy, -inner, inner, 0)
}

// rect is upright; a large one is cut to whole pixels, which nobody sees.
func rect(x, y, w, h float64) *path {
	p := newPath().poly(x, y, x+w, y, x+w, y+h, x, y+h)
	p.plain = w > 100 && h > 20
	return p
}

// line is a straight stroke, w1 wide at its start and w2 at its end.
func line(x1, y1, x2, y2, w1, w2 float64) *path {
	d := math.Hypot(x2-x1, y2-y1)
	if d == 0 {
		d = 1
	}
	nx, ny := -(y2-y1)/d/2, (x2-x1)/d/2
	return poly(x1+nx*w1, y1+ny*w1, x2+nx*w2, y2+ny*w2, x2-nx*w2, y2-ny*w2, x1-nx*w1, y1-ny*w1)
}

// ink is how a shape is filled. With grain, coverage goes from "from" at one
// point to "to" at the other, in stipple like sprayed or screen-printed ink.
type ink struct {
	c              rgb
	alpha          float64 // 0 means 1
	multiply       bool    // overprint
	grain          bool
	x1, y1, x2, y2 float64
	from, to       float64
	radial         bool // x2 is the radius around x1, y1
}

func solid(c rgb) ink           { return ink{c: c, alpha: 1} }
func wash(c rgb, a float64) ink { return ink{c: c, alpha: a} }
func over(c rgb, a float64) ink { return ink{c: c, alpha: a, multiply: true} }
func spray(c rgb, x1, y1, x2, y2, from, to float64) ink {
	return ink{c: c, alpha: 1, grain: true, x1: x1, y1: y1, x2: x2, y2: y2, from: from, to: to}
}
func glow(c rgb, x, y, r, from, to float64) ink {
	return ink{c: c, alpha: 1, grain: true, radial: true, x1: x, y1: y, x2: r, from: from, to: to}
}

// canvas draws into an image, inside clip only.
type canvas struct {
	img   *image.RGBA
	clip  image.Rectangle
	noise *[noiseSize * noiseSize]uint8
	mask  []uint8
}

const noiseSize = 512

// noiseTile is the grain of every picture: the same for all, as a printer's
// paper is.
func noiseTile() *[noiseSize * noiseSize]uint8 {
	var t [noiseSize * noiseSize]uint8
	r := rand.New(rand.NewPCG(1957, 24))
	for i := range t {
		t[i] = uint8(r.Uint32())
	}
	return &t
}

func newCanvas(w, h int, noise *[noiseSize * noiseSize]uint8) *canvas {
	m := image.NewRGBA(image.Rect(0, 0, w, h))
	return &canvas{img: m, clip: m.Bounds(), noise: noise}
}

func (c *canvas) in(b box) func() {
	old := c.clip
	c.clip = image.Rect(int(b.x), int(b.y), int(math.Ceil(b.x+b.w)), int(math.Ceil(b.y+b.h))).Intersect(old)
	return func() { c.clip = old }
}

func (c *canvas) fill(p *path, k ink) {
	if len(p.op) == 0 {
		return
	}
	bx := image.Rect(int(math.Floor(max(p.minX, -1e5))), int(math.Floor(max(p.minY, -1e5))), int(math.Ceil(min(p.maxX, 1e5))), int(math.Ceil(min(p.maxY, 1e5)))).Intersect(c.clip)
	if bx.Empty() {
		return
	}
	if p.plain {
		c.blend(nil, image.Rect(int(math.Round(p.minX)), int(math.Round(p.minY)), int(math.Round(p.maxX)), int(math.Round(p.maxY))).Intersect(c.clip), k)
		return
	}
	w, h := bx.Dx(), bx.Dy()
	z := vector.NewRasterizer(w, h)
	ox, oy := float64(bx.Min.X), float64(bx.Min.Y)
	i := 0
	f := func(j int) (float32, float32) { return float32(p.p[i+j] - ox), float32(p.p[i+j+1] - oy) }
	for _, op := range p.op {
		switch op {
		case 'M':
			x, y := f(0)
			z.MoveTo(x, y)
			i += 2
		case 'L':
			x, y := f(0)
			z.LineTo(x, y)
			i += 2
		case 'Q':
			a, b := f(0)
			x, y := f(2)
			z.QuadTo(a, b, x, y)
			i += 4
		case 'C':
			a, b := f(0)
			d, e := f(2)
			x, y := f(4)
			z.CubeTo(a, b, d, e, x, y)
			i += 6
		case 'Z':
			z.ClosePath()
		}
	}
	if cap(c.mask) < w*h {
		c.mask = make([]uint8, w*h)
	}
	m := &image.Alpha{Pix: c.mask[:w*h], Stride: w, Rect: image.Rect(0, 0, w, h)}
	z.DrawOp = draw.Src
	z.Draw(m, m.Rect, image.NewUniform(color.Alpha{255}), image.Point{})
	c.blend(m, bx, k)
}

// blend lays ink k on bx through the mask; a nil mask covers all of it.
func (c *canvas) blend(m *image.Alpha, bx image.Rectangle, k ink) {
	alpha := uint32(k.alpha*256 + 0.5)
	if k.alpha == 0 {
		alpha = 256
	}
	dx, dy := k.x2-k.x1, k.y2-k.y1
	inv := 1 / max(1e-9, dx*dx+dy*dy)
	r, g, b := uint32(k.c.r), uint32(k.c.g), uint32(k.c.b)
	from, span := k.from*255, (k.to-k.from)*255
	for y := bx.Min.Y; y < bx.Max.Y; y++ {
		var row []uint8
		if m != nil {
			row = m.Pix[(y-bx.Min.Y)*m.Stride:][:bx.Dx()]
		}
		noise := c.noise[(y&(noiseSize-1))*noiseSize:][:noiseSize]
		px := c.img.Pix[c.img.PixOffset(bx.Min.X, y):][:4*bx.Dx()]
		// Along a row a linear shade grows by the same step.
		t := ((float64(bx.Min.X)-k.x1)*dx + (float64(y)-k.y1)*dy) * inv
		step := dx * inv
		for i := 0; i < len(px); i, t = i+4, t+step {
			a := uint32(255)
			if row != nil {
				if a = uint32(row[i>>2]); a == 0 {
					continue
				}
			}
			x := bx.Min.X + i>>2
			if k.grain {
				u := t
				if k.radial {
					ex, ey := float64(x)-k.x1, float64(y)-k.y1
					u = math.Sqrt(ex*ex+ey*ey) / k.x2
				}
				cover := from + span*min(1, max(0, u))
				// A soft threshold: single pixels of stipple, but not harsh.
				s := (cover-float64(noise[x&(noiseSize-1)]))*(1.0/70) + 0.35
				if s <= 0 || cover <= 0 {
					continue
				}
				if s < 1 {
					a = uint32(float64(a) * s)
				}
			}
			if a = a * alpha >> 8; a == 255 && !k.multiply {
				px[i], px[i+1], px[i+2], px[i+3] = k.c.r, k.c.g, k.c.b, 255
				continue
			}
			sr, sg, sb := r, g, b
			if k.multiply {
				sr, sg, sb = r*uint32(px[i])/255, g*uint32(px[i+1])/255, b*uint32(px[i+2])/255
			}
			n := 255 - a
			px[i] = uint8((uint32(px[i])*n + sr*a + 127) / 255)
			px[i+1] = uint8((uint32(px[i+1])*n + sg*a + 127) / 255)
			px[i+2] = uint8((uint32(px[i+2])*n + sb*a + 127) / 255)
			px[i+3] = 255
		}
	}
}

// flood covers the clip with one colour.
func (c *canvas) flood(k rgb) {
	for y := c.clip.Min.Y; y < c.clip.Max.Y; y++ {
		o := c.img.PixOffset(c.clip.Min.X, y)
		for x := c.clip.Min.X; x < c.clip.Max.X; x, o = x+1, o+4 {
			c.img.Pix[o], c.img.Pix[o+1], c.img.Pix[o+2], c.img.Pix[o+3] = k.r, k.g, k.b, 255
		}
	}
}

// paper lays the tooth of the paper and a little wear at the edges over all.
func (c *canvas) paper(amount float64) {
	w, h := c.img.Rect.Dx(), c.img.Rect.Dy()
	amp := int32(amount * 256)
	vx := make([]int32, w)
	for x := range vx {
		d := math.Abs(float64(x)/float64(w)*2 - 1)
		vx[x] = int32(12 * d * d * d * d)
	}
	for y := range h {
		d := math.Abs(float64(y)/float64(h)*2 - 1)
		vy := int32(12 * d * d * d * d)
		row := c.img.Pix[y*c.img.Stride : y*c.img.Stride+4*w]
		n1 := c.noise[(y*7&(noiseSize-1))*noiseSize:]
		n2 := c.noise[((y>>1)&(noiseSize-1))*noiseSize:]
		for x := range w {
			// Fine grain and a coarser one, as of fibres.
			n := (int32(n1[(x*3+y)&(noiseSize-1)])-128)*amp>>8 + (int32(n2[(x>>1+137)&(noiseSize-1)])-128)*amp>>9 - vx[x] - vy
			for i := 4 * x; i < 4*x+3; i++ {
				row[i] = uint8(min(255, max(0, int32(row[i])+n)))
			}
		}
	}
}
