// Package search is the port to the index from which the catalogue is served.
//
// The ETL writes whole documents, made from Postgres rows alone; the catalog
// subgraph reads them. An adapter must analyse Russian and English words,
// forgive typos, count facets, and keep pages stable while documents change.
// searchtest is what every adapter must pass.
package search

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"
)

// Kinds of titles.
const (
	KindFilm   = "film"
	KindSeries = "series"
)

// Text is a word or a passage by locale ("ru", "en").
type Text map[string]string

// Title is the document of a film or series.
type Title struct {
	ID               uuid.UUID   `json:"id"`
	Kind             string      `json:"kind"`
	Version          int64       `json:"version"` // counts the record's changes
	OriginalName     string      `json:"originalName"`
	OriginalLanguage string      `json:"originalLanguage"`
	Name             Text        `json:"name"`
	Tagline          Text        `json:"tagline"`
	Description      Text        `json:"description"`
	Year             int         `json:"year"`      // 0 if unknown
	EndYear          int         `json:"endYear"`   // 0 if unknown
	AgeRating        *int        `json:"ageRating"` // years; nil if unrated
	Countries        []string    `json:"countries"`
	GenreIDs         []uuid.UUID `json:"genreIds"`
	GenreNames       []Text      `json:"genreNames"` // for matching; same order
	Credits          []Credit    `json:"credits"`    // in order
	Poster           *Image      `json:"poster"`
	Still            *Image      `json:"still"`
	DurationMs       int64       `json:"durationMs"` // catalogued; 0 if unknown
	Media            *Media      `json:"media"`      // a film's; nil until it can be played
	Seasons          []Season    `json:"seasons"`
	AddedAt          time.Time   `json:"addedAt"` // first published
}

// Credit is a person's part in a title.
type Credit struct {
	PersonID  uuid.UUID `json:"personId"`
	Name      string    `json:"name"`  // international
	Names     Text      `json:"names"` // by locale
	Kind      string    `json:"kind"`  // director, writer, actor, composer, producer, cinematographer
	Character Text      `json:"character"`
}

// Image names the stored widths of a picture; the object of a width w is
// Prefix + "/" + w + ".jpg".
type Image struct {
	Prefix      string `json:"prefix"`
	Widths      []int  `json:"widths"`
	Placeholder string `json:"placeholder"` // data: address
	Colour      string `json:"colour"`      // #rrggbb
}

// Media is how a film or episode can be played; keys are of the object store.
type Media struct {
	AssetID       uuid.UUID   `json:"assetId"`
	DurationMs    int64       `json:"durationMs"`
	Prefix        string      `json:"prefix"`        // all keys below it are covered by one signed address
	MasterKey     string      `json:"masterKey"`     // HLS master playlist
	ThumbnailsKey string      `json:"thumbnailsKey"` // WebVTT; empty if none
	Renditions    []Rendition `json:"renditions"`
	Subtitles     []Subtitle  `json:"subtitles"`
	Complete      bool        `json:"complete"`
}

// Rendition is a quality that is ready.
type Rendition struct {
	Name    string `json:"name"`
	Height  int    `json:"height"`
	Bitrate int    `json:"bitrate"` // bits per second
}

// Subtitle is a WebVTT track.
type Subtitle struct {
	Language string `json:"language"` // BCP 47; empty if unknown
	Label    string `json:"label"`
	Key      string `json:"key"`
}

// Season of a series.
type Season struct {
	ID       uuid.UUID `json:"id"`
	Number   int       `json:"number"`
	Episodes []Episode `json:"episodes"`
}

// Episode of a season.
type Episode struct {
	ID           uuid.UUID `json:"id"`
	Number       int       `json:"number"`
	OriginalName string    `json:"originalName"`
	Name         Text      `json:"name"`
	Description  Text      `json:"description"`
	DurationMs   int64     `json:"durationMs"`
	Media        *Media    `json:"media"`
}

// Person is the document of a person.
type Person struct {
	ID      uuid.UUID `json:"id"`
	Version int64     `json:"version"`
	Name    string    `json:"name"`
	Names   Text      `json:"names"`
	// AgeRating is the lowest of the titles that credit them; nil where none is rated.
	AgeRating *int `json:"ageRating"`
}

// Genre is the document of a genre.
type Genre struct {
	ID      uuid.UUID `json:"id"`
	Version int64     `json:"version"`
	Slug    string    `json:"slug"`
	Names   Text      `json:"names"`
}

