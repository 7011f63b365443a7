package resolver_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/netflixathome/cinema/internal/gid"
	"github.com/netflixathome/cinema/subgraphs/auth"
)

const (
	createRole = `mutation($name: RoleName!, $title: String, $permissions: [String!]!) { createRole(input: {name: $name, title: $title, permissions: $permissions}) { role { name title permissions builtIn fixed holders } } }`
	updateRole = `mutation($name: RoleName!, $title: String, $permissions: [String!]) { updateRole(input: {name: $name, title: $title, permissions: $permissions}) { role { permissions } } }`
	deleteRole = `mutation($name: RoleName!, $moveTo: RoleName) { deleteRole(input: {name: $name, moveTo: $moveTo}) { deletedName moved } }`
	deleteUser = `mutation($id: ID!) { deleteUser(input: {id: $id}) { deletedId } }`
	readAudit  = `query($f: AuditFilter, $first: Int, $after: String) { audit(filter: $f, first: $first, after: $after) { pageInfo { hasNextPage endCursor } edges { node { action target before after actor { login } person { login } client { address } } } } }`
)

// member signs one up and gives roles; it returns the account's id too.
func (w *world) member(admin *viewer, login string, roles ...string) (*viewer, string) {
	w.t.Helper()
	v := w.viewer()
	id := v.get(v.enter(signUp, creds(login, good)), "s", "user", "id").(string)
	if len(roles) > 0 {
		admin.must(updateUser, map[string]any{"id": id, "roles": roles})
		require.Empty(w.t, v.enter(refresh, nil).Errors)
	}
	return v, id
}

// stale waits until the token is refused while the session goes on.
func (v *viewer) stale() {
	v.w.t.Helper()
	require.Eventually(v.w.t, v.refused, 5*time.Second, time.Millisecond)
}

func TestRoles(t *testing.T) {
	w := newWorld(t)
	admin := w.admin()
	require.JSONEq(t, `{"roles":[
		{"name":"VIEWER","permissions":[],"builtIn":true,"fixed":false,"holders":0},
		{"name":"EDITOR","permissions":["title:read","title:write","upload:write"],"builtIn":true,"fixed":false,"holders":0},
		{"name":"ANALYST","permissions":["stats:read"],"builtIn":true,"fixed":false,"holders":0},
		{"name":"ADMIN","permissions":["audit:read","role:write","stats:read","title:read","title:write","upload:write","user:read","user:write"],"builtIn":true,"fixed":true,"holders":1}]}`,
		admin.must(`{ roles { name permissions builtIn fixed holders } }`, nil))
	require.JSONEq(t, `{"createRole":{"role":{"name":"HELP_DESK","title":"Help desk","permissions":["stats:read","user:read"],"builtIn":false,"fixed":false,"holders":0}}}`,
		admin.must(createRole, map[string]any{"name": "HELP_DESK", "title": " Help  desk ", "permissions": []string{"user:read", "stats:read", "user:read"}}))
	for _, c := range []struct {
		mutation string
		in       map[string]any
		want     string
	}{
		{createRole, map[string]any{"name": "HELP_DESK", "permissions": []string{}}, "CONFLICT ROLE_TAKEN input.name"},
		{createRole, map[string]any{"name": "ADMIN", "permissions": []string{}}, "CONFLICT ROLE_TAKEN input.name"},
		{createRole, map[string]any{"name": "help", "permissions": []string{}}, "INVALID input.name"},
		{createRole, map[string]any{"name": "H", "permissions": []string{}}, "INVALID input.name"},
		{createRole, map[string]any{"name": "H\u0000X", "permissions": []string{}}, "INVALID input.name"},
		{createRole, map[string]any{"name": "OTHER", "title": strings.Repeat("x", 41), "permissions": []string{}}, "INVALID input.title"},
		{createRole, map[string]any{"name": "OTHER", "permissions": []string{"god:mode"}}, "INVALID input.permissions"},
		{updateRole, map[string]any{"name": "ADMIN", "permissions": []string{}}, "CONFLICT ROLE_FIXED"},
		{updateRole, map[string]any{"name": "EDITOR", "title": "Boss"}, "CONFLICT ROLE_BUILT_IN"},
		{updateRole, map[string]any{"name": "NOWHERE", "title": "x"}, "NOT_FOUND input.name"},
		{deleteRole, map[string]any{"name": "EDITOR", "moveTo": "VIEWER"}, "CONFLICT ROLE_BUILT_IN"},
		{deleteRole, map[string]any{"name": "ADMIN"}, "CONFLICT ROLE_BUILT_IN"},
		{deleteRole, map[string]any{"name": "NOWHERE"}, "NOT_FOUND input.name"},
	} {
		require.Equal(t, c.want, admin.ask(c.mutation, c.in).code(), "%v", c.in)
	}

	bob, bobID := w.member(admin, "bob", "HELP_DESK")
	bob.must(`{ users { totalCount } }`, nil)
	require.Equal(t, "CONFLICT ROLE_IN_USE input.moveTo", admin.ask(deleteRole, map[string]any{"name": "HELP_DESK"}).code())
	require.Equal(t, "INVALID input.moveTo", admin.ask(deleteRole, map[string]any{"name": "HELP_DESK", "moveTo": "HELP_DESK"}).code())
	require.Equal(t, "NOT_FOUND input.moveTo", admin.ask(deleteRole, map[string]any{"name": "HELP_DESK", "moveTo": "NOWHERE"}).code())
	require.JSONEq(t, `{"deleteRole":{"deletedName":"HELP_DESK","moved":1}}`, admin.must(deleteRole, map[string]any{"name": "HELP_DESK", "moveTo": "VIEWER"}))
	bob.stale()
	require.Empty(t, bob.enter(refresh, nil).Errors)
	require.Equal(t, "FORBIDDEN", bob.ask(`{ users { totalCount } }`, nil).code())
	require.Contains(t, admin.must(`query($id: ID!) { user(id: $id) { roles } }`, map[string]any{"id": bobID}), `"roles":["VIEWER"]`)
	for _, name := range []string{"A1", "A2"} {
		admin.must(createRole, map[string]any{"name": name, "permissions": []string{}})
	}
	require.JSONEq(t, `{"deleteRole":{"deletedName":"A1","moved":0}}`, admin.must(deleteRole, map[string]any{"name": "A1"}))
}

