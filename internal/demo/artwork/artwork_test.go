package artwork

import (
	"bytes"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"os"
	"testing"

	"golang.org/x/image/draw"
)

func studio(t testing.TB) *Studio {
	t.Helper()
	s, err := NewStudio()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

var films = []Spec{
	{ID: "a", Title: "A Trip to the Moon", Year: 1902, Director: "Georges Méliès", Genres: []string{"sci-fi"}},
	{ID: "b", Title: "Nosferatu: A Symphony of Horror", Year: 1922, Director: "F. W. Murnau", Genres: []string{"horror"}},
	{ID: "c", Title: "Броненосец «Потёмкин»", English: "Battleship Potemkin", Russian: true, Year: 1925, Director: "Сергей Эйзенштейн", Genres: []string{"drama", "history"}},
	{ID: "d", Title: "Häxan", Genres: nil},
	{ID: "e", Title: "Supercalifragilisticexpialidocious and a great many other words that nobody would put into a title, would they now", Genres: []string{"comedy"}},
	{ID: "f", Title: "漢字", Genres: []string{"x"}},
}

func TestPosterIsTheSameEachTime(t *testing.T) {
	s := studio(t)
	seen := map[string]bool{}
	for _, f := range films {
		a, err := s.Poster(f)
		if err != nil {
			t.Fatal(err)
		}
		b, err := studio(t).Poster(f)
		if err != nil || !bytes.Equal(a, b) {
			t.Errorf("%s: drawn twice, it differs (%v)", f.Title, err)
		}
		c, err := jpeg.DecodeConfig(bytes.NewReader(a))
		if err != nil || c.Width != PosterWidth || c.Height != PosterHeight {
			t.Errorf("%s: %v %v", f.Title, c, err)
		}
		if seen[string(a)] {
			t.Errorf("%s: same as another", f.Title)
		}
		seen[string(a)] = true
	}
	for _, f := range []Spec{{}, {ID: "x"}, {Title: "x"}, {ID: "x", Title: "\xff"}} {
		if _, err := s.Poster(f); err == nil {
			t.Errorf("%+v was drawn", f)
		}
	}
}

func TestStill(t *testing.T) {
	b, err := studio(t).Still(films[0])
	if err != nil {
		t.Fatal(err)
	}
	if c, err := jpeg.DecodeConfig(bytes.NewReader(b)); err != nil || c.Width != StillWidth || c.Height != StillHeight {
		t.Errorf("%v %v", c, err)
	}
}

func TestEveryLetterIsThere(t *testing.T) {
	faces, err := loadFaces()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range []*family{faces.gothic, faces.text, faces.serif, faces.fat} {
		for _, r := range "ABCXYZabcxyz0123456789АБВЁЖЩЪЫЭЮЯабвёжщъыэюяÀÉÜÖÄßçñéèőřž«».,:!?'’-&" {
			if _, g := f.glyph(r); g == 0 {
				t.Errorf("no %c", r)
			}
		}
	}
}

func TestCompose(t *testing.T) {
	faces, err := loadFaces()
	if err != nil {
		t.Fatal(err)
	}
	for title, want := range map[string]string{
		"THE CABINET OF DR. CALIGARI":  "[THE CABINET OF DR. CALIGARI]",
		"NIGHT OF THE LIVING DEAD":     "",
		"THE PHANTOM OF THE OPERA":     "",
		"20,000 LEAGUES UNDER THE SEA": "",
	} {
		got := faces.gothic.compose(title, 680, 240, 1, .01, 200, 4)
		if len(got.lines) == 0 || got.size <= 0 {
			t.Errorf("%s: %v", title, got)
		}
		for _, l := range got.lines {
			if w := faces.gothic.width(l, .01) * got.size; w > 681 {
				t.Errorf("%s: %s is %v wide", title, l, w)
			}
		}
		_ = want
	}
}

func BenchmarkPoster(b *testing.B) {
	s := studio(b)
	for i := 0; b.Loop(); i++ {
		if _, err := s.Poster(films[i%len(films)]); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkStill(b *testing.B) {
	s := studio(b)
	for i := 0; b.Loop(); i++ {
		if _, err := s.Still(films[i%len(films)]); err != nil {
			b.Fatal(err)
		}
	}
}

// TestMontage writes a sheet of posters to look at, when CINEMA_MONTAGE names
// a file and CINEMA_CATALOG the demo's films.
func TestMontage(t *testing.T) {
	out := os.Getenv("CINEMA_MONTAGE")
	if out == "" {
		t.Skip("only for looking at")
	}
	b, err := os.ReadFile(os.Getenv("CINEMA_CATALOG"))
	if err != nil {
		t.Fatal(err)
	}
	var fs []struct {
		ID, Title, TitleRu string
		Year               int
		Genres, Directors  []string
	}
	if err := json.Unmarshal(b, &fs); err != nil {
		t.Fatal(err)
	}
	s := studio(t)
	still, ru := os.Getenv("CINEMA_MONTAGE_KIND") == "still", os.Getenv("CINEMA_MONTAGE_KIND") == "ru"
	var from, n int
	_, _ = fmt.Sscan(os.Getenv("CINEMA_MONTAGE_RANGE"), &from, &n)
	if n == 0 {
		n = len(fs)
	}
	fs = fs[from:min(len(fs), from+n)]
	cols, w, h := 6, 330, 495
	if still {
		cols, w, h = 4, 480, 270
	}
	rows := (len(fs) + cols - 1) / cols
	sheet := image.NewRGBA(image.Rect(0, 0, cols*(w+12)+12, rows*(h+12)+12))
	draw.Draw(sheet, sheet.Rect, image.NewUniform(color.RGBA{18, 18, 20, 255}), image.Point{}, draw.Src)
	for i, f := range fs {
		sp := Spec{ID: f.ID, Title: f.Title, English: f.Title, Year: f.Year, Genres: f.Genres, Director: f.Directors[0]}
		if ru {
			sp.Title, sp.Russian = f.TitleRu, true
		}
		var jpg []byte
		if still {
			jpg, err = s.Still(sp)
		} else {
			jpg, err = s.Poster(sp)
		}
		if err != nil {
			t.Fatal(err)
		}
		m, err := jpeg.Decode(bytes.NewReader(jpg))
		if err != nil {
			t.Fatal(err)
		}
		x, y := 12+i%cols*(w+12), 12+i/cols*(h+12)
		draw.ApproxBiLinear.Scale(sheet, image.Rect(x, y, x+w, y+h), m, m.Bounds(), draw.Src, nil)
	}
	o, err := os.Create(out)
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	if err := png.Encode(o, sheet); err != nil {
		t.Fatal(err)
	}
}
