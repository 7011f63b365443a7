package catalog

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/netflixathome/cinema/internal/gid"
	"github.com/netflixathome/cinema/internal/search"
)

// Title is a film or a series.
type Title interface {
	IsTitle()
	Doc() *search.Title
}

// Playable is a film or an episode.
type Playable interface{ IsPlayable() }

// record is what films and series share. It knows the request it was made for,
// which says who asks and signs addresses: fields that need no call to the
// index are plain methods, which spares the executor a goroutine each.
type record struct {
	doc *search.Title
	in  *Request
}

// Doc is the document behind the title; it must not be changed.
func (r record) Doc() *search.Title { return r.doc }

// ID is the global identifier.
func (r record) ID() gid.ID {
	if r.doc.Kind == search.KindSeries {
		return gid.Of(gid.Series, r.doc.ID)
	}
	return gid.Of(gid.Film, r.doc.ID)
}

// Version counts the record's changes.
func (r record) Version() int { return int(r.doc.Version) }

// Name is the name in the locale or the next best.
func (r record) Name(locale *string) string {
	return choose(r.doc.Name, locale, r.doc.OriginalLanguage, r.doc.OriginalName)
}

// OriginalName is the name in the language it was made in.
func (r record) OriginalName() string { return r.doc.OriginalName }

// OriginalLanguage is nil where it is unknown.
func (r record) OriginalLanguage() *string { return known(r.doc.OriginalLanguage) }

// Tagline is empty if there is none.
func (r record) Tagline(locale *string) string {
	return choose(r.doc.Tagline, locale, r.doc.OriginalLanguage, "")
}

// Description is empty if there is none.
func (r record) Description(locale *string) string {
	return choose(r.doc.Description, locale, r.doc.OriginalLanguage, "")
}

// Year is nil where it is unknown.
func (r record) Year() *int { return known(r.doc.Year) }

// AgeRating is nil for the unrated.
func (r record) AgeRating() *int { return r.doc.AgeRating }

// Countries are ISO 3166-1 codes.
func (r record) Countries() []string {
	if r.doc.Countries == nil {
		return []string{}
	}
	return r.doc.Countries
}

// Poster is nil if there is none.
func (r record) Poster() *Image { return r.in.image(r.doc.Poster) }

// Still is nil if there is none.
func (r record) Still() *Image { return r.in.image(r.doc.Still) }

// Credits are the parts of the kinds; of all kinds if there are none.
func (r record) Credits(kinds []CreditKind, first *int) ([]*Credit, error) {
	n, err := size(first, maxFirst, "first")
	if err != nil {
		return nil, err
	}
	out := []*Credit{}
	for i := range r.doc.Credits {
		c := &Credit{&r.doc.Credits[i]}
		if len(out) < n && (len(kinds) == 0 || slices.Contains(kinds, c.Kind())) {
			out = append(out, c)
		}
	}
	return out, nil
}

// AddedAt is when it was first published.
func (r record) AddedAt() time.Time { return r.doc.AddedAt }

// Film is a film.
type Film struct{ record }

// IsTitle marks a Title.
func (Film) IsTitle() {}

// IsPlayable marks a Playable.
func (Film) IsPlayable() {}

// IsEntity marks an entity of the federation.
func (Film) IsEntity() {}

// DurationMs is measured if it can be played, else as catalogued.
func (f Film) DurationMs() *int { return duration(f.doc.Media, f.doc.DurationMs) }

// Playback is nil until its media is ready.
func (f Film) Playback() *Playback { return f.in.playback(f.doc.Media) }

// Series is a series.
type Series struct{ record }

// IsTitle marks a Title.
func (Series) IsTitle() {}

// IsEntity marks an entity of the federation.
func (Series) IsEntity() {}

// EndYear is nil where it goes on or is unknown.
func (s Series) EndYear() *int { return known(s.doc.EndYear) }

// Seasons are in order.
func (s Series) Seasons() []*Season {
	out := make([]*Season, len(s.doc.Seasons))
	for i := range s.doc.Seasons {
		out[i] = &Season{doc: &s.doc.Seasons[i], series: s.doc, in: s.in}
	}
	return out
}

