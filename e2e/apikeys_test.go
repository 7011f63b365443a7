package e2e

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/netflixathome/cinema/e2e/cinema"
)

const (
	makeKey = `mutation($i: CreateApiKeyInput!) { createApiKey(input: $i) { key apiKey { id hint } } }`
	dropKey = `mutation($id: ID!) { revokeApiKey(input: {id: $id}) { revokedId } }`
)

// program makes a key of the account and is a program that comes with it: no
// cookie, no header of the web app's.
func program(t testing.TB, i *cinema.Instance, owner *cinema.Client, scopes ...string) (*cinema.Client, string) {
	t.Helper()
	var out struct {
		CreateAPIKey struct {
			Key    string
			APIKey struct{ ID, Hint string }
		}
	}
	owner.Must(t, &out, makeKey, map[string]any{"i": map[string]any{
		"name": "e2e", "scopes": append([]string{}, scopes...), "expiresAt": time.Now().Add(time.Hour).UTC().Format(time.RFC3339)}})
	require.Regexp(t, `^cinema_[0-9A-Za-z]{49}$`, out.CreateAPIKey.Key)
	require.True(t, strings.HasPrefix(out.CreateAPIKey.Key, out.CreateAPIKey.APIKey.Hint))
	c := i.Client()
	c.Token = out.CreateAPIKey.Key
	return c, out.CreateAPIKey.APIKey.ID
}

// within is how soon what was taken away must be gone. It takes some 30 ms (make
// bench), which a busy machine may draw out; without the bus it would be the 15 s
// after which the list of what ended is read again.
const within = 5 * time.Second

func refused(t testing.TB, c *cinema.Client, query, code string) {
	t.Helper()
	cinema.Eventually(t, within, func() error {
		if got := c.Do(t, query, nil).Code(); got != code {
			return fmt.Errorf("%q, want %q", got, code)
		}
		return nil
	})
}

func TestAPIKeys(t *testing.T) {
	i := cinema.Start(t, cinema.Options{Demo: true})
	admin := i.Admin(t)
	const who = `{ me { login } }`

	t.Run("a program reads, writes and uploads what its key may", func(t *testing.T) {
		c, _ := program(t, i, admin, "title:read", "title:write", "upload:write")
		c.Must(t, nil, who, nil)
		var made struct {
			CreateTitle struct{ Record struct{ ID string } }
		}
		c.Must(t, &made, `mutation { createTitle(input: {kind: FILM, originalName: "By a program"}) { record { id } } }`, nil)
		upload(t, c, made.CreateTitle.Record.ID, "SOURCE", "film.mp4", homeFilm(t))
		require.Equal(t, "FORBIDDEN", c.Do(t, countUsers, nil).Code(), "the account may, the key may not")
		for _, q := range []string{
			`mutation { changePassword(input: {password: "` + i.AdminPassword + `", newPassword: "orange balloon 1977"}) { ended } }`,
			`mutation { confirmSignIn(input: {password: "` + i.AdminPassword + `"}) { accessToken } }`,
			`mutation { createApiKey(input: {name: "more", scopes: [], expiresAt: "2035-01-01T00:00:00Z"}) { key } }`,
			`mutation { beginTotp(input: {}) { key } }`, `mutation { endSessions(input: {}) { ended } }`, `{ me { factors { totp } } }`,
		} {
			require.Equal(t, "FORBIDDEN API_KEY", reason(c.Do(t, q, nil)), q)
		}
	})
	t.Run("what is no key is refused at the door", func(t *testing.T) {
		c, _ := program(t, i, admin)
		key := c.Token
		for _, wrong := range []string{key[:len(key)-1], key + "0", key[:len(key)-1] + "!", "cinema_", strings.Replace(key, "cinema_", "cinema-", 1), strings.Repeat("cinema_", 900)} {
			c.Token = wrong
			a := c.Do(t, who, nil)
			require.Equal(t, "UNAUTHENTICATED", a.Code(), wrong)
			res := c.Request(t, http.MethodPatch, "/uploads/1", strings.NewReader("x"), nil)
			_, _ = io.Copy(io.Discard, res.Body)
			res.Body.Close()
			require.Equal(t, 401, res.StatusCode)
		}
	})
	t.Run("revoked, what is open by it ends too", func(t *testing.T) {
		vera, _ := member(t, i, admin, "vera")
		c, id := program(t, i, vera)
		var list struct {
			Titles struct {
				Edges []struct{ Node struct{ ID string } }
			}
		}
		c.Must(t, &list, `{ titles(first: 1, filter: {playable: true, kinds: [FILM]}) { edges { node { id } } } }`, nil)
		film := list.Titles.Edges[0].Node.ID
		stream := overEvents(t, c, title{ID: film, Playback: &playback{DurationMs: 1000}})
		other, _ := member(t, i, admin, "other")
		require.Equal(t, "NOT_FOUND", other.Do(t, dropKey, map[string]any{"id": id}).Code())
		vera.Must(t, nil, dropKey, map[string]any{"id": id})
		haveEnded(t, 5*time.Second, stream)
		refused(t, c, who, "UNAUTHENTICATED")
		vera.Must(t, nil, who, nil)
	})
	t.Run("a key may no more than its account, whatever becomes of that", func(t *testing.T) {
		_, id := member(t, i, admin, "chief", "ADMIN")
		chief := i.Client()
		chief.SignIn(t, "chief", password)
		c, _ := program(t, i, chief, "user:read")
		c.Must(t, nil, countUsers, nil)
		admin.Must(t, nil, giveRoles, map[string]any{"id": id, "roles": []string{"VIEWER"}})
		refused(t, c, countUsers, "FORBIDDEN")
		c.Must(t, nil, who, nil)
		admin.Must(t, nil, `mutation($id: ID!) { updateUser(input: {id: $id, blocked: true}) { user { id } } }`, map[string]any{"id": id})
		refused(t, c, who, "UNAUTHENTICATED")

		_, id = member(t, i, admin, "leaver")
		leaver := i.Client()
		leaver.SignIn(t, "leaver", password)
		c, _ = program(t, i, leaver)
		c.Must(t, nil, who, nil)
		admin.Must(t, nil, dropUser, map[string]any{"id": id})
		refused(t, c, who, "UNAUTHENTICATED")
	})
	t.Run("keys are in the audit log, and in no other", func(t *testing.T) {
		var out struct {
			Audit struct {
				Edges []struct {
					Node struct{ Action, After string }
				}
			}
		}
		admin.Must(t, &out, `{ audit(first: 50, filter: {action: "key."}) { edges { node { action after } } } }`, nil)
		require.GreaterOrEqual(t, len(out.Audit.Edges), 6)
	})
}

// A new signing key by command: nobody notices.
func TestTheSigningKeyIsReplacedByCommand(t *testing.T) {
	i := cinema.Start(t, cinema.Options{})
	v := i.Client()
	v.SignUp(t, "viewer", password)
	for _, says := range []string{"Nobody is signed out.", "waits already"} {
		out, err := command(t, []string{"CINEMA_DATA_DIR=" + i.Dir}, "keys", "rotate")
		require.NoError(t, err, out)
		require.Contains(t, out, says)
	}
	v.Must(t, nil, `{ me { login } }`, nil)
	renew(t, v)
	v.Must(t, nil, `{ me { login } }`, nil)
}
