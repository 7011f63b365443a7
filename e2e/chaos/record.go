package chaos

import (
	"slices"
	"sync"
	"time"
)

// phase is a stretch of the run that is counted by itself: a fault, from its
// beginning until everything works again.
type phase struct {
	Name     string
	Gentle   bool
	Acked    int // events, saves and accounts that a client was told of
	Refused  int // requests that had no good answer, or none
	Lost     int
	Doubled  int
	Wrong    int           // positions or titles that are not as they were saved
	Outage   time.Duration // the longest that a viewer went without what a page needs
	Outages  string        // of what
	Recovery time.Duration // from the mending until everything works
	Refusals map[string]int
}

// record is what clients were told, and when.
type record struct {
	mu        sync.Mutex
	phases    []*phase
	events    map[string]int       // by id: the phase
	accounts  map[string]int       // by login
	titles    map[string]saved     // by id
	names     map[string]int       // of titles that were made
	positions map[[2]string]placed // by profile and film
	good      map[string]time.Time // when a viewer last had what a page needs
}

type saved struct {
	version int
	year    int
	phase   int
}

type placed struct {
	acked, sent int
	phase       int
}

func newRecord() *record {
	return &record{
		events: map[string]int{}, accounts: map[string]int{}, titles: map[string]saved{}, names: map[string]int{},
		positions: map[[2]string]placed{}, good: map[string]time.Time{},
	}
}

func (r *record) begin(name string) *phase {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := &phase{Name: name, Refusals: map[string]int{}}
	r.phases = append(r.phases, p)
	return p
}

// now needs the lock.
func (r *record) now() (int, *phase) { n := len(r.phases) - 1; return n, r.phases[n] }

func (r *record) eventsAcked(ids []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	n, p := r.now()
	for _, id := range ids {
		r.events[id] = n
	}
	p.Acked += len(ids)
}

func (r *record) positionSent(profile, film string, at int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	k := [2]string{profile, film}
	p := r.positions[k]
	p.sent = at
	r.positions[k] = p
}

func (r *record) positionAcked(profile, film string, at int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	n, _ := r.now()
	k := [2]string{profile, film}
	p := r.positions[k]
	p.acked, p.phase = max(p.acked, at), n
	r.positions[k] = p
}

func (r *record) accountAcked(login string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	n, p := r.now()
	r.accounts[login] = n
	p.Acked++
}

func (r *record) titleAcked(id, name string, version, year int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	n, p := r.now()
	r.titles[id] = saved{version, year, n}
	if name != "" {
		r.names[name] = n
	}
	p.Acked++
}

func (r *record) refused(what string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, p := r.now()
	p.Refused++
	text := err.Error()
	p.Refusals[what+": "+text[:min(len(text), 160)]]++
}

// seen notes that a viewer had what a page needs, and how long that had been away.
func (r *record) seen(who, what string, began time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	key := who + what
	last, ok := r.good[key]
	r.good[key] = now
	// What took long was away while it did.
	if away := now.Sub(last); ok && away > pace {
		r.away(away-pace, what)
	} else if took := now.Sub(began); took > pace {
		r.away(took, what)
	}
}

// away needs the lock.
func (r *record) away(d time.Duration, what string) {
	if _, p := r.now(); d > p.Outage {
		p.Outage, p.Outages = d, what
	}
}

// worst are the most frequent refusals.
func (p *phase) worst(n int) []string {
	var list []string
	for text := range p.Refusals {
		list = append(list, text)
	}
	slices.SortFunc(list, func(a, b string) int { return p.Refusals[b] - p.Refusals[a] })
	return list[:min(n, len(list))]
}