// Season is a season of a series.
type Season struct {
	doc    *search.Season
	series *search.Title
	in     *Request
}

// ID is the global identifier.
func (s Season) ID() gid.ID { return gid.Of(gid.Season, s.doc.ID) }

// Number counts from 1.
func (s Season) Number() int { return s.doc.Number }

// Episodes are in order.
func (s Season) Episodes() []*Episode {
	out := make([]*Episode, len(s.doc.Episodes))
	for i := range s.doc.Episodes {
		out[i] = &Episode{doc: &s.doc.Episodes[i], season: s.doc, series: s.series, in: s.in}
	}
	return out
}

// Episode is an episode; it knows its series, because both are one document.
type Episode struct {
	doc    *search.Episode
	season *search.Season
	series *search.Title
	in     *Request
}

// IsPlayable marks a Playable.
func (Episode) IsPlayable() {}

// IsEntity marks an entity of the federation.
func (Episode) IsEntity() {}

// ID is the global identifier.
func (e Episode) ID() gid.ID { return gid.Of(gid.Episode, e.doc.ID) }

// Name is the name in the locale or the next best.
func (e Episode) Name(locale *string) string {
	return choose(e.doc.Name, locale, e.series.OriginalLanguage, e.doc.OriginalName)
}

// Number counts from 1 within the season.
func (e Episode) Number() int { return e.doc.Number }

// SeasonNumber counts from 1.
func (e Episode) SeasonNumber() int { return e.season.Number }

// Series is what it belongs to.
func (e Episode) Series() *Series { return &Series{record{e.series, e.in}} }

// Description is empty if there is none.
func (e Episode) Description(locale *string) string {
	return choose(e.doc.Description, locale, e.series.OriginalLanguage, "")
}

// DurationMs is measured if it can be played, else as catalogued.
func (e Episode) DurationMs() *int { return duration(e.doc.Media, e.doc.DurationMs) }

// Playback is nil until its media is ready.
func (e Episode) Playback() *Playback { return e.in.playback(e.doc.Media) }

// titleOf wraps a document; nil stays a nil interface.
func (r *Request) titleOf(doc *search.Title) Title {
	switch {
	case doc == nil:
		return nil
	case doc.Kind == search.KindSeries:
		return &Series{record{doc, r}}
	default:
		return &Film{record{doc, r}}
	}
}

// episodeOf finds an episode in its series; nil if it is not there.
func (r *Request) episodeOf(series *search.Title, id uuid.UUID) *Episode {
	for i := range series.Seasons {
		season := &series.Seasons[i]
		for j := range season.Episodes {
			if season.Episodes[j].ID == id {
				return &Episode{doc: &season.Episodes[j], season: season, series: series, in: r}
			}
		}
	}
	return nil
}

// Genre is what a title is filed under.
type Genre struct{ doc *search.Genre }

// IsEntity marks an entity of the federation.
func (Genre) IsEntity() {}

// ID is the global identifier.
func (g Genre) ID() gid.ID { return gid.Of(gid.Genre, g.doc.ID) }

// Slug never changes.
func (g Genre) Slug() string { return g.doc.Slug }

// Name is the name in the locale or the next best.
func (g Genre) Name(locale *string) string { return choose(g.doc.Names, locale, "", g.doc.Slug) }

// Person is one who made titles or played in them.
type Person struct{ doc *search.Person }

// IsEntity marks an entity of the federation.
func (Person) IsEntity() {}

// ID is the global identifier.
func (p Person) ID() gid.ID { return gid.Of(gid.Person, p.doc.ID) }

// Name is the name in the locale, else the international one.
func (p Person) Name(locale *string) string { return choose(p.doc.Names, locale, "", p.doc.Name) }

// CreditKind is what a person did for a title.
type CreditKind string

// Credit is a person's part in a title. Titles carry the names of their
// people, so it needs nothing more from the index.
type Credit struct{ doc *search.Credit }

// Person is who.
func (c Credit) Person() *Person {
	return &Person{&search.Person{ID: c.doc.PersonID, Name: c.doc.Name, Names: c.doc.Names}}
}

// Kind is what the part was.
func (c Credit) Kind() CreditKind { return CreditKind(strings.ToUpper(c.doc.Kind)) }

