package admin

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/99designs/gqlgen/graphql"
	"github.com/google/uuid"
	"golang.org/x/text/language"

	"github.com/netflixathome/cinema/internal/fault"
	"github.com/netflixathome/cinema/internal/gid"
)

// Bounds on lists; the schema promises the others.
const (
	MaxTranslations = 100
	MaxGenres       = 50
	MaxCredits      = 1000
	MaxCountries    = 50
	MaxPage         = 200
	MaxIDs          = 200
	MaxQuery        = 200
)

// TitleTranslationInput is a title's words in a language.
type TitleTranslationInput struct {
	Locale      string
	Name        string
	Tagline     *string
	Description *string
}

// NameTranslationInput is a name in a language.
type NameTranslationInput struct {
	Locale string
	Name   string
}

// CreditInput is a person's part in a title.
type CreditInput struct {
	PersonID   gid.ID
	Kind       CreditKind
	Characters []*NameTranslationInput
}

// CreateTitleInput is what a new title needs.
type CreateTitleInput struct {
	TitleUUID        *uuid.UUID
	Kind             TitleKind
	OriginalName     string
	OriginalLanguage *string
	Translations     []*TitleTranslationInput
	Year             *int
	EndYear          *int
	DurationMs       *int
	AgeRating        *int
	Countries        []string
	GenreIds         []gid.ID
	Credits          []*CreditInput
	Publish          *bool
}

// UpdateTitleInput are changes to a title: what is absent stays.
type UpdateTitleInput struct {
	ID               gid.ID
	Version          *int
	OriginalName     graphql.Omittable[*string]
	OriginalLanguage graphql.Omittable[*string]
	Translations     graphql.Omittable[[]*TitleTranslationInput]
	Year             graphql.Omittable[*int]
	EndYear          graphql.Omittable[*int]
	DurationMs       graphql.Omittable[*int]
	AgeRating        graphql.Omittable[*int]
	Countries        graphql.Omittable[[]string]
	GenreIds         graphql.Omittable[[]gid.ID]
	Credits          graphql.Omittable[[]*CreditInput]
}

// CreateEpisodeInput is what a new episode needs.
type CreateEpisodeInput struct {
	SeriesID     gid.ID
	SeasonNumber int
	Number       int
	OriginalName string
	Translations []*TitleTranslationInput
	DurationMs   *int
}

// UpdateEpisodeInput are changes to an episode: what is absent stays.
type UpdateEpisodeInput struct {
	ID           gid.ID
	Number       graphql.Omittable[*int]
	OriginalName graphql.Omittable[*string]
	Translations graphql.Omittable[[]*TitleTranslationInput]
	DurationMs   graphql.Omittable[*int]
}

// CreatePersonInput is what a new person needs.
type CreatePersonInput struct {
	Name         string
	Translations []*NameTranslationInput
}

// UpdatePersonInput are changes to a person: what is absent stays.
type UpdatePersonInput struct {
	ID           gid.ID
	Version      *int
	Name         graphql.Omittable[*string]
	Translations graphql.Omittable[[]*NameTranslationInput]
}

// CreateGenreInput is what a new genre needs.
type CreateGenreInput struct {
	Slug         string
	Translations []*NameTranslationInput
}

// UpdateGenreInput are changes to a genre: what is absent stays.
type UpdateGenreInput struct {
	ID           gid.ID
	Version      *int
	Translations graphql.Omittable[[]*NameTranslationInput]
}

// OpenUploadInput is what is going to be uploaded.
type OpenUploadInput struct {
	Kind     AssetKind
	OwnerID  gid.ID
	Filename string
	Size     int64
}

// TitleRecordFilter is what to keep of the records.
type TitleRecordFilter struct {
	Kinds    []TitleKind
	Statuses []TitleStatus
	GenreIds []gid.ID
	PersonID *gid.ID
	Playable *bool
}

func invalid(field, format string, args ...any) error {
	return fault.New(fault.Invalid, format, args...).At(field)
}

// text checks a line or passage: valid UTF-8 without control characters (but
// line breaks and tabs where multiline), not blank where min > 0, and at most
// max characters. It returns the text without surrounding space.
func text(field, what, s string, min, max int, multiline bool) (string, error) {
	s = strings.TrimSpace(s)
	if !utf8.ValidString(s) {
		return "", invalid(field, "%s is not valid text.", what)
	}
	for _, r := range s {
		if unicode.IsControl(r) && (!multiline || r != '\n' && r != '\r' && r != '\t') {
			return "", invalid(field, "%s holds a control character.", what)
		}
	}
	n := utf8.RuneCountInString(s)
	switch {
	case n < min:
		return "", invalid(field, "%s is empty.", what)
	case n > max:
		return "", invalid(field, "%s is longer than %d characters.", what, max)
	}
	return s, nil
}

