// Package records keeps the catalogue's records in Postgres.
//
// A mutation is checked (admin's Validate), then done in one transaction that
// locks the title, compares the version the client started from, writes, raises
// the title's version and notes in title_change who changed which fields. So
// two editors never overwrite each other unseen, and the ETL sees a title and
// its version change at the same moment. Changes of a person or a genre raise
// their own version; the titles that show them follow in the index by the ETL
// and keep their versions, but a deletion takes rows from titles and raises
// theirs.
//
// Reads for lists of owners come in batches (…Of methods); the resolvers'
// dataloaders call them.
package records

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/netflixathome/cinema/internal/authn"
	"github.com/netflixathome/cinema/internal/fault"
	"github.com/netflixathome/cinema/internal/pg"
	"github.com/netflixathome/cinema/subgraphs/admin"
)

// Deps of New; all are required.
type Deps struct {
	// Pool of the database "catalog", migrated.
	Pool *pgxpool.Pool
	Jobs admin.Jobs
	Log  *slog.Logger
	Now  func() time.Time
}

// Service is safe for concurrent use.
type Service struct {
	pool *pgxpool.Pool
	jobs admin.Jobs
	log  *slog.Logger
	now  func() time.Time
}

// New refuses missing dependencies.
func New(d Deps) (*Service, error) {
	if d.Pool == nil || d.Jobs == nil || d.Log == nil || d.Now == nil {
		return nil, errors.New("records: Pool, Jobs, Log and Now are required")
	}
	return &Service{pool: d.Pool, jobs: d.Jobs, log: d.Log, now: d.Now}, nil
}

func (s *Service) tx(ctx context.Context, f func(pgx.Tx) error) error {
	return pg.Tx(ctx, s.pool, f)
}

// querier is a pool or a transaction.
type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
}

// actor is who changes something; nil is the program itself.
func actor(ctx context.Context) *uuid.UUID {
	if c := authn.From(ctx); c != nil {
		return &c.UserID
	}
	return nil
}

func notFound(what string) *fault.Error {
	return fault.New(fault.NotFound, "There is no such %s; it may have been deleted.", what)
}

var errConflict = fault.New(fault.Conflict, "Somebody else changed this first. Look at the newest version and try again.").WithReason("VERSION")

var errTitleUUID = fault.New(fault.Conflict, "Another title has this identity. Make a new one and try again.").WithReason("TITLE_TAKEN").At("input.titleUuid")

var errDeleted = fault.New(fault.Conflict, "This title is deleted. Bring it back first.").WithReason("DELETED")

func checkVersion(want *int, have int) error {
	if want != nil && *want != have {
		return errConflict.At("input.version")
	}
	return nil
}

// cursor is a place in a sorted list: the sort, the row's key, its identifier.
type cursor struct {
	Sort string    `json:"s"`
	Key  string    `json:"k"`
	ID   uuid.UUID `json:"i"`
}

func (c cursor) String() string {
	b, _ := json.Marshal(c) // strings only: cannot fail
	return base64.RawURLEncoding.EncodeToString(b)
}

// readCursor refuses what this list did not make.
func readCursor(after *string, sort string) (*cursor, error) {
	if after == nil || *after == "" {
		return nil, nil
	}
	refused := fault.New(fault.Invalid, "This is no place in this list.").At("after")
	b, err := base64.RawURLEncoding.DecodeString(*after)
	if err != nil || len(b) > 4096 {
		return nil, refused
	}
	var c cursor
	if err := json.Unmarshal(b, &c); err != nil || c.Sort != sort || strings.ContainsRune(c.Key, 0) {
		return nil, refused
	}
	return &c, nil
}

// like makes a pattern that finds q anywhere, taken literally.
func like(q string) string {
	return "%" + strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(q) + "%"
}

// Page is a part of a list.
type Page[T any] struct {
	Rows    []T
	Cursors []string
	HasNext bool
	Total   int
}

func lower[T ~string](in []T) []string {
	out := make([]string, len(in))
	for i, v := range in {
		out[i] = strings.ToLower(string(v))
	}
	return out
}
