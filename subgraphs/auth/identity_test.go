package auth

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestOwnPath(t *testing.T) {
	for _, own := range []string{
		"/", "/account", "/title/film_01h455vb4pex5vsknk084sn02q", "/search?genre=drama&q=a%20b", "/admin/users", "/watch/x#t=10", "/account?x=https://evil.example",
	} {
		require.Equal(t, own, ownPath(own))
	}
	for _, other := range []string{
		"", "account", "//evil.example", "///evil.example", "/\\evil.example", "\\\\evil.example", "https://evil.example/account", "/https:evil.example",
		"javascript:alert(1)", "/account\n/x", "/account/../signin", "/%2e%2e/account", "/signin", "/signin/with/google", "/graphql", "/media/x", "/accounts",
		"/account//evil", "/%2f/evil.example", "/\t/evil.example", " /account", "/account\x00", "/account\xff", "@evil.example", "/title/%zz",
	} {
		require.Equal(t, "/", ownPath(other), "%q", other)
	}
}