func number(field, what string, n *int, min, max int) error {
	if n != nil && (*n < min || *n > max) {
		return invalid(field, "%s must be from %d to %d.", what, min, max)
	}
	return nil
}

// maxMs is the largest Int of GraphQL: a film of 24 days.
const maxMs = 1<<31 - 1

func duration(field string, n *int) error { return number(field, "The length", n, 1, maxMs) }

func titleTranslations(field string, in []*TitleTranslationInput) error {
	if len(in) > MaxTranslations {
		return invalid(field, "More than %d translations.", MaxTranslations)
	}
	seen := map[string]bool{}
	for i, t := range in {
		at := fmt.Sprintf("%s.%d", field, i)
		if seen[t.Locale] {
			return invalid(at+".locale", "There are two translations for %s.", t.Locale)
		}
		seen[t.Locale] = true
		var err error
		if t.Name, err = text(at+".name", "The name", t.Name, 1, 300, false); err != nil {
			return err
		}
		if t.Tagline, err = optional(at+".tagline", "The tagline", t.Tagline, 300, false); err != nil {
			return err
		}
		if t.Description, err = optional(at+".description", "The description", t.Description, 10000, true); err != nil {
			return err
		}
	}
	return nil
}

func optional(field, what string, s *string, max int, multiline bool) (*string, error) {
	if s == nil {
		return new(string), nil
	}
	out, err := text(field, what, *s, 0, max, multiline)
	return &out, err
}

func nameTranslations(field string, in []*NameTranslationInput, min int) error {
	if len(in) < min {
		return invalid(field, "At least one name is needed.")
	}
	if len(in) > MaxTranslations {
		return invalid(field, "More than %d translations.", MaxTranslations)
	}
	seen := map[string]bool{}
	for i, t := range in {
		at := fmt.Sprintf("%s.%d", field, i)
		if seen[t.Locale] {
			return invalid(at+".locale", "There are two names for %s.", t.Locale)
		}
		seen[t.Locale] = true
		var err error
		if t.Name, err = text(at+".name", "The name", t.Name, 1, 300, false); err != nil {
			return err
		}
	}
	return nil
}

func countries(field string, in []string) error {
	if len(in) > MaxCountries {
		return invalid(field, "More than %d countries.", MaxCountries)
	}
	seen := map[string]bool{}
	for i, c := range in {
		at := fmt.Sprintf("%s.%d", field, i)
		if len(c) != 2 || strings.ToUpper(c) != c || !isCountry(c) {
			return invalid(at, "A country is two capital letters after ISO 3166-1, such as FR.")
		}
		if seen[c] {
			return invalid(at, "The country %s is there twice.", c)
		}
		seen[c] = true
	}
	return nil
}

// isCountry takes what CLDR knows as a country, those that are no more
// (SU, CS …) included: old films come from them.
func isCountry(c string) bool {
	r, err := language.ParseRegion(c)
	if err != nil {
		return false
	}
	return r.IsCountry() || former[c]
}

// former are codes that ISO 3166-3 keeps for countries that are no more.
var former = map[string]bool{"SU": true, "CS": true, "YU": true, "DD": true, "ZR": true, "BU": true, "TP": true, "AN": true}

func genreIDs(field string, in []gid.ID) error {
	if len(in) > MaxGenres {
		return invalid(field, "More than %d genres.", MaxGenres)
	}
	seen := map[gid.ID]bool{}
	for i, id := range in {
		at := fmt.Sprintf("%s.%d", field, i)
		if !id.Is(gid.Genre) {
			return invalid(at, "This is no genre.")
		}
		if seen[id] {
			return invalid(at, "This genre is there twice.")
		}
		seen[id] = true
	}
	return nil
}

func credits(field string, in []*CreditInput) error {
	if len(in) > MaxCredits {
		return invalid(field, "More than %d credits.", MaxCredits)
	}
	for i, c := range in {
		at := fmt.Sprintf("%s.%d", field, i)
		if !c.PersonID.Is(gid.Person) {
			return invalid(at+".personId", "This is no person.")
		}
		if err := nameTranslations(at+".characters", c.Characters, 0); err != nil {
			return err
		}
	}
	return nil
}

