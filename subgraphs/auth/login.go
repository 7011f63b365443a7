package auth

import (
	"net/mail"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/secure/precis"

	"github.com/netflixathome/cinema/internal/fault"
)

const (
	minLogin = 3
	maxLogin = 64
	// maxEmail is the longest address that fits SMTP's path (RFC 5321 §4.5.3.1.3).
	maxEmail = 254
	// maxName bounds the name of an account and of a profile.
	maxName = 40
)

var (
	errLogin   = fault.New(fault.Invalid, "A login is 3 to 64 letters, digits and signs without spaces, or an e-mail address.").WithReason("LOGIN_INVALID")
	errScripts = fault.New(fault.Invalid, "Use letters of one alphabet only in a login: letters that look alike could pass for someone else's.").WithReason("LOGIN_INVALID")
)

// NormalizeLogin returns the one form in which a login is kept and compared:
// lower case, NFC, full-width letters made plain, after PRECIS
// UsernameCaseMapped (RFC 8265), which also refuses spaces, control characters
// and what changes the direction of writing. Letters of Latin, Greek and
// Cyrillic do not mix, since many of them look the same.
func NormalizeLogin(login string) (string, error) {
	if len(login) > 4*maxEmail || !utf8.ValidString(login) {
		return "", errLogin
	}
	s, err := precis.UsernameCaseMapped.String(strings.TrimSpace(login))
	if err != nil {
		return "", errLogin
	}
	runes := utf8.RuneCountInString(s)
	if runes < minLogin {
		return "", errLogin
	}
	if strings.Contains(s, "@") {
		a, err := mail.ParseAddress(s)
		if err != nil || a.Address != s || a.Name != "" || len(s) > maxEmail {
			return "", errLogin
		}
	} else if runes > maxLogin {
		return "", errLogin
	}
	scripts := 0
	for _, table := range []*unicode.RangeTable{unicode.Latin, unicode.Cyrillic, unicode.Greek} {
		// The local part and the domain of an address may differ.
		local, _, _ := strings.Cut(s, "@")
		if strings.ContainsFunc(local, func(r rune) bool { return unicode.Is(table, r) }) {
			scripts++
		}
	}
	if scripts > 1 {
		return "", errScripts
	}
	return s, nil
}

// cleanName trims and normalises a name that is shown to people, after PRECIS
// Nickname (RFC 8266).
func cleanName(name, field string) (string, error) {
	fail := fault.New(fault.Invalid, "A name is 1 to %d characters, without control characters.", maxName).At(field)
	if len(name) > 8*maxName || !utf8.ValidString(name) {
		return "", fail
	}
	s, err := precis.Nickname.String(name)
	if err != nil {
		return "", fail
	}
	if n := utf8.RuneCountInString(s); n < 1 || n > maxName {
		return "", fail
	}
	return s, nil
}

var colourForm = regexp.MustCompile(`^#[0-9a-f]{6}$`)

func cleanColour(colour, field string) (string, error) {
	if len(colour) == 7 {
		if c := strings.ToLower(colour); colourForm.MatchString(c) {
			return c, nil
		}
	}
	return "", fault.New(fault.Invalid, "A colour is written #rrggbb.").At(field)
}

// palette is what profiles get when they choose no colour: tones that stand
// out on a dark page and from each other.
var palette = [...]string{"#e5484d", "#3e63dd", "#30a46c", "#f5a524", "#8e4ec6", "#12a594"}