// A right that a role gains is there with the next token and signs nobody out;
// one that it loses ends at once, in a second instance that the bus does not
// reach as well.
func TestAChangeOfARoleReachesItsHolders(t *testing.T) {
	w := newWorld(t)
	admin := w.admin()
	admin.must(createRole, map[string]any{"name": "HELP_DESK", "permissions": []string{}})
	bob, bobID := w.member(admin, "bob", "HELP_DESK")
	carol, _ := w.member(admin, "carol")
	ask := `{ users { totalCount } }`
	require.Equal(t, "FORBIDDEN", bob.ask(ask, nil).code())

	admin.must(updateRole, map[string]any{"name": "HELP_DESK", "permissions": []string{"user:read"}})
	bob.stale()
	require.Empty(t, bob.enter(refresh, nil).Errors, "nobody is signed out")
	bob.must(ask, nil)
	carol.must(me, nil)
	admin.must(me, nil)

	admin.must(updateRole, map[string]any{"name": "HELP_DESK", "title": "Help"})
	bob.must(ask, nil)
	list, err := w.accounts.Revocations(t.Context())
	require.NoError(t, err)
	before := len(list)

	admin.must(updateRole, map[string]any{"name": "HELP_DESK", "permissions": []string{}})
	bob.stale()
	list, err = w.accounts.Revocations(t.Context())
	require.NoError(t, err)
	require.Len(t, list, before+1, "what the bus loses is on the list")
	last := list[len(list)-1]
	require.Equal(t, "HELP_DESK", last.Role)
	require.True(t, last.Lost)
	require.Empty(t, bob.enter(refresh, nil).Errors)
	require.Equal(t, "FORBIDDEN", bob.ask(ask, nil).code())

	// A child's profile has no rights to lose, and its token is good for the rest.
	admin.must(updateUser, map[string]any{"id": bobID, "roles": []string{"VIEWER"}})
	bob.stale()
	require.Empty(t, bob.enter(refresh, nil).Errors)
	bob.must(me, nil)
}