// Validate refuses what is out of bounds and trims the texts.
func (in *CreateTitleInput) Validate() error {
	var err error
	if in.OriginalName, err = text("input.originalName", "The name", in.OriginalName, 1, 300, false); err != nil {
		return err
	}
	if err := titleTranslations("input.translations", in.Translations); err != nil {
		return err
	}
	if in.TitleUUID != nil && in.TitleUUID.Version() != 7 {
		return invalid("input.titleUuid", "titleUuid must be a UUIDv7.")
	}
	return firstOf(
		titleNumbers(in.Year, in.EndYear, in.DurationMs, in.AgeRating),
		TitleFits(in.Kind, in.Year, in.EndYear, in.DurationMs),
		countries("input.countries", in.Countries),
		genreIDs("input.genreIds", in.GenreIds),
		credits("input.credits", in.Credits),
	)
}

func titleNumbers(year, endYear, durationMs, ageRating *int) error {
	return firstOf(
		number("input.year", "The year", year, 1870, 2100),
		number("input.endYear", "The last year", endYear, 1870, 2100),
		duration("input.durationMs", durationMs),
		number("input.ageRating", "The age", ageRating, 0, 21),
	)
}

// TitleFits refuses values that do not fit the kind or each other.
func TitleFits(kind TitleKind, year, endYear, durationMs *int) error {
	switch {
	case kind == KindFilm && endYear != nil:
		return invalid("input.endYear", "Only a series has a last year.")
	case kind == KindSeries && durationMs != nil:
		return invalid("input.durationMs", "Only a film has a length; a series has those of its episodes.")
	case year != nil && endYear != nil && *endYear < *year:
		return invalid("input.endYear", "The last year is before the first.")
	}
	return nil
}

// Validate refuses what is out of bounds and trims the texts.
func (in *UpdateTitleInput) Validate() error {
	if err := requiredText("input.originalName", &in.OriginalName); err != nil {
		return err
	}
	for _, s := range []struct {
		field string
		null  bool
	}{
		{"input.translations", in.Translations.IsSet() && in.Translations.Value() == nil},
		{"input.countries", in.Countries.IsSet() && in.Countries.Value() == nil},
		{"input.genreIds", in.GenreIds.IsSet() && in.GenreIds.Value() == nil},
		{"input.credits", in.Credits.IsSet() && in.Credits.Value() == nil},
	} {
		if s.null {
			return invalid(s.field, "Send an empty list to empty it.")
		}
	}
	return firstOf(
		titleTranslations("input.translations", in.Translations.Value()),
		titleNumbers(in.Year.Value(), in.EndYear.Value(), in.DurationMs.Value(), in.AgeRating.Value()),
		countries("input.countries", in.Countries.Value()),
		genreIDs("input.genreIds", in.GenreIds.Value()),
		credits("input.credits", in.Credits.Value()),
	)
}

// requiredText checks a name that may be absent but not emptied.
func requiredText(field string, s *graphql.Omittable[*string]) error {
	if !s.IsSet() {
		return nil
	}
	if s.Value() == nil {
		return invalid(field, "The name is empty.")
	}
	v, err := text(field, "The name", *s.Value(), 1, 300, false)
	*s = graphql.OmittableOf(&v)
	return err
}

// Validate refuses what is out of bounds and trims the texts.
func (in *CreateEpisodeInput) Validate() error {
	var err error
	if in.OriginalName, err = text("input.originalName", "The name", in.OriginalName, 1, 300, false); err != nil {
		return err
	}
	return firstOf(
		number("input.seasonNumber", "The season", &in.SeasonNumber, 0, 1000),
		number("input.number", "The number", &in.Number, 1, 10000),
		titleTranslations("input.translations", in.Translations),
		duration("input.durationMs", in.DurationMs),
	)
}

// Validate refuses what is out of bounds and trims the texts.
func (in *UpdateEpisodeInput) Validate() error {
	if err := requiredText("input.originalName", &in.OriginalName); err != nil {
		return err
	}
	if in.Number.IsSet() && in.Number.Value() == nil {
		return invalid("input.number", "An episode needs a number.")
	}
	if in.Translations.IsSet() && in.Translations.Value() == nil {
		return invalid("input.translations", "Send an empty list to empty it.")
	}
	return firstOf(
		number("input.number", "The number", in.Number.Value(), 1, 10000),
		titleTranslations("input.translations", in.Translations.Value()),
		duration("input.durationMs", in.DurationMs.Value()),
	)
}

