package auth

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/google/uuid"

	"github.com/netflixathome/cinema/internal/authn"
	"github.com/netflixathome/cinema/internal/fault"
	"github.com/netflixathome/cinema/internal/gid"
)

// A PIN has so few digits that only the number of tries protects it. Tries are
// counted with the profile and with its account, in the database, so that they
// are the same for all instances and connections; a try is counted before it is
// compared, so that many at once are as many. See docs/adr/0114.

const (
	minPIN, maxPIN = 4, 8
	// So many wrong tries are free; for each further one the wait doubles.
	freeTries        = 5
	freeAccountTries = 10
	firstWait        = 30 * time.Second
	longestWait      = time.Hour
	// A day without a try is a new beginning.
	triesForgotten = 24 * time.Hour
)

var (
	errPINForm     = fault.New(fault.Invalid, "A PIN is %d to %d digits.", minPIN, maxPIN).At("input.pin").WithReason("PIN_INVALID")
	errPINRequired = fault.New(fault.Forbidden, "This profile has a PIN. Enter it.").At("input.pin").WithReason("PIN_REQUIRED")
	errWrongPIN    = fault.New(fault.Forbidden, "The PIN is wrong.").At("input.pin").WithReason("WRONG_PIN")
)

// PINTries are the wrong tries at a PIN, and those not yet known to be right.
type PINTries struct {
	Count int
	Last  time.Time // zero without any
}

// wait is how long the next try has to wait.
func (t PINTries) wait(free int, now time.Time) time.Duration {
	over := t.Count - free
	if over < 0 {
		return 0
	}
	pause := longestWait
	if over < 16 {
		pause = min(longestWait, firstWait<<over)
	}
	return max(0, t.Last.Add(pause).Sub(now))
}

// add counts a try.
func (t *PINTries) add(now time.Time) {
	if now.Sub(t.Last) >= triesForgotten {
		t.Count = 0
	}
	t.Count, t.Last = t.Count+1, now
}

func isPIN(pin string) bool {
	if len(pin) < minPIN || len(pin) > maxPIN {
		return false
	}
	for _, c := range []byte(pin) {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}

// provePIN compares the PIN of a profile of the account that has one.
func (s *Accounts) provePIN(ctx context.Context, user, profile uuid.UUID, pin string) error {
	if pin == "" {
		return errPINRequired
	}
	if !isPIN(pin) {
		return errPINForm // no profile has such a one, and no work is done on it
	}
	now := s.now()
	hash, err := s.store.TryPIN(ctx, user, profile, func(of, all *PINTries) error {
		if wait := max(of.wait(freeTries, now), all.wait(freeAccountTries, now)); wait > 0 {
			seconds := int(math.Ceil(wait.Seconds()))
			return fault.New(fault.RateLimited, "Too many wrong PINs. Try again in %d s.", seconds).At("input.pin").WithRetryAfter(wait)
		}
		of.add(now)
		all.add(now)
		return nil
	})
	if errors.Is(err, ErrNotFound) {
		return errNoProfile.At("input.profileId")
	} else if err != nil {
		return fmt.Errorf("auth: PIN: %w", err)
	}
	if hash != "" { // empty: taken away at this moment
		ok, _, err := s.hasher.verify(ctx, pin, hash)
		if err != nil {
			return err
		}
		if !ok {
			return errWrongPIN
		}
	}
	if err := s.store.PINProved(ctx, user, profile); err != nil {
		return fmt.Errorf("auth: PIN: %w", err)
	}
	return nil
}

// SetPIN gives a profile of the account of the claims a PIN, or none where pin
// is nil. It asks for the account's password, which is also how a forgotten PIN
// is replaced; of an account without one, for a fresh sign-in.
func (s *Accounts) SetPIN(ctx context.Context, claims *authn.Claims, profile gid.ID, pin *string, password string, from Client) (*Profile, error) {
	if pin != nil && !isPIN(*pin) {
		return nil, errPINForm
	}
	if _, _, err := s.proveOwner(ctx, claims, password, from); err != nil {
		return nil, err
	}
	var err error
	hash := ""
	if pin != nil {
		if hash, err = s.hasher.hash(ctx, *pin); err != nil {
			return nil, err
		}
	}
	err = ErrNotFound
	if profile.Is(gid.Profile) {
		err = s.store.SetPIN(ctx, claims.UserID, profile.UUID, hash)
	}
	if errors.Is(err, ErrNotFound) {
		return nil, errNoProfile.At("input.profileId")
	} else if err != nil {
		return nil, fmt.Errorf("auth: set PIN: %w", err)
	}
	found, err := s.store.Profiles(ctx, []uuid.UUID{profile.UUID})
	if err != nil {
		return nil, fmt.Errorf("auth: set PIN: %w", err)
	}
	if len(found) == 0 {
		return nil, errNoProfile.At("input.profileId")
	}
	return &found[0], nil
}

// landing is the profile that a session goes on with while none was chosen: the
// oldest without a PIN; the oldest of all where each has one.
func landing(all []Profile) *Profile {
	for i := range all {
		if !all[i].PINSet {
			return &all[i]
		}
	}
	return &all[0]
}
