package auth

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"github.com/netflixathome/cinema/internal/fault"
	"github.com/netflixathome/cinema/internal/gid"
)

// MaxProfiles is how many profiles an account may have.
const MaxProfiles = 6

var errNoProfile = fault.New(fault.NotFound, "Your account has no such profile.")

// NewProfile is what a new profile is made of.
type NewProfile struct {
	Name   string
	Colour *string // chosen when nil
	Locale *string
	Child  bool
}

// ProfileUpdate changes what is not nil.
type ProfileUpdate struct {
	Name   *string
	Colour *string
	// Locale changes when SetLocale; nil follows the browser then.
	SetLocale bool
	Locale    *string
	Child     *bool
}

// CreateProfile adds a profile to the account.
func (s *Accounts) CreateProfile(ctx context.Context, user uuid.UUID, n NewProfile) (*Profile, error) {
	name, err := cleanName(n.Name, "input.name")
	if err != nil {
		return nil, err
	}
	colour := ""
	if n.Colour != nil {
		if colour, err = cleanColour(*n.Colour, "input.colour"); err != nil {
			return nil, err
		}
	}
	id, err := s.newID()
	if err != nil {
		return nil, err
	}
	p := Profile{
		ID: gid.Of(gid.Profile, id), UserID: user, Name: name, Colour: colour,
		Language: n.Locale, IsChild: n.Child, CreatedAt: s.now(),
	}
	err = s.store.ChangeProfiles(ctx, user, func(all []Profile) (ProfileChange, error) {
		if len(all) >= MaxProfiles {
			return ProfileChange{}, fault.New(fault.Conflict, "An account has at most %d profiles.", MaxProfiles).WithReason("TOO_MANY_PROFILES")
		}
		if p.Colour == "" {
			p.Colour = freeColour(all)
		}
		return ProfileChange{Add: &p}, nil
	})
	if err != nil {
		return nil, fmt.Errorf("auth: create profile: %w", err)
	}
	return &p, nil
}

// freeColour is the first of the palette that no profile has.
func freeColour(all []Profile) string {
	used := map[string]bool{}
	for _, p := range all {
		used[p.Colour] = true
	}
	for _, c := range palette {
		if !used[c] {
			return c
		}
	}
	return palette[len(all)%len(palette)]
}

// UpdateProfile changes a profile of the account.
func (s *Accounts) UpdateProfile(ctx context.Context, user uuid.UUID, id gid.ID, u ProfileUpdate) (*Profile, error) {
	var name, colour string
	var err error
	if u.Name != nil {
		if name, err = cleanName(*u.Name, "input.name"); err != nil {
			return nil, err
		}
	}
	if u.Colour != nil {
		if colour, err = cleanColour(*u.Colour, "input.colour"); err != nil {
			return nil, err
		}
	}
	var out Profile
	err = s.store.ChangeProfiles(ctx, user, func(all []Profile) (ProfileChange, error) {
		for _, p := range all {
			if p.ID != id {
				continue
			}
			if u.Name != nil {
				p.Name = name
			}
			if u.Colour != nil {
				p.Colour = colour
			}
			if u.SetLocale {
				p.Language = u.Locale
			}
			if u.Child != nil {
				p.IsChild = *u.Child
			}
			out = p
			return ProfileChange{Update: &out}, nil
		}
		return ProfileChange{}, errNoProfile.At("input.id")
	})
	if err != nil {
		return nil, fmt.Errorf("auth: update profile: %w", err)
	}
	return &out, nil
}

// DeleteProfile deletes a profile of the account, but never the last.
func (s *Accounts) DeleteProfile(ctx context.Context, user uuid.UUID, id gid.ID) error {
	err := s.store.ChangeProfiles(ctx, user, func(all []Profile) (ProfileChange, error) {
		for _, p := range all {
			if p.ID != id {
				continue
			}
			if len(all) == 1 {
				return ProfileChange{}, fault.New(fault.Conflict, "The last profile of an account stays.").WithReason("LAST_PROFILE")
			}
			return ProfileChange{Delete: id.UUID}, nil
		}
		return ProfileChange{}, errNoProfile.At("input.id")
	})
	if err != nil {
		return fmt.Errorf("auth: delete profile: %w", err)
	}
	return nil
}