func TestNobodyGivesWhatTheyDoNotHave(t *testing.T) {
	w := newWorld(t)
	admin := w.admin()
	adminID := admin.get(admin.ask(me, nil), "me", "id").(string)
	admin.must(createRole, map[string]any{"name": "STAFF", "permissions": []string{"user:read", "user:write", "role:write"}})
	staff, staffID := w.member(admin, "staff", "STAFF")
	viewer, viewerID := w.member(admin, "viewer")
	_, editorID := w.member(admin, "editor", "EDITOR")

	for _, c := range []struct {
		mutation string
		in       map[string]any
		want     string
	}{
		{updateUser, map[string]any{"id": staffID, "roles": []string{"STAFF", "ADMIN"}}, "FORBIDDEN BEYOND_YOURS input.roles"},
		{updateUser, map[string]any{"id": viewerID, "roles": []string{"EDITOR"}}, "FORBIDDEN BEYOND_YOURS input.roles"},
		{updateUser, map[string]any{"id": editorID, "roles": []string{"VIEWER"}}, "FORBIDDEN ABOVE_YOU"},
		{updateUser, map[string]any{"id": adminID, "blocked": true}, "FORBIDDEN ABOVE_YOU"},
		{updateUser, map[string]any{"id": staffID, "blocked": true}, "CONFLICT YOURSELF"},
		{deleteUser, map[string]any{"id": adminID}, "FORBIDDEN ABOVE_YOU"},
		{deleteUser, map[string]any{"id": staffID}, "CONFLICT YOURSELF"},
		{endAll, map[string]any{"user": adminID}, "FORBIDDEN ABOVE_YOU"},
		{createRole, map[string]any{"name": "MINE", "permissions": []string{"user:read", "stats:read"}}, "FORBIDDEN BEYOND_YOURS input.permissions"},
		{updateRole, map[string]any{"name": "STAFF", "permissions": []string{"user:read", "audit:read"}}, "FORBIDDEN BEYOND_YOURS input.permissions"},
		{updateRole, map[string]any{"name": "EDITOR", "permissions": []string{}}, "FORBIDDEN BEYOND_YOURS"},
		{updateRole, map[string]any{"name": "VIEWER", "permissions": []string{"title:write"}}, "FORBIDDEN BEYOND_YOURS input.permissions"},
	} {
		require.Equal(t, c.want, staff.ask(c.mutation, c.in).code(), "%v", c.in)
	}
	// What they hold they may hand on.
	staff.must(createRole, map[string]any{"name": "READER", "permissions": []string{"user:read"}})
	staff.must(updateUser, map[string]any{"id": viewerID, "roles": []string{"READER", "VIEWER"}})
	require.Equal(t, "FORBIDDEN BEYOND_YOURS input.moveTo", staff.ask(deleteRole, map[string]any{"name": "READER", "moveTo": "EDITOR"}).code())
	staff.must(deleteRole, map[string]any{"name": "READER", "moveTo": "VIEWER"})
	require.Empty(t, viewer.enter(refresh, nil).Errors)

	// A child's profile of an administrator is no administrator.
	kid := admin.get(admin.ask(`mutation { createProfile(input: {name: "Kid", child: true}) { profile { id } } }`, nil), "createProfile", "profile", "id")
	admin.enter(`mutation { s: switchProfile(input: {profileId: "`+kid.(string)+`"}) `+session+` }`, nil)
	require.Equal(t, "FORBIDDEN", admin.ask(updateUser, map[string]any{"id": viewerID, "roles": []string{"EDITOR"}}).code())
}

func TestAUserHoldsAFewRoles(t *testing.T) {
	w := newWorld(t)
	admin := w.admin()
	_, id := w.member(admin, "ann")
	var names []string
	for i := range auth.MaxRolesOfUser + 1 {
		names = append(names, fmt.Sprintf("A_ROLE_WITH_A_NAME_AS_LONG_AS_%d", i))
		admin.must(createRole, map[string]any{"name": names[i], "permissions": []string{"user:read"}})
	}
	require.Equal(t, "INVALID input.roles", admin.ask(updateUser, map[string]any{"id": id, "roles": names}).code())
	ann := w.viewer()
	admin.must(updateUser, map[string]any{"id": id, "roles": names[:auth.MaxRolesOfUser]})
	require.Empty(t, ann.enter(signIn, creds("ann", good)).Errors)
	ann.must(`{ users { totalCount } }`, nil)
}

