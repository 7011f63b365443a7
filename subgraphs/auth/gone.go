package auth

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
)

// TopicGone is the bus topic that tells that profiles were deleted; a message is
// empty. Who keeps something of profiles asks GoneProfiles then, and now and
// then in any case, since the bus may lose a message. See docs/adr/0115.
const TopicGone = "profile.gone"

// GoneProfile is a profile that was deleted, with its account or by itself.
type GoneProfile struct {
	ID uuid.UUID `json:"id"`
	At time.Time `json:"at"`
	// AccountID is of a profile that went with its account; Nil where that stays.
	AccountID uuid.UUID `json:"account,omitzero"`
}

// MaxGone is the most deleted profiles of one answer.
const MaxGone = 1000

// GoneProfiles lists deleted profiles after a place, oldest first, at most MaxGone.
func (s *Accounts) GoneProfiles(ctx context.Context, after time.Time, id uuid.UUID) ([]GoneProfile, error) {
	list, err := s.store.GoneProfiles(ctx, Place{At: after, ID: id}, MaxGone)
	if err != nil {
		return nil, fmt.Errorf("auth: deleted profiles: %w", err)
	}
	return list, nil
}

// tellGone tells at once; what is not heard is asked for.
func (s *Accounts) tellGone(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if err := s.bus.Publish(ctx, TopicGone, []byte("{}")); err != nil {
		s.log.WarnContext(ctx, "auth: a deleted profile was not announced at once", "error", err)
	}
}
