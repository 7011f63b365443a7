package resolver_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	graph "github.com/netflixathome/cinema/graph/admin"
	"github.com/netflixathome/cinema/internal/gid"
	"github.com/netflixathome/cinema/internal/gqlserver"
	"github.com/netflixathome/cinema/subgraphs/admin"
	"github.com/netflixathome/cinema/subgraphs/admin/admintest"
	"github.com/netflixathome/cinema/subgraphs/admin/records"
	"github.com/netflixathome/cinema/subgraphs/admin/resolver"
	"github.com/netflixathome/cinema/subgraphs/admin/uploads"
)

type server struct {
	*admintest.House
	url     string
	bus     *memoryBus
	objects *admintest.Objects
}

type signer struct{}

func (signer) SignStable(key string) string { return "/media/signed/" + key }

type demo struct{ removed bool }

func (d *demo) Status(context.Context) (admin.DemoStatus, error) {
	if d.removed {
		return admin.DemoStatus{State: admin.DemoRemoving}, nil
	}
	return admin.DemoStatus{State: admin.DemoReady, Percent: 100, Titles: 3}, nil
}
func (d *demo) Remove(context.Context) error { d.removed = true; return nil }

type memoryBus struct {
	mu   sync.Mutex
	subs []chan []byte
}

func (b *memoryBus) Publish(_ context.Context, _ string, p []byte) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, s := range b.subs {
		s <- p
	}
	return nil
}

func (b *memoryBus) Subscribe(ctx context.Context, _ string) (<-chan []byte, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	c := make(chan []byte, 256)
	b.subs = append(b.subs, c)
	return c, nil
}

func (b *memoryBus) Passing(string) (uint64, bool) { return 0, true }

type takesAll struct{}

func (takesAll) Store(_ context.Context, _ string, _ admin.AssetKind, prefix string) (admin.Image, error) {
	return admin.Image{Prefix: prefix, Widths: []int{200}}, nil
}
func (takesAll) Inspect(context.Context, string) error { return nil }

func newServer(t *testing.T) *server { return newServerWaiting(t, 0) }

// newServerWaiting has loaders that collect for the time given, so that a busy
// machine does not close a window early; zero is their own.
func newServerWaiting(t *testing.T, wait time.Duration) *server {
	t.Helper()
	s := &server{House: admintest.New(t), bus: &memoryBus{}, objects: &admintest.Objects{}}
	up, err := uploads.New(uploads.Deps{Records: s.Records, Pictures: takesAll{}, Films: takesAll{}, Objects: s.objects, Dir: t.TempDir(), Log: s.Log, Now: s.Clock.Now})
	ok(t, err)
	r, err := resolver.New(resolver.Deps{Records: s.Records, Uploads: up, Demo: &demo{}, Signer: signer{}, Bus: s.bus, Log: s.Log})
	ok(t, err)
	if wait > 0 {
		r.LoadWait = wait
	}
	h, err := gqlserver.New(gqlserver.Options{Schema: graph.NewExecutableSchema(graph.Config{Resolvers: r}), Verifier: admintest.Tokens{}, Logger: s.Log, Prepare: r.Prepare})
	ok(t, err)
	web := httptest.NewServer(h)
	t.Cleanup(web.Close)
	s.url = web.URL
	return s
}

type answer struct {
	Data   map[string]any
	Errors []struct {
		Message    string
		Extensions map[string]any
	}
}

func (s *server) do(t *testing.T, token, query string, variables map[string]any) answer {
	t.Helper()
	b, err := json.Marshal(map[string]any{"query": query, "variables": variables})
	ok(t, err)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url, bytes.NewReader(b))
	ok(t, err)
	req.Header.Set("Content-Type", "application/json")
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	res, err := http.DefaultClient.Do(req)
	ok(t, err)
	defer res.Body.Close()
	var a answer
	ok(t, json.NewDecoder(res.Body).Decode(&a))
	return a
}

// must does it as the admin and returns the value at the path.
func (s *server) must(t *testing.T, query string, variables map[string]any, path ...any) any {
	t.Helper()
	a := s.do(t, "admin", query, variables)
	if len(a.Errors) > 0 {
		t.Fatalf("%s: %+v", query, a.Errors)
	}
	return at(t, a.Data, path...)
}

func at(t *testing.T, v any, path ...any) any {
	t.Helper()
	for _, p := range path {
		switch p := p.(type) {
		case string:
			m, is := v.(map[string]any)
			if !is {
				t.Fatalf("no %q in %v", p, v)
			}
			v = m[p]
		case int:
			l, is := v.([]any)
			if !is || len(l) <= p {
				t.Fatalf("no %d in %v", p, v)
			}
			v = l[p]
		}
	}
	return v
}

