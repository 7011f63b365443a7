package bench

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/argon2"

	"github.com/netflixathome/cinema/engines/enginestest"
	"github.com/netflixathome/cinema/internal/authn"
	busmemory "github.com/netflixathome/cinema/internal/bus/memory"
	"github.com/netflixathome/cinema/internal/limit"
	limitmemory "github.com/netflixathome/cinema/internal/limit/memory"
	"github.com/netflixathome/cinema/internal/pg"
	"github.com/netflixathome/cinema/subgraphs/auth"
	"github.com/netflixathome/cinema/subgraphs/auth/postgres"
)

// cpu is the processor time that this process has used.
func cpu(t *testing.T) time.Duration {
	t.Helper()
	var u syscall.Rusage
	require.NoError(t, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

type nobody struct{}

func (nobody) Record(context.Context, auth.Event) {}

// TestAccounts measures what a sign-in costs beside the one hash that it must cost,
// and what it costs to look at a token and at an API key.
func TestAccounts(t *testing.T) {
	ctx := t.Context()
	pool, err := pg.Open(ctx, enginestest.Postgres(t), 4)
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	require.NoError(t, postgres.Migrate(ctx, pool))
	store, err := postgres.New(pool)
	require.NoError(t, err)
	limiter, err := limitmemory.New(1000, time.Now)
	require.NoError(t, err)
	wide := limit.Rate{Limit: 1_000_000, Per: time.Second, Burst: 1_000_000}
	accounts, err := auth.New(auth.Deps{
		Store: store, Bus: busmemory.New(), Limiter: limiter, Activity: nobody{}, Logger: quiet, Secret: make([]byte, 32),
		Limits: auth.Limits{SignInPair: wide, SignInAddress: wide, SignInLogin: wide, SignUpAddress: wide, RefreshAddress: wide, Code: wide, Passkey: wide, ChallengeAddress: wide},
	})
	require.NoError(t, err)
	require.NoError(t, accounts.Init(ctx))
	const login, password = "ann", "violet tractor 41"
	from := auth.Client{Address: "203.0.113.7", UserAgent: "bench"}
	_, err = accounts.SignUp(ctx, login, password, "", nil, from)
	require.NoError(t, err)

	const attempts = 40
	each := func(do func()) float64 {
		do() // once for what is made at the first
		began := cpu(t)
		for range attempts {
			do()
		}
		return (cpu(t) - began).Seconds() / attempts
	}
	salt := make([]byte, 16)
	var right, wrong, missing, bare []float64
	for range repeats {
		// The parameters of subgraphs/auth/password.go.
		hash := each(func() { argon2.IDKey([]byte(password), salt, 2, 19<<10, 1, 32) })
		bare = append(bare, hash*1000)
		right = append(right, each(func() {
			_, _, err := accounts.SignIn(ctx, login, password, from)
			require.NoError(t, err)
		})/hash)
		wrong = append(wrong, each(func() {
			_, _, err := accounts.SignIn(ctx, login, "violet tractor 42", from)
			require.Error(t, err)
		})/hash)
		missing = append(missing, each(func() {
			_, _, err := accounts.SignIn(ctx, "nobody-here", password, from)
			require.Error(t, err)
		})/hash)
	}
	report("argon2id alone, CPU", "", bare, "ms")
	report("sign-in, CPU, of argon2id", "<= 1.15", right, "times")
	report("sign-in with a wrong password, CPU, of argon2id", "<= 1.15", wrong, "times")
	report("sign-in to an account that is not, CPU, of argon2id", "<= 1.15", missing, "times")

	verifyTokens(t)
}

// verifyTokens measures the check of tokens that were not seen before, and of one
// that was.
func verifyTokens(t *testing.T) {
	t.Helper()
	ctx := t.Context()
	signer, err := authn.NewSigner(time.Now)
	require.NoError(t, err)
	_, private, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	require.NoError(t, signer.SetKeys([]authn.SigningKey{{ID: "k1", Private: private, ActiveFrom: time.Now().Add(-time.Hour)}}))
	revoked, err := authn.NewRevocations(busmemory.New(), func(context.Context) ([]authn.Revocation, error) { return nil, nil }, time.Now, quiet)
	require.NoError(t, err)
	listening, stop := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() { defer close(done); _ = revoked.Run(listening) }()
	t.Cleanup(func() { stop(); <-done })
	require.Eventually(t, func() bool { return !revoked.Unsure() }, time.Minute, time.Millisecond)
	const many = 4000
	tokens := make([]string, many)
	for i := range tokens {
		tokens[i], err = signer.Sign(&authn.Claims{
			UserID: uuid.New(), ProfileID: uuid.New(), SessionID: uuid.New(), Roles: []string{"EDITOR"}, Rights: 7,
			Scopes: map[string]bool{auth.TitleRead: true, auth.TitleWrite: true, auth.UploadWrite: true},
		})
		require.NoError(t, err)
	}
	var first, again, form, bare []float64
	message := []byte(tokens[0])
	signature := ed25519.Sign(private, message)
	public, _ := private.Public().(ed25519.PublicKey)
	key, _, err := authn.NewAPIKey(rand.Reader)
	require.NoError(t, err)
	for range repeats {
		verifier, err := authn.NewVerifier(signer.JWKS, revoked, time.Now)
		require.NoError(t, err)
		for _, into := range []*[]float64{&first, &again} {
			began := cpu(t)
			for _, token := range tokens {
				if _, err := verifier.Verify(ctx, token); err != nil {
					t.Fatal(err)
				}
			}
			*into = append(*into, float64((cpu(t)-began).Nanoseconds())/1000/many)
		}
		began := cpu(t)
		for range many {
			if !ed25519.Verify(public, message, signature) {
				t.Fatal("it is signed")
			}
		}
		bare = append(bare, float64((cpu(t)-began).Nanoseconds())/1000/many)
		began = cpu(t)
		for range many {
			if !authn.IsAPIKey(key) {
				t.Fatal("it is one")
			}
		}
		form = append(form, float64((cpu(t)-began).Nanoseconds())/1000/many)
	}
	report("Ed25519 alone, of as many bytes, CPU", "", bare, "µs")
	report("a token's check, the first time, CPU", "<= 60", first, "µs")
	report("a token's check, again, CPU", "<= 60", again, "µs")
	report("the form of an API key, CPU", "<= 60", form, "µs")
}
