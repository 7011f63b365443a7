package bleve

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"

	blevelib "github.com/blevesearch/bleve/v2"
	"github.com/blevesearch/bleve/v2/document"
	"github.com/blevesearch/bleve/v2/index/scorch"
	index "github.com/blevesearch/bleve_index_api"
	"github.com/google/uuid"
	bolterrors "go.etcd.io/bbolt/errors"

	"github.com/netflixathome/cinema/internal/search"
	"github.com/netflixathome/cinema/internal/search/rank"
)

// mapping names how documents are made into fields and rows. It changes with
// every change of fields.go or rank.Field that needs documents to be indexed again.
const mapping = "2"

var (
	keyMapping  = []byte("mapping")
	keyPosition = []byte("position")
	errLocked   = bolterrors.ErrTimeout
)

// store is one generation of the index.
type store struct {
	path  string
	index blevelib.Index
	rower *rower // the writer's

	// mu guards what follows: an index reader and the rows that say the same.
	mu       sync.RWMutex
	reader   index.IndexReader
	titles   map[uuid.UUID]*row
	rows     []*row // all of titles
	episodes map[uuid.UUID]uuid.UUID
	people   map[uuid.UUID]*person
	genres   map[uuid.UUID]*search.Genre
	docs     *documents
	scratch  sync.Pool // *scorer

	counted struct {
		sync.Mutex
		genres []search.GenreCount
	}
}

func config() map[string]any {
	return map[string]any{
		// A second opener must be told soon rather than wait for ever.
		"bolt_timeout": "2s",
		// One snapshot is enough: nobody rolls a derived index back.
		"numSnapshotsToKeep": 1,
		"unsafe_batch":       false,
	}
}

func createStore(path string, o Options) (*store, error) {
	idx, err := blevelib.NewUsing(path, blevelib.NewIndexMapping(), scorch.Name, scorch.Name, config())
	if err != nil {
		return nil, fmt.Errorf("search: make an index: %w", errors.Join(err, os.RemoveAll(path)))
	}
	b := idx.NewBatch()
	b.SetInternal(keyMapping, []byte(mapping))
	if err := idx.Batch(b); err != nil {
		return nil, fmt.Errorf("search: make an index: %w", errors.Join(err, idx.Close(), os.RemoveAll(path)))
	}
	return load(path, idx, o)
}

func openStore(path string, o Options) (*store, error) {
	idx, err := blevelib.OpenUsing(path, config())
	if err != nil {
		return nil, err
	}
	return load(path, idx, o)
}

