package catalog

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pglogrepl"
)

type set map[uuid.UUID]struct{}

func (s set) list() []uuid.UUID { return slices.Collect(maps.Keys(s)) }

// changes is what the log says is out of date, by what the log knows of it.
// Its size is bounded by the number of records, not by that of changes.
type changes struct {
	titles    set
	casts     set // titles that were shown, hidden or rated anew: whoever has a part in them
	episodes  set // of which only the episode is known
	playables set // films or episodes
	origins   set // renditions, by whose files they are
	cast      set // people who may have come into the index or left it with a credit
	people    set // whose records changed: their titles too
	genres    set
	all       bool // a table was truncated
	oldest    time.Time
}

func newChanges() *changes {
	return &changes{titles: set{}, casts: set{}, episodes: set{}, playables: set{}, origins: set{}, cast: set{}, people: set{}, genres: set{}}
}

func (c *changes) size() int {
	return len(c.titles) + len(c.casts) + len(c.episodes) + len(c.playables) + len(c.origins) + len(c.cast) + len(c.people) + len(c.genres)
}

func (c *changes) empty() bool { return c.size() == 0 && !c.all }

// merge takes over the changes of a transaction.
func (c *changes) merge(o *changes, at time.Time) {
	maps.Copy(c.titles, o.titles)
	maps.Copy(c.casts, o.casts)
	maps.Copy(c.episodes, o.episodes)
	maps.Copy(c.playables, o.playables)
	maps.Copy(c.origins, o.origins)
	maps.Copy(c.cast, o.cast)
	maps.Copy(c.people, o.people)
	maps.Copy(c.genres, o.genres)
	c.all = c.all || o.all
	if c.oldest.IsZero() {
		c.oldest = at
	}
}

// tables are what is replicated, each with what a row of it puts out of date.
// old is nil for an insert, and for an update where the key is the same and
// the table's replica identity is the key alone; new is nil for a delete.
var tables = map[string]func(c *changes, old, new row) error{
	"title": func(c *changes, old, new row) error {
		if old == nil || new == nil || old["status"] != new["status"] || old["age_rating"] != new["age_rating"] {
			if err := either(c.casts, "id", old, new); err != nil {
				return err
			}
		}
		return either(c.titles, "id", old, new)
	},
	"title_translation":   func(c *changes, old, new row) error { return either(c.titles, "title_id", old, new) },
	"title_genre":         func(c *changes, old, new row) error { return either(c.titles, "title_id", old, new) },
	"season":              func(c *changes, old, new row) error { return either(c.titles, "title_id", old, new) },
	"episode":             func(c *changes, old, new row) error { return either(c.titles, "title_id", old, new) },
	"episode_translation": func(c *changes, old, new row) error { return either(c.episodes, "episode_id", old, new) },
	"person":              func(c *changes, old, new row) error { return either(c.people, "id", old, new) },
	"person_translation":  func(c *changes, old, new row) error { return either(c.people, "person_id", old, new) },
	"genre":               func(c *changes, old, new row) error { return either(c.genres, "id", old, new) },
	"genre_translation":   func(c *changes, old, new row) error { return either(c.genres, "genre_id", old, new) },
	"media_asset":         func(c *changes, old, new row) error { return either(c.playables, "playable_id", old, new) },
	"rendition":           func(c *changes, old, new row) error { return either(c.origins, "asset_id", old, new) },
	"credit": func(c *changes, old, new row) error {
		if err := either(c.cast, "person_id", old, new); err != nil {
			return err
		}
		return either(c.titles, "title_id", old, new)
	},
}

// row is a row of the log by column, in text; absent columns are null or not
// part of the old row's identity.
type row map[string]string

// either adds the identifier in a column of both rows.
func either(s set, column string, rows ...row) error {
	for _, r := range rows {
		if r == nil {
			continue
		}
		text, ok := r[column]
		if !ok {
			return fmt.Errorf("the log says no %s: the table's replica identity was changed", column)
		}
		id, err := uuid.Parse(text)
		if err != nil {
			return fmt.Errorf("the log says %s = %q: %w", column, text, err)
		}
		s[id] = struct{}{}
	}
	return nil
}

// decoder turns messages of the log into changes.
type decoder struct {
	relations map[uint32]*pglogrepl.RelationMessage
}

func (d decoder) row(rel *pglogrepl.RelationMessage, t *pglogrepl.TupleData) row {
	if t == nil {
		return nil
	}
	out := make(row, len(t.Columns))
	for i, c := range t.Columns {
		// 'n' is null and 'u' an unchanged big value: neither is an identifier.
		if c.DataType == pglogrepl.TupleDataTypeText && i < len(rel.Columns) {
			out[rel.Columns[i].Name] = string(c.Data)
		}
	}
	return out
}

// add notes what a message changes.
func (d decoder) add(c *changes, m pglogrepl.Message) error {
	var id uint32
	var old, new *pglogrepl.TupleData
	switch m := m.(type) {
	case *pglogrepl.RelationMessage:
		d.relations[m.RelationID] = m
		return nil
	case *pglogrepl.InsertMessage:
		id, new = m.RelationID, m.Tuple
	case *pglogrepl.UpdateMessage:
		id, old, new = m.RelationID, m.OldTuple, m.NewTuple
	case *pglogrepl.DeleteMessage:
		id, old = m.RelationID, m.OldTuple
	case *pglogrepl.TruncateMessage:
		c.all = true
		return nil
	default:
		return nil // types and origins say nothing about rows
	}
	rel := d.relations[id]
	if rel == nil {
		return fmt.Errorf("the log names an unknown table %d", id)
	}
	f := tables[rel.RelationName]
	if f == nil {
		return nil // published by somebody else's hand: not ours to read
	}
	if err := f(c, d.row(rel, old), d.row(rel, new)); err != nil {
		return fmt.Errorf("table %s: %w", rel.RelationName, err)
	}
	return nil
}

// affected is the documents that changes put out of date.
func (r reader) affected(ctx context.Context, c *changes) (titles, people, genres []uuid.UUID, err error) {
	t := maps.Clone(c.titles)
	p := maps.Clone(c.people)
	maps.Copy(p, c.cast)
	add := func(to set, what, sql string, of set) {
		if err != nil || len(of) == 0 {
			return
		}
		var found []uuid.UUID
		if found, err = r.ids(ctx, what, sql, of.list()); err == nil {
			for _, id := range found {
				to[id] = struct{}{}
			}
		}
	}
	add(t, "titles of episodes", `SELECT DISTINCT title_id FROM episode WHERE id = ANY($1)`, c.episodes)
	add(t, "titles of people", `SELECT DISTINCT title_id FROM credit WHERE person_id = ANY($1)`, c.people)
	add(t, "titles of genres", `SELECT DISTINCT title_id FROM title_genre WHERE genre_id = ANY($1)`, c.genres)
	add(p, "casts", `SELECT DISTINCT person_id FROM credit WHERE title_id = ANY($1)`, c.casts)
	playables := maps.Clone(c.playables)
	if r.media {
		add(playables, "renditions' films", `SELECT DISTINCT playable_id FROM media_asset WHERE origin_id = ANY($1)`, c.origins)
	}
	add(t, "titles of media", `SELECT id FROM title WHERE id = ANY($1) UNION SELECT title_id FROM episode WHERE id = ANY($1)`, playables)
	return t.list(), p.list(), c.genres.list(), err
}
