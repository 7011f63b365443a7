package auth

import (
	"context"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"
	"golang.org/x/text/unicode/norm"

	"github.com/netflixathome/cinema/internal/fault"
)

const (
	minPassword = 8    // characters
	maxPassword = 1024 // bytes
)

// params of argon2id, kept in each hash, so that they can rise.
type params struct {
	memory  uint32 // KiB
	time    uint32
	threads uint8
}

// current follows OWASP's Password Storage Cheat Sheet: 19 MiB, two passes.
var current = params{memory: 19 << 10, time: 2, threads: 1}

const (
	saltLen = 16
	hashLen = 32
	// maxWaiting hashes may wait for their turn, up to maxWait: some two
	// seconds' worth on two cores.
	maxWaiting = 64
	maxWait    = 5 * time.Second
)

// atOnce hashes may run at once, of 19 MiB each: the other cores are for those
// who are signed in.
func atOnce() int { return max(1, runtime.GOMAXPROCS(0)/2) }

// KeyFunc is argon2.IDKey, or the same computed elsewhere.
type KeyFunc func(password, salt []byte, time, memory uint32, threads uint8, length uint32) []byte

var (
	errShort  = fault.New(fault.Invalid, "A password is %d characters or more.", minPassword).At("input.password").WithReason("PASSWORD_SHORT")
	errLong   = fault.New(fault.Invalid, "A password is at most %d bytes.", maxPassword).At("input.password").WithReason("PASSWORD_LONG")
	errText   = fault.New(fault.Invalid, "The password is not text.").At("input.password").WithReason("PASSWORD_INVALID")
	errCommon = fault.New(fault.Invalid, "This password is among the first that anyone would try. Choose another, such as a few unrelated words.").At("input.password").WithReason("PASSWORD_COMMON")
	errSame   = fault.New(fault.Invalid, "The password must not be the login.").At("input.password").WithReason("PASSWORD_IS_LOGIN")
	errBusy   = fault.New(fault.Unavailable, "Too many people are signing in at the moment. Try again in a few seconds.").WithReason(fault.Busy).WithRetryAfter(3 * time.Second)
)

// normalizePassword returns the form that is hashed: NFC, so that one
// password typed on two keyboards is one. It is never cut. Length is checked
// before any work is done on it.
func normalizePassword(password string) (string, error) {
	if len(password) > maxPassword {
		return "", errLong
	}
	if !utf8.ValidString(password) {
		return "", errText
	}
	return norm.NFC.String(password), nil
}

// checkNewPassword says whether an account may have this normalised password.
func checkNewPassword(password, login string) error {
	if utf8.RuneCountInString(password) < minPassword {
		return errShort
	}
	local, _, _ := strings.Cut(login, "@")
	if strings.EqualFold(password, login) || strings.EqualFold(password, local) {
		return errSame
	}
	if isCommon(password) {
		return errCommon
	}
	return nil
}

// newHash is what is kept of a password that an account may have.
func (s *Accounts) newHash(ctx context.Context, password, login string) (string, error) {
	password, err := normalizePassword(password)
	if err != nil {
		return "", err
	}
	if err := checkNewPassword(password, login); err != nil {
		return "", err
	}
	return s.hasher.hash(ctx, password)
}

// hasher makes and compares argon2id hashes, a bounded number at once.
type hasher struct {
	random  io.Reader
	key     KeyFunc
	turns   chan struct{}
	waiting atomic.Int32
	// dummy is compared with when there is no account, to take the same time.
	dummy string
}

func newHasher(random io.Reader, key KeyFunc) (*hasher, error) {
	h := &hasher{random: random, key: key, turns: make(chan struct{}, atOnce())}
	salt := make([]byte, saltLen)
	sum := make([]byte, hashLen)
	for _, b := range [][]byte{salt, sum} {
		if _, err := io.ReadFull(random, b); err != nil {
			return nil, fmt.Errorf("auth: randomness: %w", err)
		}
	}
	h.dummy = encode(current, salt, sum)
	return h, nil
}

