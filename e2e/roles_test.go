package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/netflixathome/cinema/e2e/cinema"
)

const (
	giveRoles  = `mutation($id: ID!, $roles: [RoleName!]!) { updateUser(input: {id: $id, roles: $roles}) { user { roles } } }`
	makeRole   = `mutation($name: RoleName!, $p: [String!]!) { createRole(input: {name: $name, permissions: $p}) { role { name } } }`
	changeRole = `mutation($name: RoleName!, $p: [String!]!) { updateRole(input: {name: $name, permissions: $p}) { role { permissions } } }`
	dropUser   = `mutation($id: ID!) { deleteUser(input: {id: $id}) { deletedId } }`
	countUsers = `{ users { totalCount } }`
)

// renew goes on with the session by its cookie, as the web app does.
func renew(t testing.TB, c *cinema.Client) {
	t.Helper()
	c.Token = ""
	var out struct{ RefreshSession cinema.Session }
	c.Must(t, &out, `mutation { refreshSession { accessToken } }`, nil)
	c.Token = out.RefreshSession.AccessToken
}

// member signs one up, gives roles, and goes on with what they allow.
func member(t testing.TB, i *cinema.Instance, admin *cinema.Client, login string, roles ...string) (*cinema.Client, string) {
	t.Helper()
	c := i.Client()
	id := c.SignUp(t, login, password).User.ID
	if len(roles) > 0 {
		admin.Must(t, nil, giveRoles, map[string]any{"id": id, "roles": roles})
		renew(t, c)
	}
	return c, id
}

// reason is the code and the reason of the first error.
func reason(a *cinema.Answer) string {
	code := a.Code()
	if code != "" {
		if r, ok := a.Errors[0].Extensions["reason"].(string); ok {
			code += " " + r
		}
	}
	return code
}

