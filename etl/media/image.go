package media

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"io"
	"strings"

	"golang.org/x/image/draw"
	"golang.org/x/image/webp"
)

// PictureKind says what an uploaded picture is for.
type PictureKind string

// The kinds, with the widths they are made in.
const (
	Poster PictureKind = "poster" // 2 : 3; 200, 400, 800 wide
	Still  PictureKind = "still"  // 16 : 9; 640, 1280, 1920 wide
)

// Widths are the widths in pixels that pictures of the kind are made in.
func (k PictureKind) Widths() []int {
	switch k {
	case Poster:
		return []int{200, 400, 800}
	case Still:
		return []int{640, 1280, 1920}
	}
	return nil
}

// Picture is an uploaded image made safe: decoded and encoded anew, so that
// nothing of the upload but its pixels is left.
type Picture struct {
	Width, Height int // of the upload, upright
	// Sizes hold JPEGs, smallest first, cut to the kind's shape. A width over
	// the upload's own is left out, but there is always one.
	Sizes []Size
	// Placeholder is a data: URL of some pixels (about 400 bytes), to be shown
	// stretched and blurred while the picture loads.
	Placeholder string
	// Color is the dominant colour, such as "#1a2b3c".
	Color string
}

// Size is one JPEG.
type Size struct {
	Width, Height int
	JPEG          []byte
}

// Limits on an uploaded picture.
const (
	MaxPictureBytes = 20 << 20
	maxPicPixels    = 50_000_000
	minPicWidth     = 100
)

// InspectImage decodes a JPEG, PNG or WebP and makes the sizes of its kind.
// Anything else, such as SVG or HTML by whatever name, is refused with a
// *fault.Error of kind Invalid.
func InspectImage(ctx context.Context, r io.Reader, kind PictureKind) (Picture, error) {
	widths := kind.Widths()
	if widths == nil {
		return Picture{}, fmt.Errorf("media: unknown kind of picture %q", kind)
	}
	b, err := io.ReadAll(io.LimitReader(r, MaxPictureBytes+1))
	if err != nil {
		return Picture{}, fmt.Errorf("read the picture: %w", err)
	}
	src, err := decode(b)
	if err != nil {
		return Picture{}, err
	}
	if err := ctx.Err(); err != nil {
		return Picture{}, err
	}
	p := Picture{Width: src.Bounds().Dx(), Height: src.Bounds().Dy()}
	crop := cropTo(src.Bounds(), kind)
	// From the largest down, each from the one before: halving thrice costs
	// little more than the first step.
	for i := len(widths) - 1; i >= 0; i-- {
		w := widths[i]
		if w > crop.Dx() && i > 0 {
			continue
		}
		w = min(w, crop.Dx())
		dst := image.NewRGBA(image.Rect(0, 0, w, shape(kind, w)))
		if dst.Bounds().Size() == crop.Size() {
			draw.Copy(dst, image.Point{}, src, crop, draw.Src, nil)
		} else {
			draw.CatmullRom.Scale(dst, dst.Bounds(), src, crop, draw.Src, nil)
		}
		var out bytes.Buffer
		if err := jpeg.Encode(&out, dst, &jpeg.Options{Quality: 85}); err != nil {
			return Picture{}, fmt.Errorf("encode the picture: %w", err)
		}
		p.Sizes = append([]Size{{dst.Bounds().Dx(), dst.Bounds().Dy(), out.Bytes()}}, p.Sizes...)
		src, crop = dst, dst.Bounds()
		if err := ctx.Err(); err != nil {
			return Picture{}, err
		}
	}
	p.Placeholder, p.Color = Placeholder(src)
	return p, nil
}

func shape(kind PictureKind, w int) int {
	if kind == Poster {
		return (w*3 + 1) / 2
	}
	return (w*9 + 8) / 16
}

