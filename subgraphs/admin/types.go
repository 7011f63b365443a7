package admin

import (
	"time"

	"github.com/google/uuid"

	"github.com/netflixathome/cinema/internal/gid"
)

// TitleKind is a film or a series.
type TitleKind string

// The kinds of titles.
const (
	KindFilm   TitleKind = "FILM"
	KindSeries TitleKind = "SERIES"
)

// ID makes the global identifier of a title of this kind.
func (k TitleKind) ID(u uuid.UUID) gid.ID {
	if k == KindSeries {
		return gid.Of(gid.Series, u)
	}
	return gid.Of(gid.Film, u)
}

// TitleStatus says whether viewers see a title.
type TitleStatus string

// The statuses.
const (
	Draft     TitleStatus = "DRAFT"
	Published TitleStatus = "PUBLISHED"
	Deleted   TitleStatus = "DELETED"
)

// CreditKind is what a person did for a title.
type CreditKind string

// The kinds of credits.
const (
	Director        CreditKind = "DIRECTOR"
	Writer          CreditKind = "WRITER"
	Actor           CreditKind = "ACTOR"
	Composer        CreditKind = "COMPOSER"
	Producer        CreditKind = "PRODUCER"
	Cinematographer CreditKind = "CINEMATOGRAPHER"
)

// TitleRecordSort is an order of records.
type TitleRecordSort string

// The orders.
const (
	SortUpdated TitleRecordSort = "UPDATED"
	SortName    TitleRecordSort = "NAME"
	SortYear    TitleRecordSort = "YEAR"
)

// Image names the stored widths of a picture; the object of width w is
// Prefix + "/" + w + ".jpg". It is kept as JSON with the title.
type Image struct {
	Prefix      string `json:"prefix"`
	Widths      []int  `json:"widths"`
	Placeholder string `json:"placeholder"`
	Colour      string `json:"colour"`
}

// TitleRecord is the editable record of a title. What hangs on it is loaded
// by the resolvers in batches.
type TitleRecord struct {
	ID               gid.ID
	Kind             TitleKind
	Version          int
	Status           TitleStatus
	OriginalName     string
	OriginalLanguage *string
	Translations     []*TitleTranslation
	Year             *int
	EndYear          *int
	DurationMs       *int
	AgeRating        *int
	Countries        []string
	Poster           *Image
	Still            *Image
	Demo             bool
	CreatedAt        time.Time
	UpdatedAt        time.Time
}

// TitleTranslation is a title's or an episode's words in a language.
type TitleTranslation struct {
	Locale      string `json:"locale"`
	Name        string `json:"name"`
	Tagline     string `json:"tagline"`
	Description string `json:"description"`
}

// NameTranslation is a name in a language.
type NameTranslation struct {
	Locale string `json:"locale"`
	Name   string `json:"name"`
}

// CreditRecord is a person's part in a title.
type CreditRecord struct {
	Person     *PersonRecord
	Kind       CreditKind
	Characters []*NameTranslation
}

// SeasonRecord is a season with its episodes in order.
type SeasonRecord struct {
	ID       gid.ID
	Number   int
	Episodes []*EpisodeRecord
}

// EpisodeRecord is the editable record of an episode.
type EpisodeRecord struct {
	ID           gid.ID
	SeriesID     uuid.UUID
	SeasonNumber int
	Number       int
	OriginalName string
	Translations []*TitleTranslation
	DurationMs   *int
}

// PersonRecord is the editable record of a person.
type PersonRecord struct {
	ID           gid.ID
	Version      int
	Name         string
	Translations []*NameTranslation
	UpdatedAt    time.Time
}

// GenreRecord is the editable record of a genre.
type GenreRecord struct {
	ID           gid.ID
	Version      int
	Slug         string
	Translations []*NameTranslation
	UpdatedAt    time.Time
}

// RecordChange says who changed what; a nil UserID is the program itself.
type RecordChange struct {
	At      time.Time
	UserID  *uuid.UUID
	Fields  []string
	Version int
}

// AssetKind is what an uploaded file is for.
type AssetKind string

// The kinds of assets.
const (
	Poster AssetKind = "POSTER"
	Still  AssetKind = "STILL"
	Source AssetKind = "SOURCE"
)

// AssetState is where an uploaded file stands.
type AssetState string

// The states of an asset.
const (
	Uploading AssetState = "UPLOADING"
	Checking  AssetState = "CHECKING"
	Ready     AssetState = "READY"
	Refused   AssetState = "REFUSED"
	Cancelled AssetState = "CANCELLED"
)

// Asset is an uploaded file.
type Asset struct {
	ID         gid.ID
	Kind       AssetKind
	OwnerID    gid.ID // film, series or episode
	TitleID    uuid.UUID
	Filename   string
	Size       int64
	State      AssetState
	Refusal    *string
	Sha256     *string
	UploadedBy uuid.UUID
	CreatedAt  time.Time
}

// MediaJobState is where a job stands.
type MediaJobState string

// The states of a job.
const (
	JobQueued    MediaJobState = "QUEUED"
	JobProbing   MediaJobState = "PROBING"
	JobEncoding  MediaJobState = "ENCODING"
	JobReady     MediaJobState = "READY"
	JobFailed    MediaJobState = "FAILED"
	JobCancelled MediaJobState = "CANCELLED"
)

// Unfinished are the states of jobs that will still change.
var Unfinished = [...]MediaJobState{JobQueued, JobProbing, JobEncoding}

// MediaJob is work on an uploaded film. PlayableName is filled in by records.
type MediaJob struct {
	ID           gid.ID
	PlayableID   gid.ID
	PlayableName string
	State        MediaJobState
	Step         string
	Percent      float64
	StepPercent  float64
	Speed        float64
	EtaMs        *int
	Error        *string
	CreatedAt    time.Time
	FinishedAt   *time.Time
}

// MediaState is what became of an uploaded film.
type MediaState struct {
	Playable   bool
	Complete   bool
	Job        *MediaJob
	Renditions []string // ready ones, the best first
}

// DemoState is where the demo cinema stands.
type DemoState string

// The states of the demo cinema.
const (
	DemoAbsent   DemoState = "ABSENT"
	DemoSeeding  DemoState = "SEEDING"
	DemoReady    DemoState = "READY"
	DemoRemoving DemoState = "REMOVING"
	DemoFailed   DemoState = "FAILED"
)

// DemoStatus is how far the demo cinema has come.
type DemoStatus struct {
	State   DemoState
	Step    string
	Percent float64
	Titles  int
}
