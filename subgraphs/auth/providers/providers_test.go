package providers

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"

	"github.com/netflixathome/cinema/subgraphs/auth"
	"github.com/netflixathome/cinema/subgraphs/auth/providers/providerstest"
)

const verifier = "0123456789012345678901234567890123456789012"

var ask = auth.ProviderAsk{State: "sign_in.s", Nonce: "n", Verifier: verifier}

func of(op *providerstest.OP) *issuer {
	return OIDC(Config{
		ID: "home", Name: "Home", Issuer: op.URL, ClientID: providerstest.ClientID, ClientSecret: providerstest.Secret,
		ReturnURL: "https://cinema.example/signin/with/home",
	}).Provider.(*issuer)
}

func answered(t *testing.T, p *issuer, op *providerstest.OP, claims jwt.MapClaims) auth.ProviderAnswer {
	t.Helper()
	way, err := p.Way(t.Context(), ask)
	require.NoError(t, err)
	code, _ := op.Grant(t, way, claims)
	return auth.ProviderAnswer{Code: code, Nonce: ask.Nonce, Verifier: verifier}
}

func TestAProviderThatIsAwayIsTriedAgain(t *testing.T) {
	op := providerstest.New(t)
	p := of(op)
	now := time.Now()
	p.now = func() time.Time { return now }
	op.Away(http.StatusServiceUnavailable)
	_, err := p.Way(t.Context(), ask)
	require.ErrorIs(t, err, auth.ErrProviderAway)
	require.NotContains(t, err.Error(), providerstest.Secret)
	op.Away(0)
	_, err = p.Way(t.Context(), ask)
	require.ErrorIs(t, err, auth.ErrProviderAway, "it is let be for a moment")
	require.Zero(t, op.Asked())
	now = now.Add(pause)
	way, err := p.Way(t.Context(), ask)
	require.NoError(t, err)
	u, err := url.Parse(way)
	require.NoError(t, err)
	require.Equal(t, "https://cinema.example/signin/with/home", u.Query().Get("redirect_uri"))
	require.Equal(t, "openid profile email", u.Query().Get("scope"))
	require.Equal(t, "sign_in.s", u.Query().Get("state"))
	require.Empty(t, u.Query().Get("prompt"))
	require.NotContains(t, way, verifier)
	require.Equal(t, 1, op.Asked())

	// What it told is asked anew after a day, and holds while it is away then.
	now = now.Add(trust)
	op.Away(http.StatusServiceUnavailable)
	_, err = p.Way(t.Context(), ask)
	require.NoError(t, err)
	now = now.Add(pause)
	op.Away(0)
	_, err = p.Way(t.Context(), ask)
	require.NoError(t, err)
	require.Equal(t, 2, op.Asked())
}

func TestAProviderThatGoesAway(t *testing.T) {
	op := providerstest.New(t)
	p := of(op)
	a := answered(t, p, op, jwt.MapClaims{"sub": "1", "email": "a@b.example", "name": "A"})
	op.Away(http.StatusBadGateway)
	_, err := p.Who(t.Context(), a)
	require.ErrorIs(t, err, auth.ErrProviderAway)
	op.Away(http.StatusFound)
	_, err = p.Who(t.Context(), a)
	require.ErrorIs(t, err, auth.ErrProviderRefused, "nobody is followed elsewhere")
}

func TestWhatTheIDTokenDoesNotSayIsAsked(t *testing.T) {
	op := providerstest.New(t)
	p := of(op)
	op.UserInfo(map[string]any{"sub": "1", "email": "a@b.example", "email_verified": "true", "name": "A"})
	who, err := p.Who(t.Context(), answered(t, p, op, jwt.MapClaims{"sub": "1"}))
	require.NoError(t, err)
	require.Equal(t, &auth.Vouched{Subject: "1", Email: "a@b.example", EmailVerified: true, Name: "A"}, who)
	_, err = p.Who(t.Context(), answered(t, p, op, jwt.MapClaims{"sub": "2"}))
	require.ErrorIs(t, err, auth.ErrProviderRefused, "another's user info")
}

func TestAProviderThatNamesItselfMust(t *testing.T) {
	op := providerstest.New(t)
	op.NamesItself()
	p := of(op)
	claims := jwt.MapClaims{"sub": "1", "email": "a@b.example", "name": "A"}
	a := answered(t, p, op, claims)
	_, err := p.Who(t.Context(), a)
	require.ErrorIs(t, err, auth.ErrProviderRefused)
	a.Iss = op.URL
	who, err := p.Who(t.Context(), a)
	require.NoError(t, err)
	require.False(t, who.EmailVerified, "what is not said is not so")
}

func TestYandex(t *testing.T) {
	var form url.Values
	info := map[string]any{"id": "77", "client_id": "cinema", "default_email": "Ann@yandex.ru", "real_name": "Анна", "login": "ann"}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /token", func(w http.ResponseWriter, r *http.Request) {
		require.NoError(t, r.ParseForm())
		form = r.PostForm
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"access_token":"y0_token","token_type":"bearer","expires_in":3600}`))
	})
	mux.HandleFunc("GET /info", func(w http.ResponseWriter, r *http.Request) {
		require.Equal(t, "OAuth y0_token", r.Header.Get("Authorization"))
		_ = json.NewEncoder(w).Encode(info)
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	y := yandexAt(Config{ClientID: "cinema", ClientSecret: "s", ReturnURL: "https://cinema.example/signin/with/yandex"}, server.URL, server.URL+"/info")

	way, err := y.Way(t.Context(), ask)
	require.NoError(t, err)
	u, err := url.Parse(way)
	require.NoError(t, err)
	require.Equal(t, "S256", u.Query().Get("code_challenge_method"))
	a := auth.ProviderAnswer{Code: "c", Verifier: verifier}
	who, err := y.Who(t.Context(), a)
	require.NoError(t, err)
	require.Equal(t, &auth.Vouched{Subject: "77", Email: "Ann@yandex.ru", EmailVerified: true, Name: "Анна"}, who)
	require.Equal(t, verifier, form.Get("code_verifier"))

	info["default_email"] = "ann@elsewhere.example"
	who, err = y.Who(t.Context(), a)
	require.NoError(t, err)
	require.False(t, who.EmailVerified, "Yandex says of no other address whether it is verified")
	info["client_id"] = "another"
	_, err = y.Who(t.Context(), a)
	require.ErrorIs(t, err, auth.ErrProviderRefused, "a token that was made for another")
	info["client_id"], info["id"] = "cinema", ""
	_, err = y.Who(t.Context(), a)
	require.ErrorIs(t, err, auth.ErrProviderRefused)
	a.Iss = "https://evil.example"
	_, err = y.Who(t.Context(), a)
	require.ErrorIs(t, err, auth.ErrProviderRefused)
}
