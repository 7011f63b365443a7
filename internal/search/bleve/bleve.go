// Package bleve serves the search port from an index in this process, on disk.
//
// bleve's scorch index holds the dictionaries, the postings and the documents;
// what a page is filtered, counted and ordered by is kept beside it in memory,
// one row a title (see row.go), so that a list without a query, all facets
// included, is one pass over the rows. The score of a title depends on the
// title and the query alone, never on what else is in the index, so that a
// cursor stays good while documents change (see package rank).
//
// A folder holds one index a generation and a file CURRENT that names the one
// in use; a rebuild fills the next and swaps the file. One process may open a
// folder at a time.
package bleve

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/google/uuid"

	"github.com/netflixathome/cinema/internal/search"
)

// Options of Open.
type Options struct {
	// Logger hears of an index that had to be given up; required.
	Logger *slog.Logger
	// Documents is how many decoded titles are kept at hand; 2000 if zero.
	Documents int
}

// ErrClosed is returned after Close.
var ErrClosed = errors.New("search: index is closed")

// Index is a search.Reader and search.Writer.
type Index struct {
	dir  string
	opts Options

	// writing serialises what changes the index or replaces it.
	writing sync.Mutex
	filling *rebuild // under writing

	// mu guards store for the length of a call: a swap or Close waits for
	// the readers that are inside.
	mu    sync.RWMutex
	store *store

	changes atomic.Uint64
}

var (
	_ search.Reader  = (*Index)(nil)
	_ search.Writer  = (*Index)(nil)
	_ search.Rebuild = (*rebuild)(nil)
)

const current = "CURRENT"

// Open opens the index in dir and makes an empty one where there is none. An
// index that cannot be read is replaced by an empty one, whose Position makes
// the ETL fill it again; one that is locked by another process is an error.
func Open(dir string, o Options) (*Index, error) {
	if dir == "" || o.Logger == nil {
		return nil, errors.New("search: a folder and Options.Logger are required")
	}
	if o.Documents <= 0 {
		o.Documents = 2000
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("search: %w", err)
	}
	x := &Index{dir: dir, opts: o}
	name, err := readCurrent(dir)
	if err != nil {
		return nil, err
	}
	if name != "" {
		x.store, err = openStore(filepath.Join(dir, name), o)
		if errors.Is(err, errLocked) {
			return nil, fmt.Errorf("search: the index in %s is in use by another process: %w", dir, err)
		}
		if err != nil {
			o.Logger.Warn("search index cannot be read and starts anew", "folder", dir, "error", err)
			name = ""
		}
	}
	if name == "" {
		fresh := newName()
		if x.store, err = createStore(filepath.Join(dir, fresh), o); err != nil {
			return nil, err
		}
		if err := writeCurrent(dir, fresh); err != nil {
			return nil, errors.Join(err, x.store.close())
		}
		name = fresh
	}
	// What a rebuild left behind that never came to its swap.
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("search: %w", err), x.store.close())
	}
	for _, e := range entries {
		if e.Name() != name && (strings.HasPrefix(e.Name(), "index-") || strings.HasPrefix(e.Name(), current+".")) {
			if err := os.RemoveAll(filepath.Join(dir, e.Name())); err != nil {
				o.Logger.Warn("old search index cannot be removed", "error", err)
			}
		}
	}
	return x, nil
}

func newName() string { return "index-" + uuid.Must(uuid.NewV7()).String() }

func readCurrent(dir string) (string, error) {
	b, err := os.ReadFile(filepath.Join(dir, current))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("search: %w", err)
	}
	name := strings.TrimSpace(string(b))
	if !strings.HasPrefix(name, "index-") || filepath.Base(name) != name {
		return "", nil
	}
	return name, nil
}