// Two admins delete, block or demote each other at the same moment: one stays.
func TestTheLastAdminInARace(t *testing.T) {
	for name, act := range map[string]func(v *viewer, other string) *answer{
		"demote": func(v *viewer, other string) *answer {
			return v.ask(updateUser, map[string]any{"id": other, "roles": []string{"VIEWER"}})
		},
		"block": func(v *viewer, other string) *answer {
			return v.ask(updateUser, map[string]any{"id": other, "blocked": true})
		},
		"delete": func(v *viewer, other string) *answer { return v.ask(deleteUser, map[string]any{"id": other}) },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			admin := w.admin()
			second, secondID := w.member(admin, "second", "ADMIN")
			first := admin.get(admin.ask(me, nil), "me", "id").(string)
			var both sync.WaitGroup
			var mu sync.Mutex
			done := 0
			for v, other := range map[*viewer]string{admin: secondID, second: first} {
				both.Go(func() {
					if a := act(v, other); len(a.Errors) == 0 {
						mu.Lock()
						defer mu.Unlock()
						done++
					}
				})
			}
			both.Wait()
			require.Equal(t, 1, done)
			var left int
			require.NoError(t, w.pool.QueryRow(t.Context(), `SELECT count(*) FROM account WHERE 'ADMIN' = ANY (roles) AND NOT blocked`).Scan(&left))
			require.Equal(t, 1, left)
		})
	}
}

func TestDeleteUser(t *testing.T) {
	w := newWorld(t)
	admin := w.admin()
	adminID := admin.get(admin.ask(me, nil), "me", "id").(string)
	ann, id := w.member(admin, "ann")
	profile := ann.get(ann.ask(`mutation { createProfile(input: {name: "Kid"}) { profile { id } } }`, nil), "createProfile", "profile", "id").(string)
	ann.must(`mutation($id: ID!) { deleteProfile(input: {id: $id}) { deletedId } }`, map[string]any{"id": profile})
	require.Equal(t, "CONFLICT LAST_ADMIN", admin.ask(deleteUser, map[string]any{"id": adminID}).code())
	require.Equal(t, "NOT_FOUND input.id", admin.ask(deleteUser, map[string]any{"id": profile}).code())

	admin.must(deleteUser, map[string]any{"id": id})
	ann.refusedSoon()
	require.Equal(t, "UNAUTHENTICATED NO_SESSION", ann.enter(refresh, nil).code())
	require.Equal(t, "UNAUTHENTICATED WRONG_CREDENTIALS", ann.enter(signIn, creds("ann", good)).code())
	require.Equal(t, "NOT_FOUND input.id", admin.ask(deleteUser, map[string]any{"id": id}).code(), "twice is once")
	for _, table := range []string{"profile", "session", "sign_in"} {
		var n int
		require.NoError(t, w.pool.QueryRow(t.Context(), `SELECT count(*) FROM `+table+` WHERE account_id NOT IN (SELECT id FROM account)`).Scan(&n))
		require.Zero(t, n, table)
	}

	// The profile that went alone, then the account with its other one.
	rec := httptest.NewRecorder()
	w.handler.ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/gone-profiles.json?at=1970-01-01T00:00:00Z&id="+uuid.Nil.String(), nil))
	var list []auth.GoneProfile
	require.NoError(t, json.Unmarshal(rec.Body.Bytes(), &list))
	require.Len(t, list, 2)
	require.Equal(t, uuid.Nil, list[0].AccountID)
	require.NotEqual(t, list[0].ID, list[1].ID)
	deleted, err := gid.Parse(id)
	require.NoError(t, err)
	require.Equal(t, deleted.UUID, list[1].AccountID)

	// The log tells that an account was deleted, and keeps no name of it.
	text := admin.must(readAudit, map[string]any{"f": map[string]any{"target": id}})
	require.Contains(t, text, `"action":"user.delete"`)
	require.Contains(t, text, `"person":{"login":null}`)
	var kept string
	require.NoError(t, w.pool.QueryRow(t.Context(), `SELECT coalesce(string_agg(audit::text, ' '), '') FROM audit`).Scan(&kept))
	require.NotContains(t, kept, "ann")
}