// cropTo is the largest part of b in the kind's shape: the middle, and for
// height a little above it, where faces are.
func cropTo(b image.Rectangle, kind PictureKind) image.Rectangle {
	w, h := b.Dx(), shape(kind, b.Dx())
	if h > b.Dy() {
		h = b.Dy()
		if kind == Poster {
			w = h * 2 / 3
		} else {
			w = h * 16 / 9
		}
	}
	w, h = max(1, w), max(1, h)
	x, y := b.Min.X+(b.Dx()-w)/2, b.Min.Y+(b.Dy()-h)/3
	return image.Rect(x, y, x+w, y+h)
}

// decode takes the three formats by their first bytes and looks at the size
// before it makes room for the pixels.
func decode(b []byte) (image.Image, error) {
	switch {
	case len(b) == 0:
		return nil, refuse(ReasonEmpty, "The file is empty.")
	case len(b) > MaxPictureBytes:
		return nil, refuse(ReasonTooLarge, "The picture is larger than %d MB.", MaxPictureBytes>>20)
	}
	var config func(io.Reader) (image.Config, error)
	var full func(io.Reader) (image.Image, error)
	turn := 1
	switch {
	case bytes.HasPrefix(b, []byte("\xff\xd8\xff")):
		config, full, turn = jpeg.DecodeConfig, jpeg.Decode, orientation(b)
	case bytes.HasPrefix(b, []byte("\x89PNG\r\n\x1a\n")):
		config, full = png.DecodeConfig, png.Decode
	case len(b) > 12 && string(b[:4]) == "RIFF" && string(b[8:12]) == "WEBP":
		config, full = webp.DecodeConfig, webp.Decode
	default:
		return nil, refuse(ReasonNotAPicture, "This is not a picture that can be used: JPEG, PNG or WebP is wanted.")
	}
	c, err := config(bytes.NewReader(b))
	if err != nil {
		return nil, brokenPicture(err)
	}
	if c.Width < 1 || c.Height < 1 || c.Width > 20_000 || c.Height > 20_000 || c.Width*c.Height > maxPicPixels {
		return nil, refuse(ReasonTooLarge, "The picture is %d × %d; %d megapixels is the most.", c.Width, c.Height, maxPicPixels/1_000_000)
	}
	if c.Width < minPicWidth || c.Height < minPicWidth {
		return nil, refuse(ReasonTooSmall, "The picture is %d × %d; it must be at least %d on each side.", c.Width, c.Height, minPicWidth)
	}
	m, err := full(bytes.NewReader(b))
	if err != nil {
		return nil, brokenPicture(err)
	}
	return flatten(m, turn), nil
}

func brokenPicture(err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) || strings.Contains(err.Error(), "short Huffman data") {
		return refuse(ReasonTruncated, "The picture ends too early: it was cut short on its way. Upload it again.").Because(err)
	}
	return refuse(ReasonNotAPicture, "The picture is broken and cannot be read.").Because(err)
}

// flatten turns the picture upright by its EXIF orientation (which is about to
// be dropped) and lays transparent ones on black.
func flatten(m image.Image, turn int) image.Image {
	_, opaque := m.(*image.YCbCr)
	if turn <= 1 && opaque {
		return m
	}
	b := m.Bounds()
	dst := image.NewRGBA(image.Rect(0, 0, b.Dx(), b.Dy()))
	draw.Draw(dst, dst.Bounds(), image.NewUniform(color.Black), image.Point{}, draw.Src)
	draw.Draw(dst, dst.Bounds(), m, b.Min, draw.Over)
	if turn <= 1 {
		return dst
	}
	w, h := b.Dx(), b.Dy()
	ow, oh := w, h
	if turn >= 5 {
		ow, oh = h, w
	}
	out := image.NewRGBA(image.Rect(0, 0, ow, oh))
	for y := range oh {
		for x := range ow {
			sx, sy := x, y
			switch turn {
			case 2:
				sx = w - 1 - x
			case 3:
				sx, sy = w-1-x, h-1-y
			case 4:
				sy = h - 1 - y
			case 5:
				sx, sy = y, x
			case 6:
				sx, sy = y, h-1-x
			case 7:
				sx, sy = w-1-y, h-1-x
			case 8:
				sx, sy = w-1-y, x
			}
			copy(out.Pix[out.PixOffset(x, y):][:4], dst.Pix[dst.PixOffset(sx, sy):][:4])
		}
	}
	return out
}