func (s *server) fails(t *testing.T, token, code, field, reason, query string, variables map[string]any) {
	t.Helper()
	a := s.do(t, token, query, variables)
	if len(a.Errors) == 0 {
		t.Fatalf("no error: %v", a.Data)
	}
	x := a.Errors[0].Extensions
	str := func(k string) string { v, _ := x[k].(string); return v }
	if str("code") != code || str("field") != field || str("reason") != reason {
		t.Errorf("got %v (%s), want %s at %q, reason %q", x, a.Errors[0].Message, code, field, reason)
	}
}

const createTitle = `mutation($in: CreateTitleInput!) { createTitle(input: $in) { record { id version status } } }`

func (s *server) title(t *testing.T, kind, name string, more map[string]any) string {
	t.Helper()
	in := map[string]any{"kind": kind, "originalName": name}
	for k, v := range more {
		in[k] = v
	}
	return s.must(t, createTitle, map[string]any{"in": in}, "createTitle", "record", "id").(string)
}

func (s *server) person(t *testing.T, name string) string {
	t.Helper()
	return s.must(t, `mutation($n: String!) { createPerson(input: {name: $n, translations: [{locale: "ru", name: "Имя"}]}) { record { id } } }`,
		map[string]any{"n": name}, "createPerson", "record", "id").(string)
}

func (s *server) genre(t *testing.T, slug string) string {
	t.Helper()
	return s.must(t, `mutation($s: String!) { createGenre(input: {slug: $s, translations: [{locale: "en", name: "Genre"}]}) { record { id } } }`,
		map[string]any{"s": slug}, "createGenre", "record", "id").(string)
}

// A save whose answer was lost is sent again, with the identity it had.
func TestASaveSentAgainMakesNoSecondTitle(t *testing.T) {
	s := newServer(t)
	own := map[string]any{"titleUuid": uuid.Must(uuid.NewV7()).String()}
	id := s.title(t, "FILM", "Once", own)
	if again := s.title(t, "FILM", "Once", own); again != id {
		t.Errorf("made %s, then %s", id, again)
	}
	if n := s.must(t, `{ titleRecords(query: "Once") { totalCount } }`, nil, "titleRecords", "totalCount"); n != 1.0 {
		t.Errorf("%v titles", n)
	}
	in := func(kind, name, identity string) map[string]any {
		return map[string]any{"in": map[string]any{"kind": kind, "originalName": name, "titleUuid": identity}}
	}
	s.fails(t, "admin", "CONFLICT", "input.titleUuid", "TITLE_TAKEN", createTitle, in("FILM", "Another", own["titleUuid"].(string)))
	s.fails(t, "admin", "CONFLICT", "input.titleUuid", "TITLE_TAKEN", createTitle, in("SERIES", "Once", own["titleUuid"].(string)))
	s.fails(t, "admin", "INVALID", "input.titleUuid", "", createTitle, in("FILM", "Random", uuid.New().String()))
}

