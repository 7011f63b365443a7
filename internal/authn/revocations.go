package authn

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/netflixathome/cinema/internal/bus"
)

// TopicRevoked is the bus topic of ended sessions; a message is a Revocation
// in JSON.
const TopicRevoked = "session.revoked"

// RevocationTTL is how long a revocation must be remembered: as long as a
// token that was signed at its moment can pass.
const RevocationTTL = AccessTTL + 2*Leeway

const (
	// remembered is how long a revocation is kept here beyond its tokens: signed
	// addresses of films outlive them by hours, and must not come back to life.
	remembered = 12 * time.Hour
	// mostRemembered bounds what is kept beyond; some 10 MB.
	mostRemembered = 200_000
)

const (
	// reload is how often the list is asked for, since the bus may lose a message.
	reload = 15 * time.Second
	// watch is how often the bus is looked at; while it is away, the list is
	// asked for as often.
	watch = time.Second
	// certain is for how long the set counts as complete after it was last known
	// to be.
	certain = 3 * time.Second
)

// maxList bounds the list, in bytes: some 80,000 sessions.
const maxList = 8 << 20

// Revocation says that the tokens of a seat are no longer good, for its session
// has ended or has gone on with another profile; or, where Rights is set, that
// those are not which were signed before the rights of an account or of a role
// changed. The session goes on then: its next token says what may be done now.
type Revocation struct {
	SessionID uuid.UUID `json:"sid"` // the seat's; see Claims.Seat
	// Until is when the last of them ends by itself.
	Until time.Time `json:"until"`
	// Rights refuses tokens of an earlier state of rights that are of UserID
	// or name Role.
	Rights int64     `json:"rights,omitempty"`
	UserID uuid.UUID `json:"uid,omitzero"`
	Role   string    `json:"role,omitempty"`
	// Lost says that something may no longer be done, so that what is open on
	// such a token ends too.
	Lost bool `json:"lost,omitempty"`
}

// Covers reports whether a token with these claims is refused.
func (r Revocation) Covers(c *Claims) bool {
	switch {
	case r.Rights == 0:
		return r.SessionID == c.Seat()
	case c.Rights >= r.Rights:
		return false
	case r.Role != "":
		return slices.Contains(c.Roles, r.Role)
	default:
		return r.UserID == c.UserID
	}
}

// Revocations is the set of sessions that have ended but whose access tokens
// have not, of those of the last hours, and of the rights that have changed since
// tokens were signed. The bus feeds it at once; what the bus loses is made up for by
// asking the auth service for its list.
type Revocations struct {
	bus  bus.Bus
	load func(ctx context.Context) ([]Revocation, error)
	now  func() time.Time
	log  *slog.Logger
	tell func(Revocation) // may be nil

	mu    sync.RWMutex
	until map[uuid.UUID]time.Time
	// rights is by the account or the role.
	rights map[holder]Revocation
	// known is when the set was last known to be complete; failing is whether
	// the last list could not be had.
	known   time.Time
	failing bool
}

// holder is whose rights changed: an account, or all of a role.
type holder struct {
	user uuid.UUID
	role string
}

// NewRevocations makes an empty set. load returns those of the last
// RevocationTTL. Run fills it.
func NewRevocations(b bus.Bus, load func(ctx context.Context) ([]Revocation, error), now func() time.Time, log *slog.Logger) (*Revocations, error) {
	if b == nil || load == nil || now == nil || log == nil {
		return nil, errors.New("authn: revocations need the bus, a list, a clock and a logger")
	}
	return &Revocations{bus: b, load: load, now: now, log: log, until: map[uuid.UUID]time.Time{}, rights: map[holder]Revocation{}}, nil
}

// Tell has f called for each revocation that the set learns of, by the bus or the
// list, once the set refuses what it is about; of rights perhaps more than once.
// Calls may come at the same time. It is for before Run.
func (r *Revocations) Tell(f func(Revocation)) { r.tell = f }

// Revoked reports whether the seat has been left.
func (r *Revocations) Revoked(session uuid.UUID) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	_, ok := r.until[session]
	return ok
}

// Unsure reports whether sessions may have ended, or rights changed, without the
// set knowing: the bus and the list have both been away for some seconds, or it
// was not filled yet.
func (r *Revocations) Unsure() bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return time.Since(r.known) > certain
}

// Refuses reports whether a token with these claims is no longer good.
func (r *Revocations) Refuses(c *Claims) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if _, left := r.until[c.Seat()]; left {
		return true
	}
	if len(r.rights) == 0 {
		return false
	}
	if rev, ok := r.rights[holder{user: c.UserID}]; ok && rev.Covers(c) {
		return true
	}
	for _, role := range c.Roles {
		if rev, ok := r.rights[holder{role: role}]; ok && rev.Covers(c) {
			return true
		}
	}
	return false
}

// Add notes a revocation.
func (r *Revocations) Add(rev Revocation) {
	if rev.Until.After(r.now()) && r.note(rev) && r.tell != nil {
		r.tell(rev)
	}
}