// Character is empty if none or unknown.
func (c Credit) Character(locale *string) string { return choose(c.doc.Character, locale, "", "") }

// Image is a picture in several widths.
type Image struct {
	doc   *search.Image
	media MediaURLs
}

func (r *Request) image(doc *search.Image) *Image {
	if doc == nil || len(doc.Widths) == 0 {
		return nil
	}
	return &Image{doc, r.service.media}
}

// URL is the address of the smallest width that is at least width, or of the
// widest.
func (i Image) URL(width *int) (string, error) {
	want := 400
	if width != nil {
		want = *width
	}
	best := 0
	for _, w := range i.doc.Widths {
		switch {
		case best == 0,
			w >= want && (best < want || w < best),
			w < want && best < want && w > best:
			best = w
		}
	}
	u, err := i.media.StableURL(fmt.Sprintf("%s/%d.jpg", i.doc.Prefix, best))
	if err != nil {
		return "", fmt.Errorf("catalog: sign a picture: %w", err)
	}
	return u, nil
}

// Placeholder is a tiny picture as a data: address.
func (i Image) Placeholder() string { return i.doc.Placeholder }

// Colour is the leading colour as #rrggbb.
func (i Image) Colour() string { return i.doc.Colour }

// SimilarReason is what two titles have in common.
type SimilarReason string

// The reasons, the strongest first.
const (
	SameDirector SimilarReason = "SAME_DIRECTOR"
	SameActor    SimilarReason = "SAME_ACTOR"
	SameGenre    SimilarReason = "SAME_GENRE"
)

// SimilarTitle is another title and why it is shown.
type SimilarTitle struct {
	Title  Title
	Reason SimilarReason
	Person *Person
	Genre  *Genre
}

// Playback is how to play a film or episode. Addresses are signed when they
// are asked for: a list that only tells lengths is the same for everybody.
type Playback struct {
	media  *search.Media
	in     *Request
	prefix string
	// base is the signed address of prefix: one signature covers what lies
	// below it.
	base func() (string, error)
}

func (p *Playback) ttl() time.Duration {
	return max(linksLive, time.Duration(p.media.DurationMs)*time.Millisecond+longBreak)
}

// link is the signed address of a key. Only one that lies elsewhere, such as
// that of a subtitle uploaded by itself, needs a signature of its own.
func (p *Playback) link(key string) (string, error) {
	rest, below := strings.CutPrefix(key, p.prefix)
	if !below {
		return p.in.sign(p.in.service.media.URL, key, p.ttl())
	}
	base, err := p.base()
	if err != nil {
		return "", err
	}
	return base + rest, nil
}

// URL is the address of the master playlist.
func (p *Playback) URL() (string, error) { return p.link(p.media.MasterKey) }

// ExpiresAt is when the addresses end.
func (p *Playback) ExpiresAt() time.Time {
	p.in.unshared.Store(true)
	return p.in.service.now().Add(p.ttl()).UTC()
}

// DurationMs is the length.
func (p *Playback) DurationMs() int { return int(p.media.DurationMs) }

// ThumbnailsURL is nil if there are none.
func (p *Playback) ThumbnailsURL() (*string, error) {
	if p.media.ThumbnailsKey == "" {
		return nil, nil // the schema says null
	}
	u, err := p.link(p.media.ThumbnailsKey)
	return &u, err
}

// Renditions are the pictures by height, the best first.
func (p *Playback) Renditions() []*Rendition {
	out := make([]*Rendition, len(p.media.Renditions))
	for i, x := range p.media.Renditions {
		out[i] = &Rendition{Name: x.Name, Height: x.Height, Bitrate: x.Bitrate}
	}
	slices.SortStableFunc(out, func(a, b *Rendition) int { return cmp.Or(b.Height-a.Height, b.Bitrate-a.Bitrate) })
	return out
}

// Subtitles are the tracks.
func (p *Playback) Subtitles() []*SubtitleTrack {
	out := make([]*SubtitleTrack, len(p.media.Subtitles))
	for i := range p.media.Subtitles {
		out[i] = &SubtitleTrack{&p.media.Subtitles[i], p}
	}
	return out
}

// Complete reports whether all renditions are ready.
func (p *Playback) Complete() bool { return p.media.Complete }