// writeCurrent points the folder at the index; after a crash it is either the
// old name or the new one.
func writeCurrent(dir, name string) error {
	f, err := os.CreateTemp(dir, current+".")
	if err != nil {
		return fmt.Errorf("search: %w", err)
	}
	_, err = f.WriteString(name + "\n")
	if err == nil {
		err = f.Sync()
	}
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(f.Name(), filepath.Join(dir, current))
	}
	if err != nil {
		return fmt.Errorf("search: %w", errors.Join(err, os.Remove(f.Name())))
	}
	return syncDir(dir)
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("search: %w", err)
	}
	if err := errors.Join(d.Sync(), d.Close()); err != nil {
		return fmt.Errorf("search: %w", err)
	}
	return nil
}

// Close ends all use of the index; calls after it return ErrClosed.
func (x *Index) Close() error {
	x.writing.Lock()
	defer x.writing.Unlock()
	x.mu.Lock()
	s := x.store
	x.store = nil
	x.mu.Unlock()
	var err error
	if x.filling != nil {
		err = x.filling.drop()
	}
	if s != nil {
		err = errors.Join(err, s.close())
	}
	return err
}

// Ready reports whether the index can be read.
func (x *Index) Ready(ctx context.Context) error {
	_, err := read(ctx, x, func(s *store) (struct{}, error) { return struct{}{}, nil })
	return err
}

// read runs f on the store in use, which stays as it is until f returns.
func read[T any](ctx context.Context, x *Index, f func(*store) (T, error)) (out T, err error) {
	if err := ctx.Err(); err != nil {
		return out, err
	}
	x.mu.RLock()
	defer x.mu.RUnlock()
	if x.store == nil {
		return out, ErrClosed
	}
	x.store.mu.RLock()
	defer x.store.mu.RUnlock()
	return f(x.store)
}

// Apply implements search.Writer.
func (x *Index) Apply(ctx context.Context, b search.Batch) error {
	x.writing.Lock()
	defer x.writing.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	if x.store == nil {
		return ErrClosed
	}
	defer x.changes.Add(1)
	return x.store.apply(b)
}

// Generation counts the changes that readers can see: what was read under one
// number holds as long as the number does.
func (x *Index) Generation() uint64 { return x.changes.Load() }

// Position implements search.Writer.
func (x *Index) Position(ctx context.Context) (string, error) {
	return read(ctx, x, func(s *store) (string, error) {
		m, err := s.reader.GetInternal(keyMapping)
		if err != nil {
			return "", fmt.Errorf("search: %w", err)
		}
		if string(m) != mapping {
			return "", nil
		}
		p, err := s.reader.GetInternal(keyPosition)
		if err != nil {
			return "", fmt.Errorf("search: %w", err)
		}
		return string(p), nil
	})
}

// SetPosition implements search.Writer. It is written behind every batch that
// Apply has returned from.
func (x *Index) SetPosition(ctx context.Context, position string) error {
	x.writing.Lock()
	defer x.writing.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	if x.store == nil {
		return ErrClosed
	}
	return x.store.setPosition(position)
}

// TitlesByID implements search.Reader.
func (x *Index) TitlesByID(ctx context.Context, ids []uuid.UUID) (map[uuid.UUID]*search.Title, error) {
	return read(ctx, x, func(s *store) (map[uuid.UUID]*search.Title, error) {
		out := make(map[uuid.UUID]*search.Title, len(ids))
		for _, id := range ids {
			if s.titles[id] == nil || out[id] != nil {
				continue
			}
			t, err := s.title(id)
			if err != nil {
				return nil, err
			}
			out[id] = t
		}
		return out, nil
	})
}

// SeriesByEpisode implements search.Reader.
func (x *Index) SeriesByEpisode(ctx context.Context, episodeIDs []uuid.UUID) (map[uuid.UUID]*search.Title, error) {
	return read(ctx, x, func(s *store) (map[uuid.UUID]*search.Title, error) {
		out := make(map[uuid.UUID]*search.Title, len(episodeIDs))
		for _, id := range episodeIDs {
			series, ok := s.episodes[id]
			if !ok {
				continue
			}
			t, err := s.title(series)
			if err != nil {
				return nil, err
			}
			out[id] = t
		}
		return out, nil
	})
}