// note reports whether something may have to end by it.
func (r *Revocations) note(rev Revocation) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if rev.Rights > 0 {
		// The latest state covers those before it, and is remembered longest. An
		// earlier one may have taken something that the latest did not.
		if k := (holder{user: rev.UserID, role: rev.Role}); rev.Rights > r.rights[k].Rights {
			r.rights[k] = rev
		}
		return true
	}
	before, known := r.until[rev.SessionID]
	if rev.Until.After(before) {
		r.until[rev.SessionID] = rev.Until
	}
	return !known
}

// Run listens until ctx ends.
func (r *Revocations) Run(ctx context.Context) error {
	ticker := time.NewTicker(watch)
	defer ticker.Stop()
	// What waits for others is done beside the messages, one of each at a time.
	var beside sync.WaitGroup
	defer beside.Wait()
	subscribed, answered := make(chan (<-chan []byte), 1), make(chan bool, 1)
	var messages <-chan []byte
	subscribing, asking := false, false
	// The last list: when it was asked for, after which break, and whether the
	// bus passed messages then. had is whether nothing was missed since one.
	var asked time.Time
	var breaks uint64
	linked, had := false, false
	for {
		if messages == nil && !subscribing {
			subscribing = true
			beside.Go(func() { subscribed <- r.subscribe(ctx) })
		}
		now := time.Now()
		n, passing := r.bus.Passing(TopicRevoked)
		passing = passing && messages != nil
		if had = had && passing && n == breaks; had {
			r.complete(now)
		}
		if due := now.Sub(asked); !asking && (due >= reload || !had && due >= watch) {
			asking, asked, breaks, linked = true, now, n, passing
			beside.Go(func() { answered <- r.refresh(ctx) })
		}
		select {
		case <-ctx.Done():
			return nil
		case messages = <-subscribed:
			// What was said before is asked for now.
			subscribing, had, asked = false, false, time.Time{}
		case text, ok := <-messages:
			if ok {
				r.hear(ctx, text)
			} else {
				messages = nil
			}
		case ok := <-answered:
			if asking = false; ok && !asked.IsZero() {
				r.complete(asked)
				had = linked
			}
		case <-ticker.C:
		}
	}
}

// subscribe listens to the bus; nil after a failure and a pause.
func (r *Revocations) subscribe(ctx context.Context) <-chan []byte {
	c, err := r.bus.Subscribe(ctx, TopicRevoked)
	if err == nil {
		return c
	}
	if ctx.Err() == nil {
		r.log.WarnContext(ctx, "revocations: cannot listen, asking for the list only", "error", err)
	}
	select {
	case <-ctx.Done():
	case <-time.After(watch):
	}
	return nil
}

func (r *Revocations) hear(ctx context.Context, text []byte) {
	var rev Revocation
	if err := json.Unmarshal(text, &rev); err != nil || rev.SessionID == uuid.Nil && rev.Rights == 0 {
		r.log.WarnContext(ctx, "revocations: unreadable message", "error", err)
		return
	}
	r.Add(rev)
}

// complete notes that the set knew everything at a moment.
func (r *Revocations) complete(at time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if at.After(r.known) {
		r.known = at
	}
}

// refresh asks for the list and reports whether it was had.
func (r *Revocations) refresh(ctx context.Context) bool {
	asked, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	list, err := r.load(asked)
	for _, rev := range list {
		r.Add(rev)
	}
	now := r.now()
	r.mu.Lock()
	defer r.mu.Unlock()
	if err != nil && ctx.Err() == nil && !r.failing { // once for each time
		r.log.WarnContext(ctx, "revocations: the list cannot be had", "error", err)
	}
	r.failing = err != nil
	for session, until := range r.until {
		if over := now.Sub(until); over >= remembered || over >= 0 && len(r.until) > mostRemembered {
			delete(r.until, session)
		}
	}
	for k, rev := range r.rights {
		if !rev.Until.After(now) {
			delete(r.rights, k)
		}
	}
	return err == nil
}

// Publish tells every instance that the sessions have ended.
func Publish(ctx context.Context, b bus.Bus, until time.Time, sessions ...uuid.UUID) error {
	list := make([]Revocation, len(sessions))
	for i, session := range sessions {
		list[i] = Revocation{SessionID: session, Until: until}
	}
	return Announce(ctx, b, list...)
}

// Announce tells every instance of revocations of any kind.
func Announce(ctx context.Context, b bus.Bus, list ...Revocation) error {
	var errs []error
	for _, rev := range list {
		text, err := json.Marshal(rev)
		if err == nil {
			err = b.Publish(ctx, TopicRevoked, text)
		}
		errs = append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("authn: publish revocations: %w", err)
	}
	return nil
}

// LoadRevocationsHTTP returns a load for NewRevocations that asks url for the
// list, as JSON.
func LoadRevocationsHTTP(client *http.Client, url string) func(ctx context.Context) ([]Revocation, error) {
	fetch := get(client, url, maxList)
	return func(ctx context.Context) ([]Revocation, error) {
		text, err := fetch(ctx)
		if err != nil {
			return nil, err
		}
		var list []Revocation
		if err := json.Unmarshal(text, &list); err != nil {
			return nil, fmt.Errorf("authn: revocations: %w", err)
		}
		return list, nil
	}
}