// full reports whether nobody else may wait. Who only tries a password is sent
// away before any work is done.
func (h *hasher) full() bool { return h.waiting.Load() >= maxWaiting }

// enter waits for a turn; the caller must call leave after nil.
func (h *hasher) enter(ctx context.Context) error {
	select {
	case h.turns <- struct{}{}:
		return nil
	default:
	}
	if h.waiting.Add(1) > maxWaiting {
		h.waiting.Add(-1)
		return errBusy
	}
	defer h.waiting.Add(-1)
	timer := time.NewTimer(maxWait)
	defer timer.Stop()
	select {
	case h.turns <- struct{}{}:
		return nil
	case <-timer.C:
		return errBusy
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (h *hasher) leave() { <-h.turns }

// hash makes a PHC string of a normalised password.
func (h *hasher) hash(ctx context.Context, password string) (string, error) {
	salt := make([]byte, saltLen)
	if _, err := io.ReadFull(h.random, salt); err != nil {
		return "", fmt.Errorf("auth: randomness: %w", err)
	}
	if err := h.enter(ctx); err != nil {
		return "", err
	}
	defer h.leave()
	return encode(current, salt, h.key([]byte(password), salt, current.time, current.memory, current.threads, hashLen)), nil
}

// verify compares a normalised password with a PHC string. An empty one
// matches nothing and takes as long. stale says that the hash should be made
// anew with today's parameters.
func (h *hasher) verify(ctx context.Context, password, phc string) (ok, stale bool, err error) {
	none := phc == ""
	if none {
		phc = h.dummy
	}
	p, salt, want, err := decode(phc)
	if err != nil {
		return false, false, err
	}
	if err := h.enter(ctx); err != nil {
		return false, false, err
	}
	defer h.leave()
	got := h.key([]byte(password), salt, p.time, p.memory, p.threads, uint32(len(want)))
	ok = subtle.ConstantTimeCompare(got, want) == 1 && !none
	return ok, p != current, nil
}

func encode(p params, salt, sum []byte) string {
	b64 := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, p.memory, p.time, p.threads,
		b64.EncodeToString(salt), b64.EncodeToString(sum))
}

func decode(phc string) (p params, salt, sum []byte, err error) {
	bad := errors.New("auth: a stored password hash is not readable")
	parts := strings.Split(phc, "$")
	if len(parts) != 6 || parts[0] != "" || parts[1] != "argon2id" {
		return p, nil, nil, bad
	}
	version := 0
	if _, err := fmt.Sscanf(parts[2], "v=%d", &version); err != nil || version != argon2.Version {
		return p, nil, nil, bad
	}
	if _, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &p.memory, &p.time, &p.threads); err != nil ||
		p.memory == 0 || p.memory > 1<<20 || p.time == 0 || p.time > 100 || p.threads == 0 {
		return p, nil, nil, bad
	}
	salt, err = base64.RawStdEncoding.Strict().DecodeString(parts[4])
	if err != nil || len(salt) < 8 {
		return p, nil, nil, bad
	}
	sum, err = base64.RawStdEncoding.Strict().DecodeString(parts[5])
	if err != nil || len(sum) < 16 {
		return p, nil, nil, bad
	}
	return p, salt, sum, nil
}

// readable is Crockford's alphabet in lower case: no i, l, o or u.
const readable = "0123456789abcdefghjkmnpqrstvwxyz"

// makePassword makes a password of 100 bits that can be read aloud and typed:
// four groups of five.
func makePassword(random io.Reader) (string, error) {
	raw := make([]byte, 20)
	if _, err := io.ReadFull(random, raw); err != nil {
		return "", fmt.Errorf("auth: randomness: %w", err)
	}
	var b strings.Builder
	for i, c := range raw {
		if i > 0 && i%5 == 0 {
			b.WriteByte('-')
		}
		b.WriteByte(readable[c&31])
	}
	return b.String(), nil
}
