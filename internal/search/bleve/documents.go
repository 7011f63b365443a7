package bleve

import (
	"container/list"
	"sync"

	"github.com/google/uuid"

	"github.com/netflixathome/cinema/internal/search"
)

// documents keeps the decoded titles that were read last.
type documents struct {
	mu    sync.Mutex
	limit int
	byID  map[uuid.UUID]*list.Element
	order *list.List // of *search.Title, the last read first
}

func newDocuments(limit int) *documents {
	return &documents{limit: limit, byID: map[uuid.UUID]*list.Element{}, order: list.New()}
}

func (d *documents) get(id uuid.UUID) *search.Title {
	d.mu.Lock()
	defer d.mu.Unlock()
	e := d.byID[id]
	if e == nil {
		return nil
	}
	d.order.MoveToFront(e)
	return e.Value.(*search.Title)
}

func (d *documents) put(id uuid.UUID, t *search.Title) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if e := d.byID[id]; e != nil {
		e.Value = t
		d.order.MoveToFront(e)
		return
	}
	d.byID[id] = d.order.PushFront(t)
	if d.order.Len() > d.limit {
		last := d.order.Back()
		d.order.Remove(last)
		delete(d.byID, last.Value.(*search.Title).ID)
	}
}

func (d *documents) drop(id uuid.UUID) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if e := d.byID[id]; e != nil {
		d.order.Remove(e)
		delete(d.byID, id)
	}
}
