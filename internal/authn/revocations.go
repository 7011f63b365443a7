package authn

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
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

// reload is how often the list is asked for, since the bus may lose a message.
const reload = 15 * time.Second

// maxList bounds the list, in bytes: some 80,000 sessions.
const maxList = 8 << 20

// Revocation says that the tokens of a seat are no longer good: its session has
// ended, or has gone on with another profile.
type Revocation struct {
	SessionID uuid.UUID `json:"sid"` // the seat's; see Claims.Seat
	// Until is when the last of them ends by itself.
	Until time.Time `json:"until"`
}

// Revocations is the set of sessions that have ended but whose access tokens
// have not, and of those of the last hours. The bus feeds it at once; what the bus loses is made up for by
// asking the auth service for its list.
type Revocations struct {
	bus  bus.Bus
	load func(ctx context.Context) ([]Revocation, error)
	now  func() time.Time
	log  *slog.Logger

	mu    sync.RWMutex
	until map[uuid.UUID]time.Time
}

// NewRevocations makes an empty set. load returns those of the last
// RevocationTTL. Run fills it.
func NewRevocations(b bus.Bus, load func(ctx context.Context) ([]Revocation, error), now func() time.Time, log *slog.Logger) (*Revocations, error) {
	if b == nil || load == nil || now == nil || log == nil {
		return nil, errors.New("authn: revocations need the bus, a list, a clock and a logger")
	}
	return &Revocations{bus: b, load: load, now: now, log: log, until: map[uuid.UUID]time.Time{}}, nil
}

// Revoked reports whether the seat has been left.
func (r *Revocations) Revoked(session uuid.UUID) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	_, ok := r.until[session]
	return ok
}

// Add notes a revocation.
func (r *Revocations) Add(rev Revocation) {
	if !rev.Until.After(r.now()) {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if rev.Until.After(r.until[rev.SessionID]) {
		r.until[rev.SessionID] = rev.Until
	}
}

// Run listens until ctx ends.
func (r *Revocations) Run(ctx context.Context) error {
	ticker := time.NewTicker(reload)
	defer ticker.Stop()
	var messages <-chan []byte
	for {
		// Subscribed first, asked second: nothing falls between the two.
		if messages == nil {
			c, err := r.bus.Subscribe(ctx, TopicRevoked)
			if err != nil && ctx.Err() == nil {
				r.log.WarnContext(ctx, "revocations: cannot listen, asking for the list only", "error", err)
			}
			if err == nil {
				messages = c
			}
		}
		r.refresh(ctx)
		for waiting := true; waiting; {
			select {
			case <-ctx.Done():
				return nil
			case text, ok := <-messages:
				if !ok {
					messages, waiting = nil, false
					break
				}
				var rev Revocation
				if err := json.Unmarshal(text, &rev); err != nil || rev.SessionID == uuid.Nil {
					r.log.WarnContext(ctx, "revocations: unreadable message", "error", err)
					continue
				}
				r.Add(rev)
			case <-ticker.C:
				waiting = false
			}
		}
		if messages == nil {
			// Lost the bus: do not spin while it is away.
			select {
			case <-ctx.Done():
				return nil
			case <-time.After(time.Second):
			}
		}
	}
}

func (r *Revocations) refresh(ctx context.Context) {
	asked, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	list, err := r.load(asked)
	if err != nil && ctx.Err() == nil {
		r.log.WarnContext(ctx, "revocations: the list cannot be had", "error", err)
	}
	for _, rev := range list {
		r.Add(rev)
	}
	now := r.now()
	r.mu.Lock()
	defer r.mu.Unlock()
	for session, until := range r.until {
		if over := now.Sub(until); over >= remembered || over >= 0 && len(r.until) > mostRemembered {
			delete(r.until, session)
		}
	}
}

// Publish tells every instance that the sessions have ended.
func Publish(ctx context.Context, b bus.Bus, until time.Time, sessions ...uuid.UUID) error {
	var errs []error
	for _, session := range sessions {
		text, err := json.Marshal(Revocation{SessionID: session, Until: until})
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