func TestRolesAndAdministration(t *testing.T) {
	i := cinema.Start(t, cinema.Options{Demo: true})
	admin := i.Admin(t)
	viewer, viewerID := member(t, i, admin, "viewer")
	editor, editorID := member(t, i, admin, "editor", "EDITOR")
	nobody := i.Client()

	t.Run("whatever wants a permission is closed to a viewer, and to nobody", func(t *testing.T) {
		calls := restricted(t, admin)
		require.Greater(t, len(calls), 40)
		for name, document := range calls {
			require.Equal(t, "FORBIDDEN", viewer.Do(t, document, nil).Code(), name)
			require.Equal(t, "UNAUTHENTICATED", nobody.Do(t, document, nil).Code(), name)
		}
	})
	t.Run("one forbidden part of a batch of aliases stops all of it", func(t *testing.T) {
		a := viewer.Do(t, `mutation($id: ID!) {
			a: createProfile(input: {name: "Slipped in"}) { profile { id } }
			b: updateUser(input: {id: $id, roles: [ADMIN]}) { user { id } }
			c: updateUser(input: {id: $id, roles: [ADMIN]}) { user { id } } }`, map[string]any{"id": viewerID})
		require.Equal(t, "FORBIDDEN", a.Code())
		var out struct {
			Me struct {
				Roles    []string
				Profiles []struct{ Name string }
			}
		}
		viewer.Must(t, &out, `{ me { roles profiles { name } } }`, nil)
		require.Equal(t, []string{"VIEWER"}, out.Me.Roles)
		require.Len(t, out.Me.Profiles, 1)
	})
	t.Run("nobody makes themselves more than they are", func(t *testing.T) {
		require.Equal(t, "FORBIDDEN", editor.Do(t, giveRoles, map[string]any{"id": editorID, "roles": []string{"ADMIN"}}).Code())
		admin.Must(t, nil, makeRole, map[string]any{"name": "STAFF", "p": []string{"user:read", "user:write", "role:write"}})
		staff, staffID := member(t, i, admin, "staff", "STAFF")
		for _, c := range []struct {
			document string
			in       map[string]any
			want     string
		}{
			{giveRoles, map[string]any{"id": staffID, "roles": []string{"STAFF", "ADMIN"}}, "FORBIDDEN BEYOND_YOURS"},
			{giveRoles, map[string]any{"id": viewerID, "roles": []string{"EDITOR"}}, "FORBIDDEN BEYOND_YOURS"},
			{giveRoles, map[string]any{"id": editorID, "roles": []string{"VIEWER"}}, "FORBIDDEN ABOVE_YOU"},
			{dropUser, map[string]any{"id": editorID}, "FORBIDDEN ABOVE_YOU"},
			{changeRole, map[string]any{"name": "STAFF", "p": []string{"audit:read"}}, "FORBIDDEN BEYOND_YOURS"},
			{changeRole, map[string]any{"name": "ADMIN", "p": []string{}}, "CONFLICT ROLE_FIXED"},
			{makeRole, map[string]any{"name": "MINE", "p": []string{"title:write"}}, "FORBIDDEN BEYOND_YOURS"},
		} {
			require.Equal(t, c.want, reason(staff.Do(t, c.document, c.in)), "%v", c.in)
		}
	})
	t.Run("a change of a role counts at once and signs nobody out", func(t *testing.T) {
		admin.Must(t, nil, makeRole, map[string]any{"name": "HELPER", "p": []string{}})
		helper, _ := member(t, i, admin, "helper", "HELPER")
		require.Equal(t, "FORBIDDEN", helper.Do(t, countUsers, nil).Code())
		for _, c := range []struct {
			permissions []string
			code        string
		}{{[]string{"user:read"}, ""}, {[]string{}, "FORBIDDEN"}} {
			admin.Must(t, nil, changeRole, map[string]any{"name": "HELPER", "p": c.permissions})
			took := cinema.Eventually(t, 10*time.Second, func() error {
				if a := helper.Do(t, countUsers, nil); a.Code() != "UNAUTHENTICATED" {
					return fmt.Errorf("a token from before is still good: %v", a.Errors)
				}
				return nil
			})
			t.Logf("after %v tokens from before are refused", took)
			renew(t, helper)
			require.Equal(t, c.code, helper.Do(t, countUsers, nil).Code())
		}
	})
	t.Run("the log has it all", func(t *testing.T) {
		require.Equal(t, "FORBIDDEN", editor.Do(t, `{ audit { edges { cursor } } }`, nil).Code())
		var out struct {
			Audit struct {
				Edges []struct {
					Node struct {
						Action, Before, After string
						Actor                 struct{ Login string }
						Client                struct{ Address string }
					}
				}
			}
		}
		admin.Must(t, &out, `{ audit(filter: {target: "HELPER"}) { edges { node { action before after actor { login } client { address } } } } }`, nil)
		require.Len(t, out.Audit.Edges, 3)
		last := out.Audit.Edges[0].Node
		require.Equal(t, "role.update admin 127.0.0.1", fmt.Sprint(last.Action, " ", last.Actor.Login, " ", last.Client.Address))
		require.Contains(t, last.Before, "user:read")
		require.NotContains(t, last.After, "user:read")
	})
	t.Run("who is deleted leaves nothing behind", func(t *testing.T) {
		gone, goneID := member(t, i, admin, "gone")
		film := playable(t, gone)
		watch(t, i, gone, film, film.Playback.DurationMs/2)
		today := time.Now().UTC().Format(time.DateOnly)
		views := func() (n int) {
			var out struct{ TopTitles []struct{ Views int } }
			admin.Must(t, &out, `query($d: Date!) { topTitles(from: $d, to: $d, demo: false) { views } }`, map[string]any{"d": today})
			for _, title := range out.TopTitles {
				n += title.Views
			}
			return n
		}
		cinema.Eventually(t, 45*time.Second, func() error {
			if n := views(); n != 1 {
				return fmt.Errorf("%d views", n)
			}
			return nil
		})
		admin.Must(t, nil, dropUser, map[string]any{"id": goneID})
		cinema.Eventually(t, 10*time.Second, func() error {
			if a := gone.Do(t, `{ me { id } }`, nil); a.Code() != "UNAUTHENTICATED" {
				return fmt.Errorf("still signed in: %s", a.Data)
			}
			return nil
		})
		require.Equal(t, "UNAUTHENTICATED", i.Client().Do(t, `mutation { signIn(input: {login: "gone", password: "`+password+`"}) { expiresAt } }`, nil).Code())
		require.Equal(t, 1, views(), "that it was watched stays")
	})
	t.Run("of two admins who end each other one stays", func(t *testing.T) {
		second, secondID := member(t, i, admin, "second", "ADMIN")
		var me struct{ Me struct{ ID string } }
		admin.Must(t, &me, `{ me { id } }`, nil)
		var both sync.WaitGroup
		answers := make([]*cinema.Answer, 2)
		for n, c := range []struct {
			by    *cinema.Client
			other string
		}{{admin, secondID}, {second, me.Me.ID}} {
			both.Go(func() { answers[n] = c.by.Do(t, dropUser, map[string]any{"id": c.other}) })
		}
		both.Wait()
		won := 0
		for _, a := range answers {
			if len(a.Errors) == 0 {
				won++
			}
		}
		require.Equal(t, 1, won, "%v", answers)
	})
}

