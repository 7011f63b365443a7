package elastic

import (
	"encoding/hex"
	"fmt"

	"github.com/elastic/go-elasticsearch/v8/typedapi/types"
	"github.com/elastic/go-elasticsearch/v8/typedapi/types/enums/fieldtype"
	"github.com/elastic/go-elasticsearch/v8/typedapi/types/enums/sortorder"
	"github.com/google/uuid"

	"github.com/netflixathome/cinema/internal/search"
	"github.com/netflixathome/cinema/internal/search/rank"
)

// order is the order of a list: by a number or the score, by a key, by the
// identifier, in this sequence; what a list lacks is left out.
type order struct {
	name   string
	sort   []types.SortCombinations
	number bool // the first sort value is a number
	falls  bool // the greatest number comes first
	score  bool // the number is the score
	keyed  bool // the next sort value is a key
}

func newOrder(name string) *order { return &order{name: name} }

func (o *order) byScore() *order {
	o.number, o.falls, o.score = true, true, true
	o.sort = append(o.sort, types.SortOptions{Score_: &types.ScoreSort{Order: &sortorder.Desc}})
	return o
}

func (o *order) byNumber(field string, falls bool) *order {
	o.number, o.falls = true, falls
	way := sortorder.Asc
	if falls {
		way = sortorder.Desc
	}
	o.sort = append(o.sort, types.SortOptions{SortOptions: map[string]types.FieldSort{field: {Order: &way, UnmappedType: &fieldtype.Long}}})
	return o
}

func (o *order) byKey(field string) *order {
	o.keyed = true
	o.sort = append(o.sort, types.SortOptions{SortOptions: map[string]types.FieldSort{field: {Order: &sortorder.Asc, UnmappedType: &fieldtype.Keyword}}})
	return o
}

// byID ends an order: no two documents are at one place.
func (o *order) byID() *order {
	for _, field := range []string{"id_high", "id_low"} {
		o.sort = append(o.sort, types.SortOptions{SortOptions: map[string]types.FieldSort{field: {Order: &sortorder.Asc, UnmappedType: &fieldtype.Long}}})
	}
	return o
}

// titleOrder is the order of a list of titles.
func titleOrder(sort search.Sort, locale string) *order {
	o := newOrder(string(sort))
	switch sort {
	case search.SortYearDesc:
		o.byNumber("year", true)
	case search.SortYearAsc:
		o.byNumber("year_asc", false)
	case search.SortName:
		o.byKey(keyColumn(locale))
	case search.SortRelevance:
		o.byScore()
	default:
		o.byNumber("added", true)
	}
	return o.byID()
}

// after turns a place into the sort values to go on behind.
func (o *order) after(p *rank.Place) []types.FieldValue {
	var out []types.FieldValue
	if o.number {
		n := p.Number
		if o.falls {
			n = -n
		}
		if o.score {
			out = append(out, n)
		} else {
			out = append(out, int64(n))
		}
	}
	if o.keyed {
		out = append(out, hex.EncodeToString(p.Key))
	}
	high, low := halves(p.ID)
	return append(out, high, low)
}

// place turns the sort values of a document's hit into its place.
func (o *order) place(id uuid.UUID, values []types.FieldValue) (rank.Place, error) {
	p := rank.Place{Order: o.name, ID: id}
	bad := fmt.Errorf("search: sort values %v do not fit the order %s", values, o.name)
	if len(values) != len(o.sort) {
		return p, bad
	}
	if o.number {
		n, ok := values[0].(float64)
		if !ok {
			return p, bad
		}
		if o.falls {
			n = -n
		}
		p.Number, values = n, values[1:]
	}
	if o.keyed {
		s, ok := values[0].(string)
		key, err := hex.DecodeString(s)
		if !ok || err != nil {
			return p, bad
		}
		p.Key = key
	}
	return p, nil
}
