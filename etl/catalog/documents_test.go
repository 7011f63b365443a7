package catalog

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pglogrepl"

	"github.com/netflixathome/cinema/internal/search"
)

func id(n byte) uuid.UUID { return uuid.UUID{15: n} }

func ptr[T any](v T) *T { return &v }

func TestTitleDocument(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.FixedZone("", 3600))
	empty := func() *search.Title {
		return &search.Title{ID: id(1), Kind: "film", Version: 3, OriginalName: "x", Name: search.Text{}, Tagline: search.Text{}, Description: search.Text{}, AddedAt: at.UTC()}
	}
	for name, c := range map[string]struct {
		rows titleRows
		want func(d *search.Title)
	}{
		"the least": {titleRows{}, func(*search.Title) {}},
		"numbers and language": {
			titleRows{Year: ptr(1902), DurationMs: ptr(int64(5)), AgeRating: ptr(0), OriginalLanguage: ptr("fr"), Countries: []string{"FR"}},
			func(d *search.Title) {
				d.Year, d.DurationMs, d.AgeRating, d.OriginalLanguage, d.Countries = 1902, 5, ptr(0), "fr", []string{"FR"}
			},
		},
		"words; an empty one is none": {
			titleRows{Words: []wordsRow{{Locale: "ru", Name: "а", Description: "б"}, {Locale: "en", Name: "a", Tagline: "t"}}},
			func(d *search.Title) {
				d.Name, d.Tagline, d.Description = search.Text{"ru": "а", "en": "a"}, search.Text{"en": "t"}, search.Text{"ru": "б"}
			},
		},
		"genres and credits keep their order": {
			titleRows{
				Genres:  []genreRow{{ID: id(3), Names: []byte(`{"en": "C"}`)}, {ID: id(2)}},
				Credits: []creditRow{{PersonID: id(5), Name: "P", Names: []byte(`{"ru": "П"}`), Kind: "actor", Characters: []byte(`{"en": "Moon"}`)}, {PersonID: id(4), Name: "Q", Kind: "writer"}},
			},
			func(d *search.Title) {
				d.GenreIDs, d.GenreNames = []uuid.UUID{id(3), id(2)}, []search.Text{{"en": "C"}, {}}
				d.Credits = []search.Credit{
					{PersonID: id(5), Name: "P", Names: search.Text{"ru": "П"}, Kind: "actor", Character: search.Text{"en": "Moon"}},
					{PersonID: id(4), Name: "Q", Names: search.Text{}, Kind: "writer", Character: search.Text{}},
				}
			},
		},
		"pictures": {
			titleRows{Poster: []byte(`{"prefix": "posters/1", "widths": [200, 400], "placeholder": "data:", "colour": "#fff"}`)},
			func(d *search.Title) {
				d.Poster = &search.Image{Prefix: "posters/1", Widths: []int{200, 400}, Placeholder: "data:", Colour: "#fff"}
			},
		},
		"a film's media": {
			titleRows{Media: map[uuid.UUID]*mediaRow{id(1): {AssetID: id(9), DurationMs: 7, MasterKey: "renditions/9/master.m3u8", ThumbnailsKey: "t", Complete: true,
				Subtitles: []byte(`[{"name": "s0", "language": "ru", "label": "Русские", "key": "k", "forced": true}]`), Renditions: []search.Rendition{{Name: "720p", Height: 720, Bitrate: 1}}}}},
			func(d *search.Title) {
				d.Media = &search.Media{AssetID: id(9), DurationMs: 7, Prefix: "renditions/9/", MasterKey: "renditions/9/master.m3u8", ThumbnailsKey: "t", Complete: true,
					Subtitles: []search.Subtitle{{Language: "ru", Label: "Русские", Key: "k"}}, Renditions: []search.Rendition{{Name: "720p", Height: 720, Bitrate: 1}}}
			},
		},
		"a series": {
			titleRows{Kind: "series", EndYear: ptr(1916), Seasons: []seasonRow{{ID: id(6), Number: 1, Episodes: []episodeRow{{ID: id(7), Number: 2, OriginalName: "e", Words: []wordsRow{{Locale: "ru", Name: "э"}}}}}},
				Media: map[uuid.UUID]*mediaRow{id(7): {AssetID: id(8), MasterKey: "a/m"}}},
			func(d *search.Title) {
				d.Kind, d.EndYear = "series", 1916
				d.Seasons = []search.Season{{ID: id(6), Number: 1, Episodes: []search.Episode{{ID: id(7), Number: 2, OriginalName: "e", Name: search.Text{"ru": "э"}, Description: search.Text{},
					Media: &search.Media{AssetID: id(8), Prefix: "a/", MasterKey: "a/m"}}}}}
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := c.rows
			r.ID, r.Version, r.OriginalName, r.PublishedAt = id(1), 3, "x", at
			if r.Kind == "" {
				r.Kind = "film"
			}
			want := empty()
			c.want(want)
			got, err := titleDocument(&r)
			if err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("%v\ngot  %+v\nwant %+v", err, got, want)
			}
		})
	}
}