// Filter narrows titles. Values of one field are alternatives, but PersonIDs,
// all of which a title must credit; fields add up.
type Filter struct {
	Kinds        []string
	GenreIDs     []uuid.UUID
	PersonIDs    []uuid.UUID
	YearFrom     int // 0: no bound
	YearTo       int
	AgeRatingMax *int // unrated titles stay
	// RatedOnly drops unrated titles too: a child's profile.
	RatedOnly bool
	Countries []string
	Languages []string
	Playable  *bool
	ExceptIDs []uuid.UUID
}

// Sort is the order of titles; ties are broken by identifier.
type Sort string

// The orders.
const (
	SortRelevance Sort = "relevance"
	SortAdded     Sort = "added"
	SortYearDesc  Sort = "year_desc"
	SortYearAsc   Sort = "year_asc"
	SortName      Sort = "name"
)

// Query asks for a page of titles.
type Query struct {
	Text   string // empty: all
	Locale string // prefers names in it for SortName
	Filter Filter
	Sort   Sort
	First  int    // 1 to 100
	After  string // cursor of the hit to go on behind; empty: from the start
	Facets bool   // count them; a facet does not narrow itself
}

// Hit is a title found.
type Hit struct {
	Title  *Title
	Cursor string
	// Highlight is the name by locale with what matched between « and »;
	// only where something matched.
	Highlight Text
}

// Results is a page of titles.
type Results struct {
	Hits       []Hit
	Total      int
	HasNext    bool
	Facets     Facets
	Suggestion string // a spelling that finds more; empty if none
}

// Facets count titles by value.
type Facets struct {
	Genres    map[uuid.UUID]int
	Kinds     map[string]int
	Decades   map[int]int // first year of the decade
	Languages map[string]int
}

// PeopleResults is a page of people.
type PeopleResults struct {
	People  []*Person
	Cursors []string
	Total   int
	HasNext bool
}

// Reader is what the catalog needs. Documents returned must not be changed.
type Reader interface {
	Search(ctx context.Context, q Query) (*Results, error)
	// SearchPeople finds people by name in spite of typos; empty text: all by name.
	// With a limit only those whose AgeRating is that or less, as for RatedOnly.
	SearchPeople(ctx context.Context, text string, first int, after string, limit *int) (*PeopleResults, error)
	// TitlesByID, PeopleByID, GenresByID leave out what they do not know.
	TitlesByID(ctx context.Context, ids []uuid.UUID) (map[uuid.UUID]*Title, error)
	// SeriesByEpisode finds the series that hold the episodes.
	SeriesByEpisode(ctx context.Context, episodeIDs []uuid.UUID) (map[uuid.UUID]*Title, error)
	PeopleByID(ctx context.Context, ids []uuid.UUID) (map[uuid.UUID]*Person, error)
	GenresByID(ctx context.Context, ids []uuid.UUID) (map[uuid.UUID]*Genre, error)
	// Genres are all genres with the number of titles that carry each.
	Genres(ctx context.Context) ([]GenreCount, error)
}

// GenreCount is a genre and how many titles carry it.
type GenreCount struct {
	Genre *Genre
	Count int
}

// Batch is a set of changes that reach the index together.
type Batch struct {
	PutTitles    []*Title
	DeleteTitles []uuid.UUID
	PutPeople    []*Person
	DeletePeople []uuid.UUID
	PutGenres    []*Genre
	DeleteGenres []uuid.UUID
}

// Writer is what the ETL needs.
type Writer interface {
	// Apply makes the batch durable and visible to every Reader call that
	// starts after it returned.
	Apply(ctx context.Context, b Batch) error
	// Rebuild starts an empty index beside the one in use. Readers see the
	// old one until Swap.
	Rebuild(ctx context.Context) (Rebuild, error)
	// Position is where the writer stood, as last set by SetPosition in the
	// index in use; empty for a new index or one with a foreign mapping.
	Position(ctx context.Context) (string, error)
	// SetPosition is durable when it returns.
	SetPosition(ctx context.Context, position string) error
}

// Rebuild is an index that is being filled.
type Rebuild interface {
	// Apply may be called by several at once.
	Apply(ctx context.Context, b Batch) error
	// Swap makes it the index in use, with no moment in between without one,
	// and removes the old one.
	Swap(ctx context.Context, position string) error
	// Discard gives it up.
	Discard(ctx context.Context) error
}

// ErrBadCursor is returned for a cursor that this index did not make.
var ErrBadCursor = errors.New("search: not a cursor of this list")