func TestAudit(t *testing.T) {
	w := newWorld(t)
	admin := w.admin()
	adminID := admin.get(admin.ask(me, nil), "me", "id").(string)
	admin.address = "198.51.100.4"
	start := w.clock.now()
	w.clock.add(time.Second)
	ann, annID := w.member(admin, "ann", "EDITOR")
	w.clock.add(time.Second)
	admin.must(createRole, map[string]any{"name": "HELP_DESK", "permissions": []string{"user:read"}})
	admin.must(updateRole, map[string]any{"name": "HELP_DESK", "permissions": []string{"stats:read"}})
	middle := w.clock.now().Add(500 * time.Millisecond)
	w.clock.add(time.Second)
	admin.must(updateUser, map[string]any{"id": annID, "blocked": true})
	admin.must(updateUser, map[string]any{"id": annID, "blocked": true}) // changes nothing
	admin.must(updateUser, map[string]any{"id": annID, "blocked": false})
	admin.must(deleteRole, map[string]any{"name": "HELP_DESK"})
	require.Equal(t, "CONFLICT LAST_ADMIN", admin.ask(updateUser, map[string]any{"id": adminID, "roles": []string{"VIEWER"}}).code())
	password, err := w.accounts.ResetPassword(t.Context(), "ann")
	require.NoError(t, err)
	require.Empty(t, ann.enter(signIn, creds("ann", password)).Errors)
	require.JSONEq(t, `{"endSessions":{"ended":1,"user":{"login":"ann"}}}`, admin.must(endAll, map[string]any{"user": annID}))

	actions := func(filter map[string]any) (list []string) {
		t.Helper()
		var out struct {
			Audit struct {
				Edges []struct{ Node struct{ Action string } }
			}
		}
		require.NoError(t, json.Unmarshal([]byte(admin.must(readAudit, map[string]any{"f": filter})), &out))
		for _, e := range out.Audit.Edges {
			list = append(list, e.Node.Action)
		}
		return list
	}
	all := []string{"user.sign_out", "user.reset_password", "role.delete", "user.unblock", "user.block", "role.update", "role.create", "user.roles"}
	require.Equal(t, all, actions(nil), "what was refused or changed nothing is not there")
	require.Equal(t, []string{"user.sign_out", "user.reset_password", "user.unblock", "user.block", "user.roles"}, actions(map[string]any{"target": "ann"}))
	require.Equal(t, actions(map[string]any{"target": "ann"}), actions(map[string]any{"action": "user.", "target": annID}))
	require.Equal(t, []string{"role.delete", "role.update", "role.create"}, actions(map[string]any{"target": "HELP_DESK"}))
	require.Equal(t, []string{"user.reset_password"}, actions(map[string]any{"actor": "operator"}))
	require.Len(t, actions(map[string]any{"actor": "Admin"}), 7)
	require.Len(t, actions(map[string]any{"actor": adminID, "action": "user.block"}), 1)
	require.Empty(t, actions(map[string]any{"actor": "nobody"}))
	require.Equal(t, []string{"role.update", "role.create", "user.roles"}, actions(map[string]any{"from": start, "to": middle}))
	for _, bad := range []map[string]any{{"f": map[string]any{"action": "x'; DROP TABLE audit"}}, {"first": 0}, {"first": 101}, {"after": "x"}} {
		require.Equal(t, "INVALID", strings.Fields(admin.ask(readAudit, bad).code())[0], "%v", bad)
	}

	var cursor any
	var paged []string
	for range len(all) {
		a := admin.ask(readAudit, map[string]any{"first": 1, "after": cursor})
		for _, e := range admin.get(a, "audit", "edges").([]any) {
			paged = append(paged, e.(map[string]any)["node"].(map[string]any)["action"].(string))
		}
		cursor = admin.get(a, "audit", "pageInfo", "endCursor")
	}
	require.Equal(t, all, paged)

	text := admin.must(readAudit, map[string]any{"f": map[string]any{"action": "user.roles"}})
	require.JSONEq(t, `{"audit":{"pageInfo":{"hasNextPage":false,"endCursor":`+jsonOf(t, admin, text)+`},"edges":[{"node":{
		"action":"user.roles","target":"`+annID+`","before":"{\"roles\": [\"VIEWER\"]}","after":"{\"roles\": [\"EDITOR\"]}",
		"actor":{"login":"admin"},"person":{"login":"ann"},"client":{"address":"198.51.100.4"}}}]}}`, text)
	require.Contains(t, admin.must(readAudit, map[string]any{"f": map[string]any{"action": "role.update"}}), `stats:read`)

	// What the log is for must be kept even from those who administer accounts.
	require.Empty(t, ann.enter(signIn, creds("ann", password)).Errors)
	require.Equal(t, "FORBIDDEN", ann.ask(`{ audit { edges { cursor } } }`, nil).code())
	var kept string
	require.NoError(t, w.pool.QueryRow(t.Context(), `SELECT string_agg(audit::text, ' ') FROM audit`).Scan(&kept))
	for _, secret := range []string{password, good, admin.token, admin.cookie} {
		require.NotContains(t, kept, secret)
	}
}

