package resolver_test

import (
	"context"
	"encoding/base64"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/netflixathome/cinema/internal/authn"
	"github.com/netflixathome/cinema/subgraphs/auth"
	"github.com/netflixathome/cinema/subgraphs/auth/resolver"
)

// Two instances of the auth service, of which the second reads the keys 50 s later
// than the first, behind a proxy that sends each question to another one; and a
// router, which asks about every few seconds. Nobody is refused while the key is
// replaced, tokens of the old one live as long as they were made for, and no more
// is asked than there is reason to.
func TestAKeyIsReplacedUnderTraffic(t *testing.T) {
	w := newWorld(t)
	w.deps.KeyAge = 24 * time.Hour
	var instances [2]*auth.Accounts
	var viewers [2]*viewer
	for i := range instances {
		var err error
		instances[i], err = auth.New(w.deps)
		require.NoError(t, err)
		require.NoError(t, instances[i].Init(t.Context()))
		w.accounts = instances[i]
		w.serve(resolver.Options{})
		one := *w // a browser of this instance
		viewers[i] = one.viewer()
		require.Empty(t, viewers[i].enter(signUp, creds("viewer-"+string(rune('a'+i)), good)).Errors)
	}
	var asked atomic.Int32
	verifier, err := authn.NewVerifier(func(ctx context.Context) ([]byte, error) {
		return instances[int(asked.Add(1))%2].Signer().JWKS(ctx)
	}, w.revoked, w.clock.now)
	require.NoError(t, err)

	type issued struct {
		token string
		until time.Time
	}
	var alive []issued
	kids := map[string]bool{}
	began := w.clock.now()
	const step, lasts = 20 * time.Second, 40 * time.Minute
	forged := func() string {
		parts := strings.SplitN(alive[0].token, ".", 2)
		return base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"EdDSA","typ":"at+jwt","kid":"`+uuid.NewString()+`"}`)) + "." + parts[1]
	}
	for at := time.Duration(0); at < lasts; at += step {
		if at == 5*time.Minute { // by hand
			_, err := instances[0].RotateKey(t.Context())
			require.NoError(t, err)
		}
		if at%time.Minute == 0 {
			require.NoError(t, instances[0].Init(t.Context()))
		}
		if at%time.Minute == 40*time.Second {
			require.NoError(t, instances[1].Init(t.Context()))
		}
		for _, v := range viewers {
			require.Empty(t, v.enter(refresh, nil).Errors)
			alive = append(alive, issued{v.token, w.clock.now().Add(authn.AccessTTL)})
			kids[head(v.token)] = true
		}
		for len(alive) > 0 && !w.clock.now().Before(alive[0].until) {
			alive = alive[1:]
		}
		for _, a := range alive {
			_, err := verifier.Verify(t.Context(), a.token)
			require.NoError(t, err, "after %v", at)
		}
		for range 5 { // a stranger makes kids up
			_, err := verifier.Verify(t.Context(), forged())
			require.ErrorIs(t, err, authn.ErrUnauthenticated)
		}
		w.clock.add(step)
	}
	require.Len(t, kids, 2, "the key was replaced meanwhile")
	require.LessOrEqual(t, asked.Load(), int32(w.clock.now().Sub(began)/step)+1, "a made-up kid is asked for no oftener than every 5 s, of all of them together")

	// And by age, without anybody's doing.
	w.clock.add(25 * time.Hour)
	require.NoError(t, instances[0].Init(t.Context()))
	require.NoError(t, instances[1].Init(t.Context()))
	w.clock.add(11 * time.Minute)
	require.Empty(t, viewers[1].enter(refresh, nil).Errors)
	kids[head(viewers[1].token)] = true
	require.Len(t, kids, 3)
	_, err = verifier.Verify(t.Context(), viewers[1].token)
	require.NoError(t, err)
}
