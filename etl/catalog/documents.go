package catalog

import (
	"encoding/json"
	"fmt"
	"path"
	"time"

	"github.com/google/uuid"

	"github.com/netflixathome/cinema/internal/search"
)

// documentVersion changes with what the functions below make of the same
// rows, so that a newer program rebuilds the index of an older one.
const documentVersion = 2

// titleRows are the rows that a title's document is made of. JSON columns are
// raw, so that one that cannot be read spoils one document and not a query.
type titleRows struct {
	ID               uuid.UUID
	Kind             string
	Version          int64
	OriginalName     string
	OriginalLanguage *string
	Year, EndYear    *int
	DurationMs       *int64
	AgeRating        *int
	Countries        []string
	Poster, Still    []byte
	PublishedAt      time.Time
	Words            []wordsRow
	Genres           []genreRow  // in order
	Credits          []creditRow // in order
	Seasons          []seasonRow // in order, each with an episode
	Media            map[uuid.UUID]*mediaRow
}

// wordsRow is a translation of a title or an episode.
type wordsRow struct{ Locale, Name, Tagline, Description string }

type genreRow struct {
	ID      uuid.UUID
	Version int64
	Slug    string
	Names   []byte // locale to name
}

type creditRow struct {
	PersonID   uuid.UUID
	Name       string
	Names      []byte // locale to name
	Kind       string
	Characters []byte // locale to name
}

type seasonRow struct {
	ID       uuid.UUID
	Number   int
	Episodes []episodeRow
}

type episodeRow struct {
	ID           uuid.UUID
	Number       int
	OriginalName string
	DurationMs   *int64
	Words        []wordsRow
}

type mediaRow struct {
	AssetID       uuid.UUID
	DurationMs    int64
	MasterKey     string
	ThumbnailsKey string
	Complete      bool
	Subtitles     []byte
	Renditions    []search.Rendition // the best first
}

// titleDocument is pure: the same rows make the same document.
func titleDocument(r *titleRows) (*search.Title, error) {
	t := &search.Title{
		ID: r.ID, Kind: r.Kind, Version: r.Version, OriginalName: r.OriginalName,
		Name: search.Text{}, Tagline: search.Text{}, Description: search.Text{},
		AgeRating: r.AgeRating, Countries: r.Countries, AddedAt: r.PublishedAt.UTC(),
		Year: orZero(r.Year), EndYear: orZero(r.EndYear), DurationMs: orZero(r.DurationMs),
	}
	if r.OriginalLanguage != nil {
		t.OriginalLanguage = *r.OriginalLanguage
	}
	for _, w := range r.Words {
		put(t.Name, w.Locale, w.Name)
		put(t.Tagline, w.Locale, w.Tagline)
		put(t.Description, w.Locale, w.Description)
	}
	var err error
	if t.Poster, err = picture(r.Poster); err != nil {
		return nil, fmt.Errorf("poster: %w", err)
	}
	if t.Still, err = picture(r.Still); err != nil {
		return nil, fmt.Errorf("still: %w", err)
	}
	for _, g := range r.Genres {
		n, err := names(g.Names)
		if err != nil {
			return nil, fmt.Errorf("genre %s: %w", g.ID, err)
		}
		t.GenreIDs = append(t.GenreIDs, g.ID)
		t.GenreNames = append(t.GenreNames, n)
	}
	for _, c := range r.Credits {
		n, err := names(c.Names)
		if err != nil {
			return nil, fmt.Errorf("person %s: %w", c.PersonID, err)
		}
		character, err := names(c.Characters)
		if err != nil {
			return nil, fmt.Errorf("credit of person %s: %w", c.PersonID, err)
		}
		t.Credits = append(t.Credits, search.Credit{PersonID: c.PersonID, Name: c.Name, Names: n, Kind: c.Kind, Character: character})
	}
	if r.Kind == search.KindFilm {
		if t.Media, err = media(r.Media[r.ID]); err != nil {
			return nil, err
		}
	}
	for _, s := range r.Seasons {
		season := search.Season{ID: s.ID, Number: s.Number}
		for _, e := range s.Episodes {
			d := search.Episode{ID: e.ID, Number: e.Number, OriginalName: e.OriginalName, Name: search.Text{}, Description: search.Text{}, DurationMs: orZero(e.DurationMs)}
			for _, w := range e.Words {
				put(d.Name, w.Locale, w.Name)
				put(d.Description, w.Locale, w.Description)
			}
			if d.Media, err = media(r.Media[e.ID]); err != nil {
				return nil, fmt.Errorf("episode %s: %w", e.ID, err)
			}
			season.Episodes = append(season.Episodes, d)
		}
		t.Seasons = append(t.Seasons, season)
	}
	return t, nil
}

// personRow is what a person's document is made of.
type personRow struct {
	ID      uuid.UUID
	Version int64
	Name    string
	Names   []byte
	// AgeRating is the lowest of their published titles.
	AgeRating *int
}

func personDocument(r *personRow) (*search.Person, error) {
	n, err := names(r.Names)
	if err != nil {
		return nil, err
	}
	return &search.Person{ID: r.ID, Version: r.Version, Name: r.Name, Names: n, AgeRating: r.AgeRating}, nil
}

func genreDocument(r *genreRow) (*search.Genre, error) {
	n, err := names(r.Names)
	if err != nil {
		return nil, err
	}
	return &search.Genre{ID: r.ID, Version: r.Version, Slug: r.Slug, Names: n}, nil
}

func orZero[T int | int64](p *T) T {
	if p == nil {
		return 0
	}
	return *p
}

func put(t search.Text, locale, s string) {
	if s != "" {
		t[locale] = s
	}
}

func names(raw []byte) (search.Text, error) {
	t := search.Text{}
	if len(raw) == 0 {
		return t, nil
	}
	if err := json.Unmarshal(raw, &t); err != nil {
		return nil, fmt.Errorf("names: %w", err)
	}
	return t, nil
}

func picture(raw []byte) (*search.Image, error) {
	if len(raw) == 0 {
		return nil, nil // a title without a picture
	}
	var p search.Image
	if err := json.Unmarshal(raw, &p); err != nil {
		return nil, err
	}
	return &p, nil
}

func media(r *mediaRow) (*search.Media, error) {
	if r == nil {
		return nil, nil // nothing to play yet
	}
	m := &search.Media{
		AssetID: r.AssetID, DurationMs: r.DurationMs, Prefix: path.Dir(r.MasterKey) + "/", MasterKey: r.MasterKey,
		ThumbnailsKey: r.ThumbnailsKey, Complete: r.Complete, Renditions: r.Renditions,
	}
	if len(r.Subtitles) > 0 {
		if err := json.Unmarshal(r.Subtitles, &m.Subtitles); err != nil {
			return nil, fmt.Errorf("subtitles of asset %s: %w", r.AssetID, err)
		}
	}
	return m, nil
}