func jsonOf(t *testing.T, v *viewer, text string) string {
	t.Helper()
	var out struct {
		Audit struct{ PageInfo struct{ EndCursor string } }
	}
	require.NoError(t, json.Unmarshal([]byte(text), &out))
	b, err := json.Marshal(out.Audit.PageInfo.EndCursor)
	require.NoError(t, err)
	return string(b)
}

// A change whose line of the log cannot be written does not happen.
func TestChangeAndAuditAreOne(t *testing.T) {
	w := newWorld(t)
	admin := w.admin()
	ann, id := w.member(admin, "ann")
	_, err := w.pool.Exec(t.Context(), `ALTER TABLE audit ADD CONSTRAINT full_disk CHECK (action <> 'user.block')`)
	require.NoError(t, err)
	require.Equal(t, "INTERNAL", admin.ask(updateUser, map[string]any{"id": id, "blocked": true}).code())
	ann.must(me, nil)
	require.Contains(t, admin.must(`query($id: ID!) { user(id: $id) { blocked } }`, map[string]any{"id": id}), "false")
}

func TestUsersAreFiltered(t *testing.T) {
	w := newWorld(t)
	admin := w.admin()
	w.demo("asleep", "Asleep", w.clock.now().Add(-time.Hour))
	w.clock.add(time.Minute)
	_, annID := w.member(admin, "ann", "EDITOR")
	w.clock.add(time.Minute)
	bob, _ := w.member(admin, "bob")
	w.clock.add(16 * time.Minute)
	require.Empty(t, admin.enter(refresh, nil).Errors)
	w.clock.add(16 * time.Minute)
	require.Empty(t, bob.enter(refresh, nil).Errors)
	require.Empty(t, admin.enter(refresh, nil).Errors)
	id, err := gid.Parse(annID)
	require.NoError(t, err)
	yes := true
	_, err = w.accounts.UpdateUser(t.Context(), auth.Actor{}, id, nil, &yes)
	require.NoError(t, err)

	list := func(args string) (logins []string) {
		t.Helper()
		a := admin.ask(`{ users`+args+` { edges { cursor node { login lastSeenAt } } } }`, nil)
		for _, e := range admin.get(a, "users", "edges").([]any) {
			logins = append(logins, e.(map[string]any)["node"].(map[string]any)["login"].(string))
		}
		return logins
	}
	require.Equal(t, []string{"bob", "ann", "admin", "asleep"}, list(""))
	require.Equal(t, []string{"ann"}, list("(role: EDITOR)"))
	require.Equal(t, []string{"bob", "asleep"}, list(`(role: "VIEWER")`), "a name is a text or a word")
	require.Equal(t, []string{"ann"}, list("(blocked: true)"))
	require.Equal(t, []string{"bob"}, list(`(blocked: false, role: VIEWER, query: "b")`))
	require.Empty(t, list("(role: NOWHERE)"))
	seen := list("(sort: LAST_SEEN)")
	require.ElementsMatch(t, []string{"bob", "admin"}, seen[:2])
	require.Equal(t, []string{"ann", "asleep"}, seen[2:])
	page := admin.get(admin.ask(`{ users(sort: LAST_SEEN, first: 3) { pageInfo { endCursor } } }`, nil), "users", "pageInfo", "endCursor").(string)
	require.Equal(t, []string{"asleep"}, list(`(sort: LAST_SEEN, after: "`+page+`")`))
}