// orientation finds tag 0x0112 in the first EXIF segment of a JPEG; 1 (upright)
// when there is none or it makes no sense.
func orientation(b []byte) int {
	for i := 2; i+4 <= len(b) && b[i] == 0xff; {
		marker, n := b[i+1], int(binary.BigEndian.Uint16(b[i+2:]))
		if marker == 0xda || n < 2 || i+2+n > len(b) {
			return 1
		}
		if seg := b[i+4 : i+2+n]; marker == 0xe1 && bytes.HasPrefix(seg, []byte("Exif\x00\x00")) {
			return tiffOrientation(seg[6:])
		}
		i += 2 + n
	}
	return 1
}

func tiffOrientation(t []byte) int {
	if len(t) < 8 {
		return 1
	}
	var o binary.ByteOrder = binary.LittleEndian
	if t[0] == 'M' {
		o = binary.BigEndian
	}
	at := int64(o.Uint32(t[4:]))
	if at+2 > int64(len(t)) {
		return 1
	}
	n := int64(o.Uint16(t[at:]))
	for e := at + 2; n > 0 && e+12 <= int64(len(t)); e, n = e+12, n-1 {
		if o.Uint16(t[e:]) == 0x0112 {
			if v := int(o.Uint16(t[e+8:])); v >= 1 && v <= 8 {
				return v
			}
			return 1
		}
	}
	return 1
}

// Placeholder makes a picture of some pixels as a data: URL, to be shown
// stretched while the picture itself loads, and its dominant colour.
func Placeholder(m image.Image) (dataURL, dominant string) {
	b := m.Bounds()
	w, h := 8, max(2, min(14, 8*b.Dy()/b.Dx()))
	if b.Dx() > b.Dy() {
		w, h = 12, max(2, 12*b.Dy()/b.Dx())
	}
	dst := image.NewRGBA(image.Rect(0, 0, w, h))
	draw.BiLinear.Scale(dst, dst.Bounds(), m, b, draw.Src, nil)
	// Five bits a channel are enough for a blur, and pack better.
	for i := range dst.Pix {
		if i%4 != 3 {
			dst.Pix[i] = dst.Pix[i]&^7 | dst.Pix[i]>>5
		}
	}
	var out bytes.Buffer
	enc := png.Encoder{CompressionLevel: png.BestCompression}
	if enc.Encode(&out, opaqueRGB{dst}) != nil { // a bytes.Buffer takes anything
		return "", ""
	}
	return "data:image/png;base64," + base64.StdEncoding.EncodeToString(out.Bytes()), dominantOf(dst)
}

// opaqueRGB tells the PNG encoder to leave the alpha channel out.
type opaqueRGB struct{ *image.RGBA }

func (opaqueRGB) Opaque() bool { return true }

// dominantOf is the mean of the most common coarse colour, in which vivid
// pixels count for more than grey ones.
func dominantOf(m *image.RGBA) string {
	type bin struct{ r, g, b, n float64 }
	bins := map[int]*bin{}
	best := &bin{}
	for i := 0; i+3 < len(m.Pix); i += 4 {
		r, g, b := int(m.Pix[i]), int(m.Pix[i+1]), int(m.Pix[i+2])
		k := r>>6<<4 | g>>6<<2 | b>>6
		v := bins[k]
		if v == nil {
			v = &bin{}
			bins[k] = v
		}
		weight := 1 + float64(max(r, g, b)-min(r, g, b))/64
		v.r, v.g, v.b, v.n = v.r+weight*float64(r), v.g+weight*float64(g), v.b+weight*float64(b), v.n+weight
		if v.n > best.n {
			best = v
		}
	}
	if best.n == 0 {
		return "#000000"
	}
	return fmt.Sprintf("#%02x%02x%02x", int(best.r/best.n), int(best.g/best.n), int(best.b/best.n))
}
