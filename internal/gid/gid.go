// Package gid holds the global identifiers that clients see.
//
// An identifier is a TypeID (https://github.com/jetify-com/typeid, spec 0.3):
// the kind of thing, an underscore, and a UUIDv7 in 26 characters of
// Crockford's base32, such as film_01h455vb4pex5vsknk084sn02q. Clients must
// treat it as opaque. Inside the program and in Postgres only the UUID is kept.
package gid

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/google/uuid"
)

// Kind is the kind of thing an ID names; its value is the ID's prefix.
type Kind string

// The kinds. A prefix is part of the public contract and never changes.
const (
	User           Kind = "user"
	Profile        Kind = "profile"
	Session        Kind = "session" // a signed-in device
	Passkey        Kind = "passkey"
	Identity       Kind = "identity" // an account with a provider of sign-ins
	Film           Kind = "film"
	Series         Kind = "series"
	Season         Kind = "season"
	Episode        Kind = "episode"
	Person         Kind = "person"
	Genre          Kind = "genre"
	Asset          Kind = "asset"
	MediaJob       Kind = "job"
	ViewingSession Kind = "viewing"
	Audit          Kind = "audit" // a line of the audit log
	APIKey         Kind = "apikey"
	Invitation     Kind = "invitation"
)

var kinds = func() map[string]Kind {
	m := map[string]Kind{}
	for _, k := range []Kind{
		User, Profile, Session, Passkey, Identity, Film, Series, Season, Episode, Person, Genre, Asset, MediaJob,
		ViewingSession, Audit, APIKey, Invitation,
	} {
		m[string(k)] = k
	}
	return m
}()

// ID is a global identifier. It is comparable; the zero ID names nothing.
type ID struct {
	Kind Kind
	UUID uuid.UUID
}

// ErrMalformed is what Parse and UnmarshalGQL return for text that is no ID.
var ErrMalformed = errors.New("not an identifier of this API")

// New makes a fresh ID of the kind from a UUIDv7.
func New(kind Kind) ID { return ID{Kind: kind, UUID: uuid.Must(uuid.NewV7())} }

// Of joins a kind with a UUID that a store returned.
func Of(kind Kind, u uuid.UUID) ID { return ID{Kind: kind, UUID: u} }

// IsZero reports whether the ID names nothing.
func (id ID) IsZero() bool { return id == ID{} }

// Is reports whether the ID is of one of the kinds.
func (id ID) Is(kinds ...Kind) bool {
	for _, k := range kinds {
		if id.Kind == k {
			return true
		}
	}
	return false
}

const alphabet = "0123456789abcdefghjkmnpqrstvwxyz"

var digits = func() (d [256]byte) {
	for i := range d {
		d[i] = 0xff
	}
	for i := range len(alphabet) {
		d[alphabet[i]] = byte(i)
	}
	return d
}()

// String is the TypeID.
func (id ID) String() string {
	if id.IsZero() {
		return ""
	}
	// 128 bits in 26 digits of 5 bits: the first digit holds the top 3 bits.
	var out [26]byte
	hi, lo := uint64(0), uint64(0)
	for i := range 8 {
		hi = hi<<8 | uint64(id.UUID[i])
		lo = lo<<8 | uint64(id.UUID[8+i])
	}
	for i := 25; i >= 0; i-- {
		out[i] = alphabet[lo&31]
		lo = lo>>5 | hi<<59
		hi >>= 5
	}
	return string(id.Kind) + "_" + string(out[:])
}

// Parse reads a TypeID of a known kind; any other text is ErrMalformed.
func Parse(s string) (ID, error) {
	prefix, suffix, ok := strings.Cut(s, "_")
	kind, known := kinds[prefix] // not the prefix itself, which would keep s in memory
	if !ok || !known || len(suffix) != 26 || suffix[0] > '7' {
		return ID{}, ErrMalformed
	}
	hi, lo := uint64(0), uint64(0)
	for i := range len(suffix) {
		d := digits[suffix[i]]
		if d == 0xff {
			return ID{}, ErrMalformed
		}
		hi = hi<<5 | lo>>59
		lo = lo<<5 | uint64(d)
	}
	var u uuid.UUID
	for i := range 8 {
		u[i] = byte(hi >> (56 - 8*i))
		u[8+i] = byte(lo >> (56 - 8*i))
	}
	return ID{Kind: kind, UUID: u}, nil
}

// MarshalGQL implements graphql.Marshaler.
func (id ID) MarshalGQL(w io.Writer) { _, _ = io.WriteString(w, strconv.Quote(id.String())) }

// UnmarshalGQL implements graphql.Unmarshaler.
func (id *ID) UnmarshalGQL(v any) error {
	s, ok := v.(string)
	if !ok {
		return fmt.Errorf("%w: want a string, got %T", ErrMalformed, v)
	}
	parsed, err := Parse(s)
	if err != nil {
		return err
	}
	*id = parsed
	return nil
}

// MarshalText lets an ID stand in JSON and in logs.
func (id ID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText is the inverse of MarshalText; empty text is the zero ID.
func (id *ID) UnmarshalText(b []byte) error {
	if len(b) == 0 {
		*id = ID{}
		return nil
	}
	parsed, err := Parse(string(b))
	if err != nil {
		return err
	}
	*id = parsed
	return nil
}