func TestATitleFromDraftToGrave(t *testing.T) {
	s := newServer(t)
	person, genre := s.person(t, "Georges Méliès"), s.genre(t, "sci-fi")
	id := s.title(t, "FILM", "  Le Voyage dans la Lune ", map[string]any{
		"originalLanguage": "fr", "year": 1902, "durationMs": 840000, "ageRating": 0, "countries": []string{"FR"}, "genreIds": []string{genre},
		"translations": []any{map[string]any{"locale": "ru", "name": "Путешествие на Луну", "description": "а\nб"}},
		"credits":      []any{map[string]any{"personId": person, "kind": "ACTOR", "characters": []any{map[string]any{"locale": "en", "name": "Barbenfouillis"}}}},
	})
	const read = `query($id: ID!) { titleRecord(id: $id) { version status originalName originalLanguage year ageRating durationMs countries demo
		translations { locale name tagline description } genres { id slug titleCount } credits { kind person { id name titleCount } characters { locale name } }
		seasons { id } assets { id } posterUrl media { playable } title { id } changes { fields version user { id } } } }`
	got := s.must(t, read, map[string]any{"id": id}, "titleRecord").(map[string]any)
	user := map[string]any{"id": gid.Of(gid.User, admintest.Admin.UserID).String()}
	want := map[string]any{
		"version": 1.0, "status": "DRAFT", "originalName": "Le Voyage dans la Lune", "originalLanguage": "fr", "year": 1902.0, "ageRating": 0.0, "durationMs": 840000.0,
		"countries": []any{"FR"}, "demo": false, "seasons": []any{}, "assets": []any{}, "posterUrl": nil, "media": nil, "title": nil,
		"translations": []any{map[string]any{"locale": "ru", "name": "Путешествие на Луну", "tagline": "", "description": "а\nб"}},
		"genres":       []any{map[string]any{"id": genre, "slug": "sci-fi", "titleCount": 1.0}},
		"credits": []any{map[string]any{"kind": "ACTOR", "person": map[string]any{"id": person, "name": "Georges Méliès", "titleCount": 1.0},
			"characters": []any{map[string]any{"locale": "en", "name": "Barbenfouillis"}}}},
		"changes": []any{map[string]any{"fields": []any{"created"}, "version": 1.0, "user": user}},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}

	const update = `mutation($in: UpdateTitleInput!) { updateTitle(input: $in) { record { version year ageRating originalName changes(first: 1) { fields } } } }`
	got = s.must(t, update, map[string]any{"in": map[string]any{"id": id, "version": 1, "year": nil, "originalName": "Voyage", "ageRating": 0}}, "updateTitle", "record").(map[string]any)
	if got["version"] != 2.0 || got["year"] != nil || got["ageRating"] != 0.0 || !reflect.DeepEqual(at(t, got, "changes", 0, "fields"), []any{"originalName", "year"}) {
		t.Errorf("after the update: %v", got)
	}
	s.fails(t, "admin", "CONFLICT", "input.version", "VERSION", update, map[string]any{"in": map[string]any{"id": id, "version": 1, "year": 1903}})
	if v := s.must(t, update, map[string]any{"in": map[string]any{"id": id, "version": 2, "originalName": "Voyage", "genreIds": []string{genre}}}, "updateTitle", "record", "version"); v != 2.0 {
		t.Errorf("a change of nothing made version %v", v)
	}

	const ids = `mutation($ids: [ID!]!) { %s(input: {ids: $ids%s}) { records { id status version title { id } } } }`
	bulk := func(name, more string) map[string]any {
		return s.must(t, fmt.Sprintf(ids, name, more), map[string]any{"ids": []string{id}}, name, "records", 0).(map[string]any)
	}
	if r := bulk("publishTitles", ", published: true"); r["status"] != "PUBLISHED" || r["version"] != 3.0 || at(t, r, "title", "id") != id {
		t.Errorf("published: %v", r)
	}
	if r := bulk("deleteTitles", ""); r["status"] != "DELETED" || r["title"] != nil {
		t.Errorf("deleted: %v", r)
	}
	s.fails(t, "admin", "CONFLICT", "input.id", "DELETED", update, map[string]any{"in": map[string]any{"id": id, "year": 1903}})
	s.fails(t, "admin", "CONFLICT", "input.ids.0", "DELETED", fmt.Sprintf(ids, "publishTitles", ", published: true"), map[string]any{"ids": []string{id}})
	if r := bulk("restoreTitles", ""); r["status"] != "PUBLISHED" || r["version"] != 5.0 {
		t.Errorf("restored: %v", r)
	}
	s.fails(t, "admin", "NOT_FOUND", "input.ids.1", "", fmt.Sprintf(ids, "deleteTitles", ""), map[string]any{"ids": []string{id, gid.New(gid.Film).String()}})
	wrong, err := gid.Parse(id)
	ok(t, err)
	s.fails(t, "admin", "NOT_FOUND", "input.id", "", update, map[string]any{"in": map[string]any{"id": gid.Of(gid.Series, wrong.UUID).String(), "year": 1903}})

	if n := s.must(t, `mutation($id: ID!) { deletePerson(input: {id: $id}) { titlesChanged } }`, map[string]any{"id": person}, "deletePerson", "titlesChanged"); n != 1.0 {
		t.Errorf("%v titles changed", n)
	}
	if n := s.must(t, `mutation($id: ID!) { deleteGenre(input: {id: $id}) { titlesChanged } }`, map[string]any{"id": genre}, "deleteGenre", "titlesChanged"); n != 1.0 {
		t.Errorf("%v titles changed", n)
	}
	got = s.must(t, `query($id: ID!) { titleRecord(id: $id) { version genres { id } credits { kind } changes { fields } } }`, map[string]any{"id": id}, "titleRecord").(map[string]any)
	if got["version"] != 7.0 || len(got["credits"].([]any)) != 0 || len(got["changes"].([]any)) != 7 {
		t.Errorf("after the deletions: %v", got)
	}

	// Purged only when its days are over.
	bulk("deleteTitles", "")
	n, err := s.Records.PurgeDeleted(t.Context(), records.KeepDeleted)
	ok(t, err)
	s.Clock.Move(records.KeepDeleted + time.Minute)
	m, err := s.Records.PurgeDeleted(t.Context(), records.KeepDeleted)
	ok(t, err)
	if n != 0 || m != 1 {
		t.Errorf("purged %d, then %d", n, m)
	}
	if r := s.must(t, `query($id: ID!) { titleRecord(id: $id) { version } }`, map[string]any{"id": id}, "titleRecord"); r != nil {
		t.Errorf("after the purge: %v", r)
	}
	if _, err := s.Records.Collect(t.Context(), s.objects); err != nil || len(s.Jobs.Forgotten) != 1 {
		t.Errorf("media forgotten: %v, %v", s.Jobs.Forgotten, err)
	}
}

