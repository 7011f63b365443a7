package app

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestProvidersAreConfigured(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "secret")
	require.NoError(t, os.WriteFile(secret, []byte("hunter2\n"), 0o600))
	c, err := Load(nil, env(
		"CINEMA_PUBLIC_URL", "https://cinema.example", "CINEMA_OIDC", "home, work",
		"CINEMA_OIDC_HOME_ISSUER", "https://id.example", "CINEMA_OIDC_HOME_CLIENT_ID", "a", "CINEMA_OIDC_HOME_CLIENT_SECRET_FILE", secret,
		"CINEMA_OIDC_WORK_ISSUER", "http://127.0.0.1:9/", "CINEMA_OIDC_WORK_CLIENT_ID", "b", "CINEMA_OIDC_WORK_NAME", "The office", "CINEMA_OIDC_WORK_SCOPES", "openid email",
		"CINEMA_YANDEX_CLIENT_ID", "y", "CINEMA_YANDEX_CLIENT_SECRET", "hunter2", "CINEMA_GOOGLE_CLIENT_ID", "g", "CINEMA_GOOGLE_CLIENT_SECRET", "hunter2",
	))
	require.NoError(t, err)
	require.Equal(t, "hunter2", c.Auth.Others[0].ClientSecret)
	require.Equal(t, []string{"openid", "email"}, c.Auth.Others[1].Scopes)
	var named []string
	for _, p := range c.signInProviders() {
		named = append(named, p.ID+" "+p.Name+" "+p.Issuer)
	}
	require.Equal(t, []string{
		"home home https://id.example", "work The office http://127.0.0.1:9/", "yandex Yandex https://oauth.yandex.ru", "google Google https://accounts.google.com",
	}, named)
	var out strings.Builder
	c.Print(&out)
	require.Contains(t, out.String(), "CINEMA_OIDC_WORK_NAME=The office")
	require.NotContains(t, out.String(), "hunter2")
	out.Reset()
	Document(&out)
	require.Contains(t, out.String(), "CINEMA_OIDC_NAME_CLIENT_SECRET")

	c, err = Load(nil, env())
	require.NoError(t, err)
	require.Empty(t, c.signInProviders())
}

func TestProvidersThatCannotBe(t *testing.T) {
	for want, given := range map[string][]string{
		"CINEMA_OIDC: \"Home\"":                           {"CINEMA_OIDC", "Home"},
		"CINEMA_OIDC: \"google\"":                         {"CINEMA_OIDC", "google"},
		"CINEMA_OIDC: \"a\" is there twice":               {"CINEMA_OIDC", "a,a"},
		"CINEMA_OIDC: 8 are the most":                     {"CINEMA_OIDC", "a,b,c,d,e,f,g,h,i"},
		"CINEMA_OIDC_A_ISSUER: want https://host":         {"CINEMA_OIDC", "a"},
		"CINEMA_OIDC_A_CLIENT_ID":                         {"CINEMA_OIDC", "a", "CINEMA_OIDC_A_ISSUER", "https://id.example"},
		"CINEMA_OIDC_A_ISSUER: want https: over http":     {"CINEMA_OIDC", "a", "CINEMA_OIDC_A_ISSUER", "http://id.example", "CINEMA_OIDC_A_CLIENT_ID", "c"},
		"CINEMA_OIDC_B_ISSUER: another provider has this": {"CINEMA_OIDC", "a,b", "CINEMA_OIDC_A_ISSUER", "https://id.example", "CINEMA_OIDC_A_CLIENT_ID", "c", "CINEMA_OIDC_B_ISSUER", "https://id.example", "CINEMA_OIDC_B_CLIENT_ID", "c"},
		"CINEMA_GOOGLE_CLIENT_SECRET":                     {"CINEMA_GOOGLE_CLIENT_ID", "g"},
		"CINEMA_YANDEX_CLIENT_ID":                         {"CINEMA_YANDEX_CLIENT_SECRET", "hunter2"},
	} {
		_, err := Load(nil, env(given...))
		require.ErrorContains(t, err, want)
		require.NotContains(t, err.Error(), "hunter2")
	}
}

func TestAProvidersAnswerLeavesTheAddress(t *testing.T) {
	next := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
	get := func(target string) *http.Response {
		w := httptest.NewRecorder()
		returning(next).ServeHTTP(w, httptest.NewRequest(http.MethodGet, target, http.NoBody))
		return w.Result()
	}
	for target, want := range map[string]string{
		"/signin/with/google?code=a%26b&state=sign_in.s&scope=x&iss=https%3A%2F%2Fid.example": "/signin#code=a%26b&iss=https%3A%2F%2Fid.example&state=sign_in.s&with=google",
		"/signin/with/home?code=c&state=link.s":                                               "/account#code=c&state=link.s&with=home",
		"/signin/with/home?error=access_denied&state=confirm.s":                               "/account#error=access_denied&state=confirm.s&with=home",
		"/signin/with/home?state=https://evil.example":                                        "/signin#state=https%3A%2F%2Fevil.example&with=home",
		"/signin/with/home?to=//evil.example":                                                 "/signin#with=home",
	} {
		res := get(target)
		require.Equal(t, http.StatusSeeOther, res.StatusCode)
		require.Equal(t, want, res.Header.Get("Location"))
		require.Equal(t, "no-store", res.Header.Get("Cache-Control"))
		u, err := url.Parse(res.Header.Get("Location"))
		require.NoError(t, err)
		require.Empty(t, u.Host)
	}
	for _, other := range []string{"/signin", "/signin/with/", "/signin/with/Google", "/signin/with/a/b", "/signin/with/%2f%2fevil.example"} {
		require.Equal(t, http.StatusTeapot, get(other).StatusCode, other)
	}
}