// load reads every document once to make the rows.
func load(path string, idx blevelib.Index, o Options) (*store, error) {
	s := &store{
		path: path, index: idx, rower: newRower(), docs: newDocuments(o.Documents),
		titles: map[uuid.UUID]*row{}, episodes: map[uuid.UUID]uuid.UUID{},
		people: map[uuid.UUID]*person{}, genres: map[uuid.UUID]*search.Genre{},
	}
	s.scratch.New = func() any { return new(scorer) }
	var err error
	if s.reader, err = newReader(idx); err != nil {
		return nil, errors.Join(err, idx.Close())
	}
	if err := s.loadRows(); err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

func newReader(idx blevelib.Index) (index.IndexReader, error) {
	low, err := idx.Advanced()
	if err != nil {
		return nil, fmt.Errorf("search: %w", err)
	}
	r, err := low.Reader()
	if err != nil {
		return nil, fmt.Errorf("search: %w", err)
	}
	return r, nil
}

func (s *store) loadRows() error {
	all, err := s.reader.DocIDReaderAll()
	if err != nil {
		return fmt.Errorf("search: %w", err)
	}
	defer func() { _ = all.Close() }()
	for {
		internal, err := all.Next()
		if err != nil {
			return fmt.Errorf("search: %w", err)
		}
		if internal == nil {
			return nil
		}
		id, err := s.reader.ExternalID(internal)
		if err != nil {
			return fmt.Errorf("search: %w", err)
		}
		text, err := s.stored(id)
		if err != nil {
			return err
		}
		switch {
		case strings.HasPrefix(id, titlePrefix):
			t, err := decode[search.Title](text)
			if err != nil {
				return err
			}
			s.install(s.rower.title(t))
		case strings.HasPrefix(id, personPrefix):
			p, err := decode[search.Person](text)
			if err != nil {
				return err
			}
			s.people[p.ID] = s.rower.person(p)
		case strings.HasPrefix(id, genrePrefix):
			g, err := decode[search.Genre](text)
			if err != nil {
				return err
			}
			s.genres[g.ID] = g
		}
	}
}

// stored returns the JSON of a document.
func (s *store) stored(id string) ([]byte, error) {
	doc, err := s.reader.Document(id)
	if err != nil {
		return nil, fmt.Errorf("search: %w", err)
	}
	if doc == nil {
		return nil, fmt.Errorf("search: document %s is missing from the index", id)
	}
	var text []byte
	doc.VisitFields(func(f index.Field) {
		if f.Name() == fieldDocument {
			text = slices.Clone(f.Value())
		}
	})
	return text, nil
}

// title returns a document that has a row.
func (s *store) title(id uuid.UUID) (*search.Title, error) {
	if t := s.docs.get(id); t != nil {
		return t, nil
	}
	text, err := s.stored(titlePrefix + id.String())
	if err != nil {
		return nil, err
	}
	t, err := decode[search.Title](text)
	if err != nil {
		return nil, err
	}
	s.docs.put(id, t)
	return t, nil
}

// apply writes a batch. scorch returns from a safe batch only when it is on
// disk; only then readers see it, so that nobody reads what a crash could undo.
func (s *store) apply(b search.Batch) error {
	batch := s.index.NewBatch()
	for _, id := range b.DeleteTitles {
		batch.Delete(titlePrefix + id.String())
	}
	for _, id := range b.DeletePeople {
		batch.Delete(personPrefix + id.String())
	}
	for _, id := range b.DeleteGenres {
		batch.Delete(genrePrefix + id.String())
	}
	add := func(prefix string, id uuid.UUID, v any, fields []rank.Field) error {
		if id == uuid.Nil {
			return errors.New("search: a document without an identifier")
		}
		text, err := json.Marshal(v)
		if err != nil {
			return fmt.Errorf("search: write a document: %w", err)
		}
		doc := document.NewDocument(prefix + id.String())
		doc.AddField(document.NewTextFieldWithIndexingOptions(fieldDocument, nil, text, index.StoreField))
		if fields != nil {
			addFields(doc, id, fields)
		}
		if err := batch.IndexAdvanced(doc); err != nil {
			return fmt.Errorf("search: write a document: %w", err)
		}
		return nil
	}
	rows := make([]*row, 0, len(b.PutTitles))
	for _, t := range b.PutTitles {
		if err := add(titlePrefix, t.ID, t, rank.TitleFields(t)); err != nil {
			return err
		}
		rows = append(rows, s.rower.title(t))
	}
	people := make([]*person, 0, len(b.PutPeople))
	for _, p := range b.PutPeople {
		if err := add(personPrefix, p.ID, p, rank.PersonFields(p)); err != nil {
			return err
		}
		c := *p
		people = append(people, s.rower.person(&c))
	}
	for _, g := range b.PutGenres {
		if err := add(genrePrefix, g.ID, g, nil); err != nil {
			return err
		}
	}
	if batch.Size() == 0 {
		return nil
	}
	if err := s.index.Batch(batch); err != nil {
		return fmt.Errorf("search: write a batch: %w", err)
	}
	next, err := newReader(s.index)
	if err != nil {
		return err
	}

	s.mu.Lock()
	defer s.mu.Unlock()
	old := s.reader
	s.reader = next
	for _, id := range b.DeleteTitles {
		s.remove(id)
	}
	for _, id := range b.DeletePeople {
		delete(s.people, id)
	}
	for _, id := range b.DeleteGenres {
		delete(s.genres, id)
	}
	for _, r := range rows {
		s.install(r)
	}
	for _, p := range people {
		s.people[p.doc.ID] = p
	}
	for _, g := range b.PutGenres {
		c := *g
		s.genres[g.ID] = &c
	}
	s.counted.genres = nil
	if err := old.Close(); err != nil {
		return fmt.Errorf("search: %w", err)
	}
	return nil
}

func (s *store) install(r *row) {
	s.remove(r.id)
	r.at = len(s.rows)
	s.rows = append(s.rows, r)
	s.titles[r.id] = r
	for _, e := range r.episodes {
		s.episodes[e] = r.id
	}
}

func (s *store) remove(id uuid.UUID) {
	s.docs.drop(id)
	r := s.titles[id]
	if r == nil {
		return
	}
	last := s.rows[len(s.rows)-1]
	s.rows[r.at], last.at = last, r.at
	s.rows[len(s.rows)-1] = nil
	s.rows = s.rows[:len(s.rows)-1]
	delete(s.titles, id)
	for _, e := range r.episodes {
		if s.episodes[e] == id {
			delete(s.episodes, e)
		}
	}
}

func (s *store) setPosition(position string) error {
	b := s.index.NewBatch()
	b.SetInternal(keyPosition, []byte(position))
	if err := s.index.Batch(b); err != nil {
		return fmt.Errorf("search: keep the position: %w", err)
	}
	next, err := newReader(s.index)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	old := s.reader
	s.reader = next
	if err := old.Close(); err != nil {
		return fmt.Errorf("search: %w", err)
	}
	return nil
}

// genreCounts counts once a change, however often it is asked.
func (s *store) genreCounts() []search.GenreCount {
	s.counted.Lock()
	defer s.counted.Unlock()
	if s.counted.genres == nil {
		counts := map[uuid.UUID]int{}
		for _, r := range s.rows {
			for _, g := range r.genres {
				counts[g]++
			}
		}
		out := make([]search.GenreCount, 0, len(s.genres))
		for id, g := range s.genres {
			out = append(out, search.GenreCount{Genre: g, Count: counts[id]})
		}
		slices.SortFunc(out, func(a, b search.GenreCount) int { return strings.Compare(a.Genre.Slug, b.Genre.Slug) })
		s.counted.genres = out
	}
	return slices.Clone(s.counted.genres)
}

// close waits for readers inside the store.
func (s *store) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := errors.Join(s.reader.Close(), s.index.Close()); err != nil {
		return fmt.Errorf("search: %w", err)
	}
	return nil
}

// identify tells the identifiers of documents by their numbers in the reader.
type identify struct{ values index.DocValueReader }

func (s *store) identify() (*identify, error) {
	v, err := s.reader.DocValueReader([]string{fieldID})
	if err != nil {
		return nil, fmt.Errorf("search: %w", err)
	}
	return &identify{values: v}, nil
}

func (d *identify) of(number uint64, buf index.IndexInternalID) (id uuid.UUID, err error) {
	visit := func(_ string, term []byte) {
		if len(term) == hex.EncodedLen(len(id)) {
			_, err = hex.Decode(id[:], term)
		}
	}
	if verr := d.values.VisitDocValues(index.NewIndexInternalID(buf, number), visit); verr != nil {
		return id, fmt.Errorf("search: %w", verr)
	}
	return id, err
}