// Validate refuses what is out of bounds and trims the texts.
func (in *CreatePersonInput) Validate() error {
	var err error
	if in.Name, err = text("input.name", "The name", in.Name, 1, 300, false); err != nil {
		return err
	}
	return nameTranslations("input.translations", in.Translations, 0)
}

// Validate refuses what is out of bounds and trims the texts.
func (in *UpdatePersonInput) Validate() error {
	if err := requiredText("input.name", &in.Name); err != nil {
		return err
	}
	if in.Translations.IsSet() && in.Translations.Value() == nil {
		return invalid("input.translations", "Send an empty list to empty it.")
	}
	return nameTranslations("input.translations", in.Translations.Value(), 0)
}

// Validate refuses what is out of bounds and trims the texts.
func (in *CreateGenreInput) Validate() error {
	ok := len(in.Slug) >= 2 && len(in.Slug) <= 40
	for _, r := range in.Slug {
		ok = ok && (r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-')
	}
	if !ok {
		return invalid("input.slug", "A slug is 2 to 40 lower-case letters, digits and hyphens.")
	}
	return nameTranslations("input.translations", in.Translations, 1)
}

// Validate refuses what is out of bounds and trims the texts.
func (in *UpdateGenreInput) Validate() error {
	if !in.Translations.IsSet() {
		return nil
	}
	return nameTranslations("input.translations", in.Translations.Value(), 1)
}

// Largest files that are taken.
const (
	MaxPictureSize = 20 << 20
	MaxSourceSize  = 200 << 30
)

// Validate refuses what is out of bounds and reduces the file's name to what
// people need of it: its last element. It is text and never becomes a path.
func (in *OpenUploadInput) Validate() error {
	if !utf8.ValidString(in.Filename) {
		return invalid("input.filename", "The file's name is not valid text.")
	}
	for _, r := range in.Filename {
		if unicode.IsControl(r) {
			return invalid("input.filename", "The file's name holds a control character.")
		}
	}
	name := in.Filename
	if i := strings.LastIndexAny(name, `/\`); i >= 0 {
		name = name[i+1:]
	}
	name = strings.TrimSpace(name)
	if name == "" || name == "." || name == ".." {
		return invalid("input.filename", "The file has no name.")
	}
	if runes := []rune(name); len(runes) > 255 {
		name = string(runes[:255])
	}
	in.Filename = name

	switch {
	case in.Size < 1:
		return invalid("input.size", "The file is empty.")
	case in.Kind == Source && in.Size > MaxSourceSize:
		return invalid("input.size", "A film may have up to 200 GB.")
	case in.Kind != Source && in.Size > MaxPictureSize:
		return invalid("input.size", "A picture may have up to 20 MB.")
	case in.Kind == Source && !in.OwnerID.Is(gid.Film, gid.Episode):
		return invalid("input.ownerId", "A film belongs to a film's record or to an episode.")
	case in.Kind != Source && !in.OwnerID.Is(gid.Film, gid.Series):
		return invalid("input.ownerId", "A picture belongs to a film or a series.")
	}
	return nil
}

// CheckPage returns the bounded size of a page.
func CheckPage(first *int, otherwise int) (int, error) {
	if first == nil {
		return otherwise, nil
	}
	if *first < 1 || *first > MaxPage {
		return 0, invalid("first", "A page has from 1 to %d rows.", MaxPage)
	}
	return *first, nil
}

// CheckIDs refuses too few, too many, doubled and wrong identifiers of titles.
func CheckIDs(ids []gid.ID) error {
	if len(ids) < 1 || len(ids) > MaxIDs {
		return invalid("input.ids", "From 1 to %d titles at a time.", MaxIDs)
	}
	seen := map[gid.ID]bool{}
	for i, id := range ids {
		at := fmt.Sprintf("input.ids.%d", i)
		if !id.Is(gid.Film, gid.Series) {
			return invalid(at, "This is no title.")
		}
		if seen[id] {
			return invalid(at, "This title is there twice.")
		}
		seen[id] = true
	}
	return nil
}

// CheckQuery bounds the words of a list's filter.
func CheckQuery(q *string) (string, error) {
	if q == nil {
		return "", nil
	}
	return text("query", "The query", *q, 0, MaxQuery, false)
}

func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