func TestWhatIsRefused(t *testing.T) {
	s := newServer(t)
	film, series := s.title(t, "FILM", "Film", nil), s.title(t, "SERIES", "Series", nil)
	genre := s.genre(t, "drama")
	long := strings.Repeat("ы", 301)
	with := func(more map[string]any) map[string]any {
		in := map[string]any{"kind": "FILM", "originalName": "x"}
		for k, v := range more {
			in[k] = v
		}
		return map[string]any{"in": in}
	}
	for field, in := range map[string]map[string]any{
		"input.originalName":                with(map[string]any{"originalName": "  "}),
		"input.year":                        with(map[string]any{"year": 1869}),
		"input.endYear":                     with(map[string]any{"endYear": 1999}),
		"input.durationMs":                  with(map[string]any{"durationMs": 0}),
		"input.ageRating":                   with(map[string]any{"ageRating": 22}),
		"input.countries.1":                 with(map[string]any{"countries": []string{"FR", "XX"}}),
		"input.genreIds.1":                  with(map[string]any{"genreIds": []string{genre, genre}}),
		"input.genreIds.0":                  with(map[string]any{"genreIds": []string{gid.New(gid.Genre).String()}}),
		"input.credits.0.personId":          with(map[string]any{"credits": []any{map[string]any{"personId": gid.New(gid.Person).String(), "kind": "ACTOR"}}}),
		"input.credits.0.characters.0.name": with(map[string]any{"credits": []any{map[string]any{"personId": gid.New(gid.Person).String(), "kind": "ACTOR", "characters": []any{map[string]any{"locale": "en", "name": ""}}}}}),
		"input.translations.1.locale":       with(map[string]any{"translations": []any{map[string]any{"locale": "ru", "name": "a"}, map[string]any{"locale": "ru", "name": "b"}}}),
		"input.translations.0.name":         with(map[string]any{"translations": []any{map[string]any{"locale": "ru", "name": long}}}),
		"input.translations.0.tagline":      with(map[string]any{"translations": []any{map[string]any{"locale": "ru", "name": "a", "tagline": "a\u0000b"}}}),
	} {
		s.fails(t, "admin", "INVALID", field, "", createTitle, in)
	}
	s.fails(t, "admin", "INVALID", "input.originalName", "", createTitle, with(map[string]any{"originalName": long}))
	s.fails(t, "admin", "INVALID", "input.originalName", "", createTitle, with(map[string]any{"originalName": "a\u0007b"}))
	const update = `mutation($in: UpdateTitleInput!) { updateTitle(input: $in) { record { version } } }`
	s.fails(t, "admin", "INVALID", "input.durationMs", "", update, map[string]any{"in": map[string]any{"id": series, "durationMs": 5}})
	s.fails(t, "admin", "INVALID", "input.originalName", "", update, map[string]any{"in": map[string]any{"id": film, "originalName": nil}})
	s.fails(t, "admin", "INVALID", "input.genreIds", "", update, map[string]any{"in": map[string]any{"id": film, "genreIds": nil}})
	s.fails(t, "admin", "NOT_FOUND", "input.id", "", update, map[string]any{"in": map[string]any{"id": genre}})
	s.fails(t, "admin", "CONFLICT", "input.slug", "SLUG_TAKEN", `mutation { createGenre(input: {slug: "drama", translations: [{locale: "en", name: "D"}]}) { record { id } } }`, nil)
	s.fails(t, "admin", "INVALID", "input.slug", "", `mutation { createGenre(input: {slug: "Drama", translations: [{locale: "en", name: "D"}]}) { record { id } } }`, nil)
	s.fails(t, "admin", "INVALID", "input.translations", "", `mutation { createGenre(input: {slug: "dramas", translations: []}) { record { id } } }`, nil)
	s.fails(t, "admin", "INVALID", "first", "", `{ titleRecords(first: 201) { totalCount } }`, nil)
	s.fails(t, "admin", "INVALID", "after", "", `{ titleRecords(after: "nonsense") { totalCount } }`, nil)
	s.fails(t, "admin", "INVALID", "after", "", `{ titleRecords(sort: YEAR, after: "eyJzIjoidGl0bGU6WUVBUiIsImsiOiJ4IiwiaSI6IjAxOTAwMDAwLTAwMDAtNzAwMC04MDAwLTAwMDAwMDAwMDAwMSJ9") { totalCount } }`, nil)
	s.fails(t, "", "UNAUTHENTICATED", "", "", createTitle, with(nil))
	s.fails(t, "viewer", "FORBIDDEN", "", "", createTitle, with(nil))
	s.fails(t, "viewer", "FORBIDDEN", "", "", `{ titleRecords { totalCount } }`, nil)
	const upload = `mutation($in: OpenUploadInput!) { openUpload(input: $in) { uploadUrl asset { filename received state uploadUrl } } }`
	file := func(kind, owner, name string, size any) map[string]any {
		return map[string]any{"in": map[string]any{"kind": kind, "ownerId": owner, "filename": name, "size": size}}
	}
	s.fails(t, "admin", "INVALID", "input.size", "", upload, file("POSTER", film, "a.jpg", 0))
	s.fails(t, "admin", "INVALID", "input.size", "", upload, file("POSTER", film, "a.jpg", 20<<20+1))
	s.fails(t, "admin", "INVALID", "input.size", "", upload, file("SOURCE", film, "a.mp4", 200<<30+1))
	s.fails(t, "admin", "INVALID", "input.ownerId", "", upload, file("SOURCE", series, "a.mp4", 5))
	s.fails(t, "admin", "NOT_FOUND", "input.ownerId", "", upload, file("SOURCE", gid.New(gid.Film).String(), "a.mp4", 5))
	s.fails(t, "admin", "INVALID", "input.filename", "", upload, file("SOURCE", film, "a\u0000.mp4", 5))
	s.fails(t, "admin", "INVALID", "input.filename", "", upload, file("SOURCE", film, "a/..", 5))
	got := s.must(t, upload, file("SOURCE", film, `..\..\/etc/passwd`, 5), "openUpload").(map[string]any)
	if at(t, got, "asset", "filename") != "passwd" || got["uploadUrl"] != at(t, got, "asset", "uploadUrl") || at(t, got, "asset", "received") != 0.0 {
		t.Errorf("upload: %v", got)
	}
}

