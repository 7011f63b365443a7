// Package scalar reads and writes the scalars that all subgraphs share.
package scalar

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"sync"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/google/uuid"
	"golang.org/x/text/language"
)

// A message begins with the name of the scalar, as the schema spells it.
var (
	errDate   = errors.New("Date: want YYYY-MM-DD")                                //nolint:staticcheck // the scalar's name
	errLocale = errors.New("Locale: want a language tag after BCP 47, such as ru") //nolint:staticcheck // the scalar's name
)

const millis = "2006-01-02T15:04:05.000Z07:00"

// MarshalDateTime writes RFC 3339 in UTC with milliseconds.
func MarshalDateTime(t time.Time) graphql.Marshaler {
	return graphql.WriterFunc(func(w io.Writer) {
		_, _ = io.WriteString(w, strconv.Quote(t.UTC().Format(millis)))
	})
}

// UnmarshalDateTime reads RFC 3339 with any offset and fraction; years 1 to 9999.
func UnmarshalDateTime(v any) (time.Time, error) {
	s, ok := v.(string)
	if !ok {
		return time.Time{}, fmt.Errorf("DateTime: want a string, got %T", v)
	}
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		return time.Time{}, errors.New("DateTime: want RFC 3339, such as 2026-01-31T12:00:00.000Z")
	}
	return t.UTC(), nil
}

// MarshalDate writes YYYY-MM-DD.
func MarshalDate(t time.Time) graphql.Marshaler {
	return graphql.WriterFunc(func(w io.Writer) {
		_, _ = io.WriteString(w, strconv.Quote(t.UTC().Format(time.DateOnly)))
	})
}

// UnmarshalDate reads YYYY-MM-DD as midnight in UTC.
func UnmarshalDate(v any) (time.Time, error) {
	s, ok := v.(string)
	if !ok {
		return time.Time{}, fmt.Errorf("Date: want a string, got %T", v) //nolint:staticcheck // the scalar's name
	}
	t, err := time.Parse(time.DateOnly, s)
	if err != nil {
		return time.Time{}, errDate
	}
	return t, nil
}

// MarshalLocale writes a language tag as it is kept.
func MarshalLocale(s string) graphql.Marshaler { return graphql.MarshalString(s) }

// plainTags are the tags of two letters that are their own canonical form.
// Nearly every locale is one, and a page names its locale on every field that
// has words: to parse it each time is slow and deep enough to move the stack.
var plainTags = sync.OnceValue(func() map[string]bool {
	plain := map[string]bool{}
	for a := 'a'; a <= 'z'; a++ {
		for b := 'a'; b <= 'z'; b++ {
			s := string(a) + string(b)
			if tag, err := language.Parse(s); err == nil && tag.String() == s {
				plain[s] = true
			}
		}
	}
	return plain
})

// UnmarshalLocale reads a BCP 47 tag and returns its canonical form.
func UnmarshalLocale(v any) (string, error) {
	s, ok := v.(string)
	if !ok || len(s) > 35 {
		return "", errLocale
	}
	if len(s) == 2 && plainTags()[s] {
		return s, nil
	}
	tag, err := language.Parse(s)
	if err != nil {
		return "", errLocale
	}
	return tag.String(), nil
}

// MarshalUUID writes the 36-character form.
func MarshalUUID(u uuid.UUID) graphql.Marshaler {
	return graphql.WriterFunc(func(w io.Writer) {
		_, _ = io.WriteString(w, strconv.Quote(u.String()))
	})
}

// UnmarshalUUID reads the 36-character form.
func UnmarshalUUID(v any) (uuid.UUID, error) {
	s, ok := v.(string)
	if !ok || len(s) != 36 {
		return uuid.Nil, errors.New("UUID: want its 36-character form")
	}
	u, err := uuid.Parse(s)
	if err != nil {
		return uuid.Nil, errors.New("UUID: want its 36-character form")
	}
	return u, nil
}