func TestUnreadableRows(t *testing.T) {
	for name, r := range map[string]titleRows{
		"poster":        {Poster: []byte(`{"prefix": 5}`)},
		"still":         {Still: []byte(`[]`)},
		"genre":         {Genres: []genreRow{{Names: []byte(`{"en": 1}`)}}},
		"credit":        {Credits: []creditRow{{Characters: []byte(`"x"`)}}},
		"subtitles":     {Kind: "film", Media: map[uuid.UUID]*mediaRow{{}: {Subtitles: []byte(`{}`)}}},
		"not even JSON": {Poster: []byte(`{`)},
	} {
		if d, err := titleDocument(&r); err == nil {
			t.Errorf("%s: %+v", name, d)
		}
	}
}

// What a change of a row puts out of date.
func TestAffectedByARow(t *testing.T) {
	const a, b = "00000000-0000-0000-0000-00000000000a", "00000000-0000-0000-0000-00000000000b"
	for name, c := range map[string]struct {
		table    string
		old, new row
		want     string
	}{
		"a saved title":             {"title", row{"id": a, "status": "draft"}, row{"id": a, "status": "draft"}, "titles"},
		"a published title":         {"title", row{"id": a, "status": "draft"}, row{"id": a, "status": "published"}, "titles casts"},
		"a title rated anew":        {"title", row{"id": a, "status": "published"}, row{"id": a, "status": "published", "age_rating": "12"}, "titles casts"},
		"a title rated no more":     {"title", row{"id": a, "status": "published", "age_rating": "12"}, row{"id": a, "status": "published"}, "titles casts"},
		"a purged title":            {"title", row{"id": a, "status": "deleted"}, nil, "titles casts"},
		"a word":                    {"title_translation", nil, row{"title_id": a}, "titles"},
		"a credit":                  {"credit", nil, row{"title_id": a, "person_id": b}, "titles cast"},
		"an episode that moved":     {"episode", row{"title_id": a}, row{"title_id": b}, "titles titles"},
		"an episode's word":         {"episode_translation", row{"episode_id": a}, nil, "episodes"},
		"a person":                  {"person", nil, row{"id": a}, "people"},
		"a genre's name":            {"genre_translation", row{"genre_id": a}, nil, "genres"},
		"media of another playable": {"media_asset", row{"playable_id": a}, row{"playable_id": b}, "playables playables"},
		"a rendition":               {"rendition", nil, row{"asset_id": a}, "origins"},
		"an old row without its id": {"media_asset", row{"asset_id": a}, nil, "error"},
	} {
		ch := newChanges()
		err := tables[c.table](ch, c.old, c.new)
		var got []string
		for _, s := range []struct {
			name string
			set  set
		}{{"titles", ch.titles}, {"casts", ch.casts}, {"cast", ch.cast}, {"episodes", ch.episodes}, {"playables", ch.playables}, {"origins", ch.origins}, {"people", ch.people}, {"genres", ch.genres}} {
			for range s.set {
				got = append(got, s.name)
			}
		}
		if err != nil {
			got = []string{"error"}
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s: %v, want %s", name, got, c.want)
		}
	}
}

func TestPosition(t *testing.T) {
	p := position{documents: documentVersion, system: "7512345678901234567", database: "catalog", lsn: pglogrepl.LSN(0x1_0000_00ff)}
	if got, ok := parsePosition(p.String()); !ok || got != p {
		t.Errorf("%q became %+v", p, got)
	}
	for _, s := range []string{"", "truncated", "1 2", "x 1 0/1 c", "1 1 zz c"} {
		if got, ok := parsePosition(s); ok {
			t.Errorf("%q became %+v", s, got)
		}
	}
}
