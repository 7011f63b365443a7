// Package demo makes the demo cinema: what a newcomer sees at the first start.
//
// Its titles are real films in the public domain (data/); its posters, stills
// and clips are drawn by the program (artwork/, clip/); its viewers and their
// viewing are synthetic (history/) and go the way of real ones. All of it is
// marked as demo and can be removed at once.
package demo

import (
	"embed"
	"encoding/json"
	"fmt"
	"sync"
)

//go:embed data/films.json data/series.json data/names_ru.json
var files embed.FS

// Title is a film or series of the demo.
type Title struct {
	Slug             string   `json:"id"`
	Type             string   `json:"type"` // movie or series
	Name             string   `json:"title"`
	NameRu           string   `json:"titleRu"`
	OriginalName     string   `json:"originalTitle"`
	OriginalLanguage string   `json:"originalLanguage"`
	Year             int      `json:"year"`
	EndYear          int      `json:"yearEnd"`
	RuntimeMinutes   int      `json:"runtimeMinutes"`
	Silent           bool     `json:"silent"`
	Countries        []string `json:"countries"`
	Directors        []string `json:"directors"`
	Writers          []string `json:"writers"`
	Cast             []string `json:"cast"`
	Genres           []string `json:"genres"` // slugs, the leading one first
	PlotEn           string   `json:"plotEn"`
	PlotRu           string   `json:"plotRu"`
	Seasons          []Season `json:"seasons"`
}

// Season of a demo series.
type Season struct {
	Number   int       `json:"number"`
	Episodes []Episode `json:"episodes"`
}

// Episode of a demo series.
type Episode struct {
	Number         int    `json:"episode"`
	Name           string `json:"title"`
	NameRu         string `json:"titleRu"`
	OriginalName   string `json:"originalTitle"`
	RuntimeMinutes int    `json:"runtimeMinutes"`
}

// Catalogue is all that the demo shows.
type Catalogue struct {
	Titles   []Title           // films first, then series
	PeopleRu map[string]string // Russian names of people, where known
	GenresEn map[string]string // by slug
	GenresRu map[string]string // by slug
}

var genresEn = map[string]string{
	"action": "Action", "adventure": "Adventure", "animation": "Animation", "comedy": "Comedy",
	"crime": "Crime", "documentary": "Documentary", "drama": "Drama", "fantasy": "Fantasy",
	"film-noir": "Film noir", "history": "History", "horror": "Horror", "mystery": "Mystery",
	"romance": "Romance", "sci-fi": "Science fiction", "short": "Short", "thriller": "Thriller",
	"war": "War", "western": "Western",
}

// Load reads the embedded data.
var Load = sync.OnceValues(func() (*Catalogue, error) {
	var films, series []Title
	var names struct {
		Persons map[string]string `json:"persons"`
		Genres  map[string]string `json:"genres"`
	}
	for name, into := range map[string]any{"films": &films, "series": &series, "names_ru": &names} {
		b, err := files.ReadFile("data/" + name + ".json")
		if err != nil {
			return nil, fmt.Errorf("demo: %w", err)
		}
		if err := json.Unmarshal(b, into); err != nil {
			return nil, fmt.Errorf("demo: %s.json: %w", name, err)
		}
	}
	return &Catalogue{
		Titles:   append(films, series...),
		PeopleRu: names.Persons,
		GenresEn: genresEn,
		GenresRu: names.Genres,
	}, nil
})

// AgeRating is a plausible rating in years by genre: the data names none.
func (t *Title) AgeRating() int {
	rating := 6
	for _, g := range t.Genres {
		switch g {
		case "horror":
			return 16
		case "crime", "film-noir", "thriller", "war", "mystery":
			rating = max(rating, 12)
		case "animation":
			if len(t.Genres) < 3 {
				rating = 0
			}
		}
	}
	return rating
}

// Tagline is one line for the hero: who made it, when.
func (t *Title) Tagline(locale string) string {
	if len(t.Directors) == 0 {
		return ""
	}
	if locale == "ru" {
		if t.Silent {
			return fmt.Sprintf("Немое кино, %d", t.Year)
		}
		return fmt.Sprintf("Классика %d года", t.Year)
	}
	if t.Silent {
		return fmt.Sprintf("A silent classic of %d", t.Year)
	}
	return fmt.Sprintf("A classic of %d", t.Year)
}
