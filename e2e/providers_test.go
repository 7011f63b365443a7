package e2e

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/netflixathome/cinema/e2e/cinema"
	"github.com/netflixathome/cinema/e2e/port"
	"github.com/netflixathome/cinema/e2e/provider"
)

// startProvider is a real provider of OpenID Connect on a port of this machine.
func startProvider(t *testing.T, n int, returnURL string) {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:"+strconv.Itoa(n))
	require.NoError(t, err)
	server := &http.Server{Handler: provider.New(issuerAt(n), returnURL), ReadHeaderTimeout: 10 * time.Second}
	served := make(chan struct{})
	go func() { defer close(served); _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close(); <-served })
}

func issuerAt(n int) string { return "http://127.0.0.1:" + strconv.Itoa(n) }

func freePorts(t *testing.T, n int) []int {
	t.Helper()
	all := make([]int, n)
	for i := range all {
		var err error
		all[i], err = port.Free()
		require.NoError(t, err)
	}
	return all
}

const (
	beginWith  = `mutation($i: BeginProviderInput!) { beginProvider(input: $i) { url } }`
	finishWith = `mutation($i: FinishProviderInput!) { finishProvider(input: $i) { aim to session { accessToken user { login name } } factors { identities { provider label } } } }`
	ownWays    = `{ me { login factors { password identities { id provider label } } signIns { edges { node { method outcome provider } } } } }`
)

type finished struct {
	FinishProvider struct {
		Aim, To string
		Session *struct {
			AccessToken string
			User        struct{ Login, Name string }
		}
	}
}

type way struct{ BeginProvider struct{ URL string } }

// through begins with a provider and returns what comes of it.
func through(t *testing.T, c *cinema.Client, begin map[string]any, name string) (page string, answer map[string]any) {
	t.Helper()
	var to way
	c.Must(t, &to, beginWith, map[string]any{"i": begin})
	return visit(t, c, to.BeginProvider.URL, name)
}

// visit signs in at the provider, as its page asks, and returns the answer as the
// cinema's page finds it in its address.
func visit(t *testing.T, c *cinema.Client, address, name string) (page string, answer map[string]any) {
	t.Helper()
	follow := func(res *http.Response, err error) *url.URL {
		t.Helper()
		require.NoError(t, err)
		require.NoError(t, res.Body.Close())
		require.Contains(t, []int{http.StatusFound, http.StatusSeeOther}, res.StatusCode)
		to, err := res.Location()
		require.NoError(t, err)
		return to
	}
	browser := *c.HTTP
	browser.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	login := follow(browser.Get(address))
	form := url.Values{"username": {name}, "password": {provider.Password}, "id": {login.Query().Get("authRequestID")}}
	login.RawQuery = ""
	callback := follow(browser.PostForm(login.String(), form))
	back := follow(browser.Get(callback.String()))
	require.True(t, strings.HasPrefix(back.String(), c.URL+"/signin/with/"), back.String())
	at := follow(browser.Get(back.String()))
	require.Empty(t, at.RawQuery, "the code is in no address that is sent anywhere")
	values, err := url.ParseQuery(at.Fragment)
	require.NoError(t, err)
	answer = map[string]any{"provider": values.Get("with"), "state": values.Get("state"), "code": values.Get("code")}
	if iss := values.Get("iss"); iss != "" {
		answer["iss"] = iss
	}
	return at.Path, answer
}

