package auth

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/netflixathome/cinema/internal/authn"
)

const (
	// keyNotice is how long a successor is published before it signs; all
	// instances and verifiers read the keys anew within that time.
	keyNotice = 10 * time.Minute
	// keyAfter is how long a key is published after its successor has taken
	// over: longer than its last token lives.
	keyAfter = time.Hour
)

// tendKeys brings the signer up to date with the store, where it makes a
// first key, a successor for one of age, and removes what nothing hangs on.
func (s *Accounts) tendKeys(ctx context.Context) error {
	sealed, err := s.store.SigningKeys(ctx)
	if err != nil {
		return fmt.Errorf("auth: signing keys: %w", err)
	}
	if add, remove := s.keysDue(sealed, false); add || len(remove) > 0 {
		if err := s.replaceKeys(ctx, false); err != nil {
			return err
		}
		if sealed, err = s.store.SigningKeys(ctx); err != nil {
			return fmt.Errorf("auth: signing keys: %w", err)
		}
	}
	keys := make([]authn.SigningKey, 0, len(sealed))
	for _, k := range sealed {
		private, err := s.unseal(k)
		if err != nil {
			return err
		}
		keys = append(keys, authn.SigningKey{ID: k.ID, Private: private, ActiveFrom: k.ActiveFrom})
	}
	return s.signer.SetKeys(keys)
}

// Rotation is what became of RotateKey: the newest key, and from when it signs.
type Rotation struct {
	KeyID string
	From  time.Time
	// Made is false where a successor was waiting already.
	Made bool
}

// RotateKey makes a successor of the signing key now. It signs after a short
// notice, within which every instance and every verifier has read it; nobody is
// signed out, for the key before is published until its last token has ended.
func (s *Accounts) RotateKey(ctx context.Context) (*Rotation, error) {
	before, err := s.store.SigningKeys(ctx)
	if err != nil {
		return nil, fmt.Errorf("auth: signing keys: %w", err)
	}
	if err := s.replaceKeys(ctx, true); err != nil {
		return nil, err
	}
	if err := s.tendKeys(ctx); err != nil {
		return nil, err
	}
	all, err := s.store.SigningKeys(ctx)
	if err != nil {
		return nil, fmt.Errorf("auth: signing keys: %w", err)
	}
	newest := all[len(all)-1]
	known := slices.ContainsFunc(before, func(k SealedKey) bool { return k.ID == newest.ID })
	return &Rotation{KeyID: newest.ID, From: newest.ActiveFrom.UTC(), Made: !known}, nil
}

// keysDue says whether a new key is wanted and which are done with.
func (s *Accounts) keysDue(all []SealedKey, wanted bool) (add bool, remove []string) {
	now := s.now()
	for i := range all {
		if i+1 < len(all) && now.Sub(all[i+1].ActiveFrom) > keyAfter {
			remove = append(remove, all[i].ID)
		}
	}
	if len(all) == 0 {
		return true, nil
	}
	newest := all[len(all)-1].ActiveFrom
	return now.Sub(newest) > s.keyAge || wanted && !newest.After(now), remove
}

func (s *Accounts) replaceKeys(ctx context.Context, wanted bool) error {
	err := s.store.ReplaceSigningKeys(ctx, func(all []SealedKey) (*SealedKey, []string, error) {
		// Judged again under the lock: another instance may have done it.
		add, remove := s.keysDue(all, wanted)
		if !add {
			return nil, remove, nil
		}
		from := s.now()
		if len(all) > 0 {
			from = from.Add(keyNotice)
		}
		key, err := s.newKey(from)
		return key, remove, err
	})
	if err != nil {
		return fmt.Errorf("auth: signing keys: %w", err)
	}
	return nil
}

func (s *Accounts) newKey(from time.Time) (*SealedKey, error) {
	seed := make([]byte, ed25519.SeedSize)
	if _, err := io.ReadFull(s.random, seed); err != nil {
		return nil, fmt.Errorf("auth: randomness: %w", err)
	}
	id, err := uuid.NewRandomFromReader(s.random)
	if err != nil {
		return nil, fmt.Errorf("auth: randomness: %w", err)
	}
	k := &SealedKey{ID: id.String(), ActiveFrom: from}
	if k.Sealed, err = s.seal(s.keySeal, seed, []byte(k.ID)); err != nil {
		return nil, err
	}
	return k, nil
}

func (s *Accounts) unseal(k SealedKey) (ed25519.PrivateKey, error) {
	seed, err := unsealed(s.keySeal, k.Sealed, []byte(k.ID))
	if err != nil || len(seed) != ed25519.SeedSize {
		return nil, fmt.Errorf("auth: signing key %s was sealed under another secret: give the secret back that this database was made with", k.ID)
	}
	return ed25519.NewKeyFromSeed(seed), nil
}
