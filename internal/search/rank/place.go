package rank

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"hash/crc32"

	"github.com/google/uuid"

	"github.com/netflixathome/cinema/internal/search"
)

// Place is where a hit stands in its list: by Number, then Key, then ID, less
// first. A page goes on behind a place and not behind a hit, so that it works
// when the hit is gone, and in an index that was built anew.
type Place struct {
	Order  string    `json:"o"`
	Number float64   `json:"n,omitempty"`
	Key    []byte    `json:"k,omitempty"`
	ID     uuid.UUID `json:"i"`
}

// The orders of people: without a query and with one.
const (
	OrderPeople      = "people"
	OrderPeopleFound = OrderPeople + string(search.SortRelevance)
)

// Compare orders places of one list.
func (p *Place) Compare(o *Place) int {
	switch {
	case p.Number < o.Number:
		return -1
	case p.Number > o.Number:
		return 1
	}
	if c := bytes.Compare(p.Key, o.Key); c != 0 {
		return c
	}
	return bytes.Compare(p.ID[:], o.ID[:])
}

// Cursor writes the place down.
func (p *Place) Cursor() string {
	b, err := json.Marshal(p)
	if err != nil {
		return "" // numbers, bytes and text only: cannot fail
	}
	return base64.RawURLEncoding.EncodeToString(binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b)))
}

// ParseCursor reads a cursor of a list in this order, or returns
// search.ErrBadCursor; an empty one is no place.
func ParseCursor(s, order string) (*Place, error) {
	if s == "" {
		return nil, nil
	}
	if len(s) > 4096 {
		return nil, search.ErrBadCursor
	}
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil || len(b) < 4 {
		return nil, search.ErrBadCursor
	}
	text, sum := b[:len(b)-4], binary.BigEndian.Uint32(b[len(b)-4:])
	p := new(Place)
	if crc32.ChecksumIEEE(text) != sum || json.Unmarshal(text, p) != nil || p.Order != order {
		return nil, search.ErrBadCursor
	}
	return p, nil
}

// Order is the order in which a query's titles come: the asked one, relevance
// for an unknown one, and the newest first where nothing can be relevant.
func Order(sort search.Sort, asked bool) search.Sort {
	switch sort {
	case search.SortAdded, search.SortYearAsc, search.SortYearDesc, search.SortName:
		return sort
	}
	if asked {
		return search.SortRelevance
	}
	return search.SortAdded
}

// Size is how many hits a page of first has.
func Size(first int) int { return min(max(first, 1), 100) }

// UnknownYear stands for a year that is not known where the oldest come first.
const UnknownYear = 1_000_000