// Rendition is a quality.
type Rendition struct {
	Name            string
	Height, Bitrate int
}

// SubtitleTrack is a subtitle track.
type SubtitleTrack struct {
	doc *search.Subtitle
	in  *Playback
}

// Locale is nil where it is unknown.
func (s SubtitleTrack) Locale() *string { return known(s.doc.Language) }

// Label is the name for the menu.
func (s SubtitleTrack) Label() string { return s.doc.Label }

// URL is the address of the WebVTT file.
func (s SubtitleTrack) URL() (string, error) { return s.in.link(s.doc.Key) }

// TitleKind is a film or a series.
type TitleKind string

// The kinds.
const (
	TitleKindFilm   TitleKind = "FILM"
	TitleKindSeries TitleKind = "SERIES"
)

// TitleSort is the order of titles.
type TitleSort string

// TitleFilter is what to keep of the titles.
type TitleFilter struct {
	Kinds        []TitleKind
	GenreIDs     []gid.ID
	PersonIDs    []gid.ID
	YearFrom     *int
	YearTo       *int
	AgeRatingMax *int
	Countries    []string
	Languages    []string
	Playable     *bool
}

// TitleConnection is a page of titles.
type TitleConnection struct {
	Edges      []*TitleEdge
	PageInfo   *PageInfo
	TotalCount int
	Facets     *TitleFacets
	Suggestion *string
}

// TitleEdge is a title in a list.
type TitleEdge struct {
	Cursor string
	Node   Title
	asked  bool
	marked search.Text
}

// Highlight is the name with what matched marked; empty without a query.
func (e TitleEdge) Highlight(locale *string) string {
	if !e.asked {
		return ""
	}
	doc := e.Node.Doc()
	if in := chosen(doc.Name, locale, doc.OriginalLanguage, doc.OriginalName); in != "" && e.marked[in] != "" {
		return e.marked[in]
	}
	return choose(doc.Name, locale, doc.OriginalLanguage, doc.OriginalName)
}

// TitleFacets are counts by value.
type TitleFacets struct {
	Genres    []*GenreFacet
	Kinds     []*KindFacet
	Decades   []*DecadeFacet
	Languages []*LanguageFacet
}

// GenreFacet counts titles of a genre.
type GenreFacet struct {
	Genre *Genre
	Count int
}

// KindFacet counts titles of a kind.
type KindFacet struct {
	Kind  TitleKind
	Count int
}

// DecadeFacet counts titles of a decade.
type DecadeFacet struct{ From, Count int }

// LanguageFacet counts titles of a language.
type LanguageFacet struct {
	Language string
	Count    int
}

// PersonConnection is a page of people.
type PersonConnection struct {
	Edges      []*PersonEdge
	PageInfo   *PageInfo
	TotalCount int
}

// PersonEdge is a person in a list.
type PersonEdge struct {
	Cursor string
	Node   *Person
}

// PageInfo is where a page stands in its list.
type PageInfo struct {
	HasNextPage, HasPreviousPage bool
	StartCursor, EndCursor       *string
}

// chosen is the locale in which a text is shown: the one asked for or its
// language, then English, then the language it was made in; empty for none.
func chosen(t search.Text, locale *string, originalLanguage, original string) string {
	var asked, base string
	if locale != nil {
		asked = *locale
		base, _, _ = strings.Cut(asked, "-")
	}
	for _, l := range [...]string{asked, base, "en", originalLanguage} {
		if l != "" && t[l] != "" {
			return l
		}
	}
	if original != "" {
		return ""
	}
	// Any, but always the same one.
	var any string
	for l, s := range t {
		if s != "" && (any == "" || l < any) {
			any = l
		}
	}
	return any
}

func choose(t search.Text, locale *string, originalLanguage, original string) string {
	if l := chosen(t, locale, originalLanguage, original); l != "" {
		return t[l]
	}
	return original
}

func known[T comparable](v T) *T {
	var zero T
	if v == zero {
		return nil
	}
	return &v
}

func duration(m *search.Media, catalogued int64) *int {
	if m != nil && m.DurationMs > 0 {
		catalogued = m.DurationMs
	}
	return known(int(catalogued))
}
