package bleve

import (
	"encoding/hex"
	"strings"

	"github.com/blevesearch/bleve/v2/analysis"
	"github.com/blevesearch/bleve/v2/document"
	index "github.com/blevesearch/bleve_index_api"
	"github.com/google/uuid"

	"github.com/netflixathome/cinema/internal/search/rank"
)

const (
	titlePrefix  = "t:"
	personPrefix = "p:"
	genrePrefix  = "g:"

	fieldDocument = "json" // the whole document, stored only
	fieldID       = "id"   // the identifier, as a column
)

// addFields makes a document findable.
func addFields(d *document.Document, id uuid.UUID, fields []rank.Field) {
	d.AddField(document.NewTextFieldCustom(fieldID, nil, []byte(hex.EncodeToString(id[:])),
		index.IndexField|index.DocValues|index.SkipFreqNorm, spaced{}))
	for _, f := range fields {
		d.AddField(document.NewTextFieldCustom(f.Name, nil, []byte(strings.Join(f.Terms, " ")),
			index.IndexField|index.SkipFreqNorm, spaced{}))
	}
}

// spaced is the analyzer of fields whose terms are made already: package rank
// did the work, so that queries and documents are read by one code.
type spaced struct{}

func (spaced) Analyze(text []byte) analysis.TokenStream {
	var out analysis.TokenStream
	start := 0
	for i := 0; i <= len(text); i++ {
		if i < len(text) && text[i] != ' ' {
			continue
		}
		if i > start {
			out = append(out, &analysis.Token{Term: text[start:i], Start: start, End: i, Position: len(out) + 1})
		}
		start = i + 1
	}
	return out
}
