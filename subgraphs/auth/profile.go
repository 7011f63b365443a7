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
	Name     string
	Colour   *string // chosen when nil
	Avatar   *Avatar // AvatarLetter when nil
	Locale   *string
	Child    bool
	AgeLimit *int // of a child's only; authn.ChildAge when nil
}

// ProfileUpdate changes what is not nil.
type ProfileUpdate struct {
	Name   *string
	Colour *string
	// Locale changes when SetLocale; nil follows the browser then.
	SetLocale bool
	Locale    *string
	Avatar    *Avatar
	Child     *bool
	AgeLimit  *int
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
	if err := checkLimit(n.Child, n.AgeLimit); err != nil {
		return nil, err
	}
	id, err := s.newID()
	if err != nil {
		return nil, err
	}
	p := Profile{
		ID: gid.Of(gid.Profile, id), UserID: user, Name: name, Colour: colour,
		Language: n.Locale, Avatar: AvatarLetter, IsChild: n.Child, Limit: limitOf(n.Child, n.AgeLimit), CreatedAt: s.now(),
	}
	if n.Avatar != nil {
		p.Avatar = *n.Avatar
	}
	_, err = s.store.ChangeProfiles(ctx, user, s.now(), func(all []Profile) (ProfileChange, error) {
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
	left, err := s.store.ChangeProfiles(ctx, user, s.now(), func(all []Profile) (ProfileChange, error) {
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
			if u.Avatar != nil {
				p.Avatar = *u.Avatar
			}
			was := p
			if u.Child != nil {
				p.IsChild = *u.Child
			}
			if err := checkLimit(p.IsChild, u.AgeLimit); err != nil {
				return ProfileChange{}, err
			}
			if u.AgeLimit != nil {
				p.Limit = u.AgeLimit
			}
			p.Limit = limitOf(p.IsChild, p.Limit)
			out = p
			change := ProfileChange{Update: &out}
			if p.IsChild != was.IsChild || p.IsChild && *p.Limit != *was.Limit {
				change.Unseat = p.ID.UUID
			}
			return change, nil
		}
		return ProfileChange{}, errNoProfile.At("input.id")
	})
	if err != nil {
		return nil, fmt.Errorf("auth: update profile: %w", err)
	}
	s.announce(ctx, left...)
	return &out, nil
}

// DeleteProfile deletes a profile of the account, but never the last nor one
// with a PIN. What others keep of it they delete when they hear of it.
func (s *Accounts) DeleteProfile(ctx context.Context, user uuid.UUID, id gid.ID) error {
	left, err := s.store.ChangeProfiles(ctx, user, s.now(), func(all []Profile) (ProfileChange, error) {
		for _, p := range all {
			if p.ID != id {
				continue
			}
			if len(all) == 1 {
				return ProfileChange{}, fault.New(fault.Conflict, "The last profile of an account stays.").WithReason("LAST_PROFILE")
			}
			if p.PINSet {
				return ProfileChange{}, errHasPIN
			}
			return ProfileChange{Delete: id.UUID, Unseat: id.UUID}, nil
		}
		return ProfileChange{}, errNoProfile.At("input.id")
	})
	if err != nil {
		return fmt.Errorf("auth: delete profile: %w", err)
	}
	s.announce(ctx, left...)
	s.tellGone(ctx)
	return nil
}
