package bleve

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"hash/crc32"
	"strings"

	"github.com/google/uuid"

	"github.com/netflixathome/cinema/internal/search"
)

// place is where a hit stands in its list. A page goes on behind a place and
// not behind a hit, so that it works when the hit is gone.
type place struct {
	Order  string    `json:"o"`
	Number float64   `json:"n,omitempty"`
	Key    []byte    `json:"k,omitempty"`
	ID     uuid.UUID `json:"i"`
}

const orderPeople = "people"

// compare orders places of one list.
func (p *place) compare(o *place) int {
	switch {
	case p.Number < o.Number:
		return -1
	case p.Number > o.Number:
		return 1
	}
	if c := bytes.Compare(p.Key, o.Key); c != 0 {
		return c
	}
	return strings.Compare(string(p.ID[:]), string(o.ID[:]))
}

func (p *place) cursor() string {
	b, err := json.Marshal(p)
	if err != nil {
		return "" // numbers, bytes and text only: cannot fail
	}
	return base64.RawURLEncoding.EncodeToString(binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b)))
}

// parseCursor reads a cursor of a list in this order; empty is no place.
func parseCursor(s, order string) (*place, error) {
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
	p := new(place)
	if crc32.ChecksumIEEE(text) != sum || json.Unmarshal(text, p) != nil || p.Order != order {
		return nil, search.ErrBadCursor
	}
	return p, nil
}