func TestEpisodes(t *testing.T) {
	s := newServer(t)
	series := s.title(t, "SERIES", "Les Vampires", map[string]any{"year": 1915, "endYear": 1916})
	const create = `mutation($in: CreateEpisodeInput!) { createEpisode(input: $in) { episode { id seasonNumber number translations { name } } record { version seasons { number episodes { id number } } } } }`
	in := func(season, number int) map[string]any {
		return map[string]any{"in": map[string]any{"seriesId": series, "seasonNumber": season, "number": number, "originalName": "e", "translations": []any{map[string]any{"locale": "ru", "name": "э"}}}}
	}
	s.must(t, create, in(1, 2))
	s.must(t, create, in(1, 1))
	got := s.must(t, create, in(0, 1), "createEpisode").(map[string]any)
	var order []string
	for _, n := range at(t, got, "record", "seasons").([]any) {
		for _, e := range at(t, n, "episodes").([]any) {
			order = append(order, fmt.Sprint(at(t, n, "number"), ".", at(t, e, "number")))
		}
	}
	if fmt.Sprint(order) != "[0.1 1.1 1.2]" || at(t, got, "record", "version") != 4.0 || at(t, got, "episode", "translations", 0, "name") != "э" {
		t.Errorf("%v %v", order, got)
	}
	s.fails(t, "admin", "CONFLICT", "input.number", "NUMBER_TAKEN", create, in(1, 2))
	s.fails(t, "admin", "INVALID", "input.seasonNumber", "", create, in(1001, 2))
	special := at(t, got, "episode", "id")
	const update = `mutation($in: UpdateEpisodeInput!) { updateEpisode(input: $in) { episode { number durationMs media { playable } translations { name } } } }`
	got = s.must(t, update, map[string]any{"in": map[string]any{"id": special, "number": 7, "durationMs": 5, "translations": []any{}}}, "updateEpisode", "episode").(map[string]any)
	if !reflect.DeepEqual(got, map[string]any{"number": 7.0, "durationMs": 5.0, "media": nil, "translations": []any{}}) {
		t.Errorf("%v", got)
	}
	got = s.must(t, `mutation($id: ID!) { deleteEpisode(input: {id: $id}) { record { seasons { number } } } }`, map[string]any{"id": special}, "deleteEpisode", "record").(map[string]any)
	if len(got["seasons"].([]any)) != 1 {
		t.Errorf("the empty season stayed: %v", got)
	}
	s.fails(t, "admin", "NOT_FOUND", "input.id", "", update, map[string]any{"in": map[string]any{"id": special, "number": 7}})
	film := s.title(t, "FILM", "no series", nil)
	s.fails(t, "admin", "NOT_FOUND", "input.seriesId", "", create, map[string]any{"in": map[string]any{"seriesId": film, "seasonNumber": 1, "number": 1, "originalName": "e"}})
}

