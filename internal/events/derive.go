package events

import (
	"crypto/sha256"
	"time"

	"github.com/google/uuid"
)

// EndID is the id of the PLAY_ENDED event that the server itself records when
// a viewing session ends without one. It is made of the session and the moment
// of its last sign of life, so that whoever notices the end (the subscription
// that closed, the sweeper, both, twice) records one and the same fact. It is a
// UUIDv7 of that moment with a hash in place of chance, and so valid by the
// rules that all ids obey.
func EndID(session uuid.UUID, lastSeen time.Time) uuid.UUID {
	ms := lastSeen.UnixMilli()
	h := sha256.New()
	h.Write([]byte("play_ended"))
	h.Write(session[:])
	var at [8]byte
	for i := range at {
		at[i] = byte(ms >> (56 - 8*i))
	}
	h.Write(at[:])
	var id uuid.UUID
	copy(id[:6], at[2:])
	copy(id[6:], h.Sum(nil))
	id[6] = id[6]&0x0f | 0x70
	id[8] = id[8]&0x3f | 0x80
	return id
}

// IsOwnEnd reports whether the server itself recorded this end of a session. It
// carries the position that was known then, which may be behind what the player
// had said: with a collector that lags, that was still in the log.
func (e *Event) IsOwnEnd() bool {
	return e.Name == PlayEnded && e.ID == EndID(e.SessionID, TimeOf(e.ID))
}
