package main

import (
	"os"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/netflixathome/cinema/subgraphs/auth"
)

// Everything that can be asked for has a rule, and each permission that a rule
// names is one that the built-in roles know. The document is today's.
func TestEverythingHasARule(t *testing.T) {
	t.Chdir("../../..")
	var all []entry
	for _, name := range subgraphs {
		text, err := os.ReadFile("schema/" + name + ".graphqls")
		require.NoError(t, err)
		list, err := read(name, string(text))
		require.NoError(t, err)
		require.NotEmpty(t, list)
		all = append(all, list...)
	}
	require.Empty(t, faults(all))
	kept, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, table(all), string(kept), "run make generate")
}

// faults are what is open by mistake or closed to everyone.
func faults(all []entry) []string {
	var list []string
	admin := (&auth.Role{Name: auth.RoleAdmin}).Permissions()
	for _, e := range all {
		if e.rule == "" {
			list = append(list, e.name+" has no rule")
		}
		for _, scope := range e.scopes {
			if !slices.Contains(admin, scope) {
				list = append(list, e.name+" wants "+scope+", which no role has")
			}
		}
	}
	return list
}

func TestFaultsAreFound(t *testing.T) {
	list, err := read("x", `
		type Query {
			open: Int
			fine: Int @public
			mine: Int @authenticated
			strange: Int @requiresScopes(scopes: [["title:read", "god:mode"], ["user:read"]])
		}
		type Thing @key(fields: "id") { id: ID! secret: Int @requiresScopes(scopes: [["user:read"]]) }
		type Plain { id: ID! }`)
	require.NoError(t, err)
	require.Equal(t, []string{"open has no rule", "strange wants god:mode, which no role has", "Thing has no rule"}, faults(list))
	require.Contains(t, table(list), "| x | query | `strange` | `title:read` and `god:mode`, or `user:read` |")
	require.Contains(t, table(list), "| x | field | `Thing.secret` | `user:read` |")
	_, err = read("x", `type Query { both: Int @public @authenticated }`)
	require.ErrorContains(t, err, "both")
}