func TestListsAreStableAndComplete(t *testing.T) {
	s := newServer(t)
	person := s.person(t, "Somebody")
	genre := s.genre(t, "drama")
	for i := range 23 {
		more := map[string]any{"year": 1900 + i%4}
		if i%3 == 0 {
			more["genreIds"] = []string{genre}
			more["credits"] = []any{map[string]any{"personId": person, "kind": "WRITER"}}
		}
		if i == 7 {
			more["year"] = nil
			more["translations"] = []any{map[string]any{"locale": "ru", "name": "Сто % ЁЛКИ"}}
		}
		s.title(t, "FILM", fmt.Sprintf("Film %02d", i%9), more)
	}
	const page = `query($q: String, $f: TitleRecordFilter, $s: TitleRecordSort, $n: Int, $a: String) { titleRecords(query: $q, filter: $f, sort: $s, first: $n, after: $a) {
		totalCount edges { cursor node { id originalName year } } pageInfo { hasNextPage hasPreviousPage endCursor startCursor } } }`
	for _, sort := range []string{"UPDATED", "NAME", "YEAR"} {
		seen := map[any]bool{}
		vars := map[string]any{"s": sort, "n": 5}
		pages := 0
		for {
			c := s.must(t, page, vars, "titleRecords").(map[string]any)
			for _, e := range c["edges"].([]any) {
				id := at(t, e, "node", "id")
				if seen[id] {
					t.Fatalf("%s: %v came twice", sort, id)
				}
				seen[id] = true
			}
			pages++
			if at(t, c, "pageInfo", "hasPreviousPage") != (pages > 1) || c["totalCount"] != 23.0 {
				t.Errorf("%s: page %d: %v", sort, pages, c["pageInfo"])
			}
			if at(t, c, "pageInfo", "hasNextPage") != true {
				break
			}
			vars["a"] = at(t, c, "pageInfo", "endCursor")
		}
		if len(seen) != 23 || pages != 5 {
			t.Errorf("%s: %d records on %d pages", sort, len(seen), pages)
		}
	}
	for name, c := range map[string]struct {
		vars map[string]any
		want float64
	}{
		"part of a name":           {map[string]any{"q": "ilm 03"}, 3},
		"part of a translation":    {map[string]any{"q": "ёлки"}, 1},
		"a wildcard taken as text": {map[string]any{"q": "%"}, 1},
		"another":                  {map[string]any{"q": "_"}, 0},
		"genre":                    {map[string]any{"f": map[string]any{"genreIds": []string{genre}}}, 8},
		"person":                   {map[string]any{"f": map[string]any{"personId": person}}, 8},
		"series":                   {map[string]any{"f": map[string]any{"kinds": []string{"SERIES"}}}, 0},
		"deleted":                  {map[string]any{"f": map[string]any{"statuses": []string{"DELETED"}}}, 0},
		"without media":            {map[string]any{"f": map[string]any{"playable": false}}, 23},
		"with media":               {map[string]any{"f": map[string]any{"playable": true}}, 0},
	} {
		if got := s.must(t, page, c.vars, "titleRecords", "totalCount"); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
	if n := s.must(t, `{ personRecords(query: "им", first: 1) { totalCount edges { node { name } } pageInfo { hasNextPage } } }`, nil, "personRecords", "totalCount"); n != 1.0 {
		t.Errorf("%v people", n)
	}
}

// However many titles a page has, the queries are as many.
func TestNoQueryPerTitle(t *testing.T) {
	s := newServerWaiting(t, 300*time.Millisecond)
	var people []string
	for i := range 6 {
		people = append(people, s.person(t, fmt.Sprint("p", i)))
	}
	genre := s.genre(t, "drama")
	for i := range 20 {
		id := s.title(t, []string{"FILM", "SERIES"}[i%2], fmt.Sprint("t", i), map[string]any{"genreIds": []string{genre}, "credits": []any{
			map[string]any{"personId": people[i%6], "kind": "ACTOR"}, map[string]any{"personId": people[(i+1)%6], "kind": "DIRECTOR"}}})
		if i%2 == 1 {
			for n := range 3 {
				s.must(t, `mutation($in: CreateEpisodeInput!) { createEpisode(input: $in) { episode { id } } }`,
					map[string]any{"in": map[string]any{"seriesId": id, "seasonNumber": 1, "number": n + 1, "originalName": "e"}})
			}
		}
	}
	const all = `query($n: Int) { titleRecords(first: $n) { edges { node { id translations { name } genres { slug titleCount } credits { kind person { name titleCount } }
		seasons { number episodes { number media { playable job { state } } } } assets { id received } media { playable renditions job { state } } changes { version user { id } } posterUrl } } } }`
	count := func(n int) int64 {
		var best int64 = 1 << 30
		for range 3 { // a loader's window may close early on a busy machine
			best = min(best, s.Queries(func() { s.must(t, all, map[string]any{"n": n}) }))
		}
		return best
	}
	few, many := count(2), count(20)
	// A query per title would be 18 more. Some more are a window that closed
	// early on a busy machine.
	if many-few > 9 || few > 20 {
		t.Errorf("%d queries for 2 titles, %d for 20", few, many)
	}
	entities := `query($r: [_Any!]!) { _entities(representations: $r) { ... on Film { record { originalName genres { slug } } } ... on Series { record { originalName genres { slug } } } } }`
	var reps []any
	for _, e := range s.must(t, `{ titleRecords(first: 20) { edges { node { id kind } } } }`, nil, "titleRecords", "edges").([]any) {
		name := "Film"
		if at(t, e, "node", "kind") == "SERIES" {
			name = "Series"
		}
		reps = append(reps, map[string]any{"__typename": name, "id": at(t, e, "node", "id")})
	}
	reps = append(reps, map[string]any{"__typename": "Film", "id": gid.New(gid.Film).String()})
	if n := s.Queries(func() {
		got := s.must(t, entities, map[string]any{"r": reps}, "_entities").([]any)
		if len(got) != 21 || at(t, got[20], "record") != nil || at(t, got[0], "record", "genres", 0, "slug") != "drama" {
			t.Errorf("entities: %v", got)
		}
	}); n > 4 {
		t.Errorf("%d queries for 21 entities", n)
	}
}

func TestJobs(t *testing.T) {
	s := newServer(t)
	film := s.title(t, "FILM", "A film", nil)
	id, err := gid.Parse(film)
	ok(t, err)
	job := func(state string) gid.ID {
		j := gid.New(gid.MediaJob)
		_, err := s.Pool.Exec(t.Context(), `INSERT INTO media_job (id, asset_id, playable_id, playable_kind, source_key, state, percent, finished_at)
			VALUES ($1, $2, $3, 'film', 'sources/x', $4, 10, CASE WHEN $4 = 'failed' THEN now() END)`, j.UUID, uuid.New(), id.UUID, state)
		ok(t, err)
		return j
	}
	failed, running := job("failed"), job("encoding")
	got := s.must(t, `{ mediaJobs(first: 1) { edges { node { id state percent playableName playableId etaMs error } } pageInfo { hasNextPage endCursor } } }`, nil, "mediaJobs").(map[string]any)
	if n := at(t, got, "edges", 0, "node"); at(t, n, "id") != running.String() || at(t, n, "playableName") != "A film" || at(t, n, "playableId") != film || at(t, got, "pageInfo", "hasNextPage") != true {
		t.Errorf("%v", got)
	}
	if n := s.must(t, `query($a: String) { mediaJobs(states: [FAILED], after: $a) { edges { node { id } } } }`, map[string]any{"a": at(t, got, "pageInfo", "endCursor")}, "mediaJobs", "edges", 0, "node", "id"); n != failed.String() {
		t.Errorf("%v", n)
	}
	s.must(t, `mutation($id: ID!) { retryMediaJob(input: {id: $id}) { job { id } } }`, map[string]any{"id": failed.String()})
	s.must(t, `mutation($id: ID!) { cancelMediaJob(input: {id: $id}) { job { id } } }`, map[string]any{"id": running.String()})
	s.fails(t, "admin", "CONFLICT", "input.id", "JOB_ACTIVE", `mutation($id: ID!) { retryMediaJob(input: {id: $id}) { job { id } } }`, map[string]any{"id": running.String()})
	s.fails(t, "admin", "NOT_FOUND", "input.id", "", `mutation($id: ID!) { cancelMediaJob(input: {id: $id}) { job { id } } }`, map[string]any{"id": gid.New(gid.MediaJob).String()})
	if fmt.Sprint(s.Jobs.Calls) != fmt.Sprintf("[retry %s cancel %s]", failed.UUID, running.UUID) {
		t.Errorf("%v", s.Jobs.Calls)
	}
	if m := s.must(t, `query($id: ID!) { titleRecord(id: $id) { media { playable job { id } renditions } } }`, map[string]any{"id": film}, "titleRecord", "media"); at(t, m, "job", "id") != running.String() || at(t, m, "playable") != false {
		t.Errorf("%v", m)
	}

	// The unfinished first, then what the bus hints at.
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url, strings.NewReader(`{"query": "subscription { mediaJobChanged { id state percent } }"}`))
	ok(t, err)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "text/event-stream")
	req.Header.Set("Authorization", "Bearer admin")
	res, err := http.DefaultClient.Do(req)
	ok(t, err)
	defer res.Body.Close()
	lines := bufio.NewScanner(res.Body)
	next := func() string {
		for lines.Scan() {
			if data, is := strings.CutPrefix(lines.Text(), "data: "); is && strings.Contains(data, "mediaJobChanged") {
				return data
			}
		}
		t.Fatalf("the stream ended: %v", lines.Err())
		return ""
	}
	if first := next(); !strings.Contains(first, running.String()) {
		t.Errorf("first: %s", first)
	}
	_, err = s.Pool.Exec(ctx, `UPDATE media_job SET percent = 50 WHERE id = $1`, running.UUID)
	ok(t, err)
	ok(t, s.bus.Publish(ctx, admin.TopicMediaJob, []byte(`{"id": "`+running.UUID.String()+`"}`)))
	if second := next(); !strings.Contains(second, `"percent":50`) {
		t.Errorf("second: %s", second)
	}
	_, err = s.Pool.Exec(ctx, `UPDATE media_job SET state = 'ready', percent = 100, finished_at = now() WHERE id = $1`, running.UUID)
	ok(t, err)
	// No hint: the next look finds it all the same.
	if third := next(); !strings.Contains(third, `"READY"`) {
		t.Errorf("third: %s", third)
	}
}