// Past the router the service decides for itself.
func TestTheAuthServiceIsNotOpenPastTheRouter(t *testing.T) {
	i := cinema.Start(t, cinema.Options{Env: []string{"CINEMA_TARGET=auth"}})
	admin := i.Admin(t)
	viewer, viewerID := member(t, i, admin, "viewer")
	id := `"` + viewerID + `"`
	for _, document := range []string{
		`mutation { updateUser(input: {id: ` + id + `, roles: [ADMIN]}) { user { id } } }`,
		`mutation { a: deleteUser(input: {id: ` + id + `}) { deletedId } b: deleteUser(input: {id: ` + id + `}) { deletedId } }`,
		`mutation { createRole(input: {name: "X1", permissions: []}) { role { name } } }`,
		`mutation { updateRole(input: {name: VIEWER, permissions: ["user:write"]}) { role { name } } }`,
		`mutation { deleteRole(input: {name: VIEWER}) { moved } }`,
		`mutation { deleteDemoUsers(input: {loginPrefix: "demo"}) { count } }`,
		countUsers, `{ user(id: ` + id + `) { id } }`, `{ roles { name } }`, `{ permissions { name } }`, `{ audit { edges { cursor } } }`,
	} {
		require.Equal(t, "FORBIDDEN", viewer.Do(t, document, nil).Code(), document)
		require.Equal(t, "UNAUTHENTICATED", i.Client().Do(t, document, nil).Code(), document)
	}
	viewer.Must(t, nil, `{ me { id } }`, nil)
}

var permissionRow = regexp.MustCompile("^\\| \\w+ \\| (query|mutation) \\| `(\\w+)` \\| `")

// restricted is a document for each query and mutation that wants a permission,
// by docs/permissions.md, with inputs that are of the right type and no sense.
func restricted(t *testing.T, c *cinema.Client) map[string]string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "docs", "permissions.md"))
	require.NoError(t, err)
	var out struct {
		Schema struct{ Types []typeInfo } `json:"__schema"`
	}
	const ref = `{ kind name ofType { kind name ofType { kind name ofType { kind name } } } }`
	c.Must(t, &out, `{ __schema { types { kind name enumValues { name } inputFields { name defaultValue type `+ref+` }
		fields { name args { name defaultValue type `+ref+` } type `+ref+` } } } }`, nil)
	types := map[string]typeInfo{}
	for _, info := range out.Schema.Types {
		types[info.Name] = info
	}
	documents := map[string]string{}
	for line := range strings.Lines(string(text)) {
		m := permissionRow.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		for _, f := range types[strings.ToUpper(m[1][:1])+m[1][1:]].Fields {
			if f.Name != m[2] {
				continue
			}
			var args []string
			for _, a := range f.Args {
				if a.Type.Kind == "NON_NULL" && a.DefaultValue == nil {
					args = append(args, a.Name+": "+literal(types, a.Type))
				}
			}
			document := m[1] + " { " + f.Name
			if len(args) > 0 {
				document += "(" + strings.Join(args, ", ") + ")"
			}
			if kind := types[f.Type.named()].Kind; kind == "OBJECT" || kind == "INTERFACE" {
				document += " { __typename }"
			}
			documents[f.Name] = document + " }"
		}
	}
	return documents
}

type typeInfo struct {
	Kind, Name  string
	EnumValues  []struct{ Name string }
	InputFields []argument
	Fields      []struct {
		Name string
		Args []argument
		Type typeRef
	}
}

type argument struct {
	Name         string
	DefaultValue *string
	Type         typeRef
}

type typeRef struct {
	Kind, Name string
	OfType     *typeRef
}

func (r typeRef) named() string {
	for r.OfType != nil {
		r = *r.OfType
	}
	return r.Name
}

// literal is a value of a type.
func literal(types map[string]typeInfo, r typeRef) string {
	switch r.Kind {
	case "NON_NULL":
		return literal(types, *r.OfType)
	case "LIST":
		return "[]"
	case "ENUM":
		return types[r.Name].EnumValues[0].Name
	case "INPUT_OBJECT":
		var fields []string
		for _, f := range types[r.Name].InputFields {
			if f.Type.Kind == "NON_NULL" && f.DefaultValue == nil {
				fields = append(fields, f.Name+": "+literal(types, f.Type))
			}
		}
		return "{" + strings.Join(fields, ", ") + "}"
	}
	values := map[string]any{
		"Int": 1, "Float": 1, "Boolean": true, "ID": "user_00000000000000000000000001", "Date": "2026-01-01", "DateTime": "2026-01-01T00:00:00.000Z",
		"Locale": "en", "UUID": "00000000-0000-7000-8000-000000000001", "Int64": 1, "RoleName": "VIEWER",
	}
	v, ok := values[r.Name]
	if !ok {
		v = "text"
	}
	b, _ := json.Marshal(v)
	return string(b)
}