// TestSignInWithOthers is the story of viewers who have accounts elsewhere, with a
// real provider, over HTTP alone.
func TestSignInWithOthers(t *testing.T) {
	ports := freePorts(t, 3)
	address := fmt.Sprintf("http://127.0.0.1:%d", ports[0])
	startProvider(t, ports[1], address+"/signin/with/home")
	// The second provider is not there yet: the cinema starts all the same.
	i := cinema.Start(t, cinema.Options{Port: strconv.Itoa(ports[0]), Env: []string{
		"CINEMA_PUBLIC_URL=" + address, "CINEMA_OIDC=home,work",
		"CINEMA_OIDC_HOME_NAME=Home", "CINEMA_OIDC_HOME_ISSUER=" + issuerAt(ports[1]), "CINEMA_OIDC_HOME_CLIENT_ID=cinema", "CINEMA_OIDC_HOME_CLIENT_SECRET=" + provider.Secret,
		"CINEMA_OIDC_WORK_NAME=Work", "CINEMA_OIDC_WORK_ISSUER=" + issuerAt(ports[2]), "CINEMA_OIDC_WORK_CLIENT_ID=cinema", "CINEMA_OIDC_WORK_CLIENT_SECRET=" + provider.Secret,
	}})
	viewer := i.Client()
	var list struct{ SignInProviders []struct{ ID, Name string } }
	viewer.Must(t, &list, `{ signInProviders { id name } }`, nil)
	require.Equal(t, []struct{ ID, Name string }{{"home", "Home"}, {"work", "Work"}}, list.SignInProviders)

	// A stranger gets an account, and comes back to it.
	page, answer := through(t, viewer, map[string]any{"provider": "home", "to": "/list"}, "ann")
	require.Equal(t, "/signin", page)
	var in finished
	viewer.Must(t, &in, finishWith, map[string]any{"i": answer})
	require.Equal(t, "/list", in.FinishProvider.To)
	require.Equal(t, "ann@example.org", in.FinishProvider.Session.User.Login)
	require.Equal(t, "Ann Smith", in.FinishProvider.Session.User.Name)
	viewer.Token = in.FinishProvider.Session.AccessToken
	viewer.Must(t, nil, `mutation { refreshSession { accessToken } }`, nil)
	require.Equal(t, "INVALID", viewer.Do(t, finishWith, map[string]any{"i": answer}).Code(), "an answer is good once")
	tv := i.Client()
	_, answer = through(t, tv, map[string]any{"provider": "home"}, "ann")
	require.Equal(t, "INVALID", i.Client().Do(t, finishWith, map[string]any{"i": answer}).Code(), "in this browser alone")
	tv.Must(t, &in, finishWith, map[string]any{"i": answer})
	require.Equal(t, "ann@example.org", in.FinishProvider.Session.User.Login)

	// An address that has an account leads nobody into it; its owner links it.
	owner := i.Client()
	owner.SignUp(t, "bob@example.org", password)
	stranger := i.Client()
	_, answer = through(t, stranger, map[string]any{"provider": "home"}, "bob")
	refused := stranger.Do(t, finishWith, map[string]any{"i": answer})
	require.Equal(t, "EMAIL_HAS_ACCOUNT", refused.Errors[0].Extensions["reason"])
	page, answer = through(t, owner, map[string]any{"provider": "home", "aim": "LINK", "to": "/account"}, "bob")
	require.Equal(t, "/account", page)
	owner.Must(t, nil, finishWith, map[string]any{"i": answer})
	_, answer = through(t, stranger, map[string]any{"provider": "home"}, "bob")
	stranger.Must(t, &in, finishWith, map[string]any{"i": answer})
	require.Equal(t, "bob@example.org", in.FinishProvider.Session.User.Login)

	// The last way in stays; with a password it may go.
	var own struct {
		Me struct {
			Factors struct {
				Password   bool
				Identities []struct{ ID, Provider, Label string }
			}
		}
	}
	viewer.Must(t, &own, ownWays, nil)
	require.False(t, own.Me.Factors.Password)
	unlink := map[string]any{"i": map[string]any{"id": own.Me.Factors.Identities[0].ID}}
	const unlinking = `mutation($i: UnlinkIdentityInput!) { unlinkIdentity(input: $i) { user { login } } }`
	require.Equal(t, "LAST_WAY_IN", viewer.Do(t, unlinking, unlink).Errors[0].Extensions["reason"])
	viewer.Must(t, nil, `mutation($i: ChangePasswordInput!) { changePassword(input: $i) { ended } }`, map[string]any{"i": map[string]any{"newPassword": password}})
	viewer.Must(t, nil, unlinking, unlink)
	i.Client().SignIn(t, "ann@example.org", password)

	// The provider that was away says so, and is found once it is there.
	away := i.Client().Do(t, beginWith, map[string]any{"i": map[string]any{"provider": "work"}})
	require.Equal(t, "PROVIDER_AWAY", away.Errors[0].Extensions["reason"])
	require.Contains(t, away.Errors[0].Message, "Work")
	startProvider(t, ports[2], address+"/signin/with/work")
	late := i.Client()
	var to way
	cinema.Eventually(t, time.Minute, func() error {
		a := late.Do(t, beginWith, map[string]any{"i": map[string]any{"provider": "work"}})
		if a.Code() != "" {
			return fmt.Errorf("still %s", a.Code())
		}
		return json.Unmarshal(a.Data, &to)
	})
	_, answer = visit(t, late, to.BeginProvider.URL, "ann")
	require.Equal(t, "EMAIL_HAS_ACCOUNT", late.Do(t, finishWith, map[string]any{"i": answer}).Errors[0].Extensions["reason"], "another provider's word is no better")
	answer["provider"] = "home"
	require.Equal(t, "TICKET_ENDED", late.Do(t, finishWith, map[string]any{"i": answer}).Errors[0].Extensions["reason"])

	log := i.Log()
	for _, secret := range []string{provider.Secret, answer["code"].(string), answer["state"].(string)} {
		require.NotContains(t, log, secret)
	}
}