func TestDemo(t *testing.T) {
	s := newServer(t)
	ctx := t.Context()
	own := s.title(t, "FILM", "My own", nil)
	film, episode := uuid.Must(uuid.NewV7()), uuid.Must(uuid.NewV7())
	year := 1902
	in := records.Import{Demo: true,
		Genres: []records.ImportGenre{{Slug: "sci-fi", Names: map[string]string{"en": "Science fiction", "ru": "Фантастика"}}, {Slug: "unused", Names: map[string]string{"en": "x"}}},
		People: []records.ImportPerson{{Key: "m", Name: "Georges Méliès", Names: map[string]string{"ru": "Жорж Мельес"}}, {Key: "n", Name: "Nobody"}},
		Titles: []records.ImportTitle{
			{ID: film, Kind: admin.KindFilm, OriginalName: "Le Voyage", OriginalLanguage: "fr", Year: &year, Genres: []string{"sci-fi"}, AddedAt: time.Now(),
				Translations: []admin.TitleTranslation{{Locale: "ru", Name: "Путешествие"}}, Credits: []records.ImportCredit{{Person: "m", Kind: admin.Director}},
				Poster: &admin.Image{Prefix: "posters/demo", Widths: []int{100, 200, 400}}},
			{Kind: admin.KindSeries, OriginalName: "Les Vampires", AddedAt: time.Now(), Seasons: []records.ImportSeason{{Number: 1, Episodes: []records.ImportEpisode{{ID: episode, Number: 1, OriginalName: "e"}}}}},
		}}
	out, err := s.Records.Import(ctx, in)
	ok(t, err)
	if out.Titles[0] != film || out.Episodes[1][0] != episode || len(out.People) != 2 {
		t.Errorf("%+v", out)
	}
	id := gid.Of(gid.Film, film).String()
	got := s.must(t, `query($id: ID!) { titleRecord(id: $id) { demo status posterUrl(width: 150) small: posterUrl(width: 10) big: posterUrl(width: 1000) credits { person { translations { name } } } } }`, map[string]any{"id": id}, "titleRecord").(map[string]any)
	if got["demo"] != true || got["status"] != "PUBLISHED" || got["posterUrl"] != "/media/signed/posters/demo/200.jpg" || got["small"] != "/media/signed/posters/demo/100.jpg" || got["big"] != "/media/signed/posters/demo/400.jpg" {
		t.Errorf("%v", got)
	}
	// What a title of one's own has taken up stays.
	s.must(t, `mutation($in: UpdateTitleInput!) { updateTitle(input: $in) { record { id } } }`, map[string]any{"in": map[string]any{"id": own, "genreIds": []string{gid.Of(gid.Genre, out.Genres["sci-fi"]).String()}}})
	for range 2 {
		ok(t, s.Records.DeleteDemo(ctx))
	}
	n, err := s.Records.CountDemo(ctx)
	ok(t, err)
	var genres, people int
	ok(t, s.Pool.QueryRow(ctx, `SELECT (SELECT count(*) FROM genre), (SELECT count(*) FROM person)`).Scan(&genres, &people))
	if n != 0 || genres != 1 || people != 0 {
		t.Errorf("%d demo titles, %d genres, %d people", n, genres, people)
	}
	s.objects.Put("posters/demo/100.jpg", nil)
	s.Clock.Move(25 * time.Hour)
	if n, err := s.Records.Collect(ctx, s.objects); err != nil || n != 3 || len(s.objects.Keys()) != 0 || len(s.Jobs.Forgotten) != 2 {
		t.Errorf("collected %d: %v, left %v, forgotten %v", n, err, s.objects.Keys(), s.Jobs.Forgotten)
	}
	if st := s.must(t, `{ demo { state titles } }`, nil, "demo", "state"); st != "READY" {
		t.Errorf("%v", st)
	}
	if st := s.must(t, `mutation { removeDemo { demo { state } } }`, nil, "removeDemo", "demo", "state"); st != "REMOVING" {
		t.Errorf("%v", st)
	}
}

// Two who save at the same time: one wins, the other hears of it.
func TestOneOfTwoEditorsWins(t *testing.T) {
	s := newServer(t)
	id := s.title(t, "FILM", "x", nil)
	var wg sync.WaitGroup
	results := make([]answer, 8)
	for i := range results {
		wg.Go(func() {
			results[i] = s.do(t, "admin", `mutation($in: UpdateTitleInput!) { updateTitle(input: $in) { record { version } } }`,
				map[string]any{"in": map[string]any{"id": id, "version": 1, "originalName": fmt.Sprint("name ", i)}})
		})
	}
	wg.Wait()
	won := 0
	for _, r := range results {
		if len(r.Errors) == 0 {
			won++
		} else if r.Errors[0].Extensions["code"] != "CONFLICT" {
			t.Errorf("%v", r.Errors)
		}
	}
	if won != 1 {
		t.Errorf("%d won", won)
	}
}

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