// PeopleByID implements search.Reader.
func (x *Index) PeopleByID(ctx context.Context, ids []uuid.UUID) (map[uuid.UUID]*search.Person, error) {
	return read(ctx, x, func(s *store) (map[uuid.UUID]*search.Person, error) {
		out := make(map[uuid.UUID]*search.Person, len(ids))
		for _, id := range ids {
			if p := s.people[id]; p != nil {
				out[id] = p.doc
			}
		}
		return out, nil
	})
}

// GenresByID implements search.Reader.
func (x *Index) GenresByID(ctx context.Context, ids []uuid.UUID) (map[uuid.UUID]*search.Genre, error) {
	return read(ctx, x, func(s *store) (map[uuid.UUID]*search.Genre, error) {
		out := make(map[uuid.UUID]*search.Genre, len(ids))
		for _, id := range ids {
			if g := s.genres[id]; g != nil {
				out[id] = g
			}
		}
		return out, nil
	})
}

// Genres implements search.Reader.
func (x *Index) Genres(ctx context.Context) ([]search.GenreCount, error) {
	return read(ctx, x, func(s *store) ([]search.GenreCount, error) { return s.genreCounts(), nil })
}

// Rebuild implements search.Writer. A rebuild that is under way is given up.
func (x *Index) Rebuild(ctx context.Context) (search.Rebuild, error) {
	x.writing.Lock()
	defer x.writing.Unlock()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if x.store == nil {
		return nil, ErrClosed
	}
	if x.filling != nil {
		if err := x.filling.drop(); err != nil {
			return nil, err
		}
	}
	name := newName()
	s, err := createStore(filepath.Join(x.dir, name), x.opts)
	if err != nil {
		return nil, err
	}
	x.filling = &rebuild{index: x, name: name, store: s}
	return x.filling, nil
}

// rebuild is an index beside the one in use. Its fields are under index.writing.
type rebuild struct {
	index *Index
	name  string
	store *store // nil once swapped or given up
}

// ErrRebuildOver is returned by a rebuild that was swapped or given up.
var ErrRebuildOver = errors.New("search: this rebuild is over")

func (r *rebuild) Apply(ctx context.Context, b search.Batch) error {
	r.index.writing.Lock()
	defer r.index.writing.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	if r.store == nil {
		return ErrRebuildOver
	}
	return r.store.apply(b)
}

func (r *rebuild) Swap(ctx context.Context, position string) error {
	x := r.index
	x.writing.Lock()
	defer x.writing.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	if r.store == nil {
		return ErrRebuildOver
	}
	if err := r.store.setPosition(position); err != nil {
		return err
	}
	if err := writeCurrent(x.dir, r.name); err != nil {
		return err
	}
	x.mu.Lock()
	old := x.store
	x.store = r.store
	x.mu.Unlock()
	x.changes.Add(1)
	r.store, x.filling = nil, nil
	if err := errors.Join(old.close(), os.RemoveAll(old.path)); err != nil {
		// The new index is in use; the old one's rest goes at the next start.
		x.opts.Logger.Warn("old search index cannot be removed", "error", err)
	}
	return nil
}

func (r *rebuild) Discard(context.Context) error {
	r.index.writing.Lock()
	defer r.index.writing.Unlock()
	return r.drop()
}

func (r *rebuild) drop() error {
	s := r.store
	if s == nil {
		return nil
	}
	r.store, r.index.filling = nil, nil
	if err := errors.Join(s.close(), os.RemoveAll(s.path)); err != nil {
		return fmt.Errorf("search: give up a rebuild: %w", err)
	}
	return nil
}

func decode[T any](b []byte) (*T, error) {
	v := new(T)
	if err := json.Unmarshal(b, v); err != nil {
		return nil, fmt.Errorf("search: read a document: %w", err)
	}
	return v, nil
}
