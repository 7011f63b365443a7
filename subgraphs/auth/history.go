package auth

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
)

// history writes attempts down after they were answered: an attempt on an
// account that exists must not take longer than one on an account that does
// not. Sign-ins that succeed are written with their session instead.
type history struct {
	queue   chan SignIn
	dropped atomic.Int64
}

const (
	maxAttempts   = 1000
	attemptsBatch = 200
)

func newHistory() *history { return &history{queue: make(chan SignIn, maxAttempts)} }

// attempt puts one down; in a flood some are only counted.
func (h *history) attempt(in SignIn) {
	select {
	case h.queue <- in:
	default:
		h.dropped.Add(1)
	}
}

// run writes until ctx ends, and then what is left.
func (h *history) run(ctx context.Context, store Store, log *slog.Logger) {
	for {
		select {
		case <-ctx.Done():
			h.write(ctx, store, log, nil)
			return
		case first := <-h.queue:
			h.write(ctx, store, log, []SignIn{first})
		}
	}
}

func (h *history) write(ctx context.Context, store Store, log *slog.Logger, batch []SignIn) {
	for len(batch) < attemptsBatch {
		select {
		case in := <-h.queue:
			batch = append(batch, in)
			continue
		default:
		}
		break
	}
	if len(batch) > 0 {
		// What was taken out of the queue is written, also when the end comes
		// meanwhile.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
		defer cancel()
		if err := store.RecordSignIns(ctx, batch); err != nil {
			log.ErrorContext(ctx, "auth: sign-in attempts were not written to the history", "attempts", len(batch), "error", err)
		}
	}
	if n := h.dropped.Swap(0); n > 0 {
		log.WarnContext(ctx, "auth: too many sign-in attempts to write them all to the history", "left_out", n)
	}
}

// attempt describes a password that opened nothing.
func (s *Accounts) attempt(user uuid.UUID, outcome SignInOutcome, from Client) SignIn {
	return s.attemptBy(user, SignInByPassword, outcome, from)
}

func (s *Accounts) attemptBy(user uuid.UUID, method SignInMethod, outcome SignInOutcome, from Client) SignIn {
	id, err := s.newID()
	if err != nil {
		id = uuid.New()
	}
	return SignIn{
		ID: id, UserID: user, At: s.now(), Method: method, Outcome: outcome,
		Client: Client{UserAgent: cut(from.UserAgent, 512), Address: cut(from.Address, 64)},
	}
}
