package words

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// What is folded by the short way is what the long one makes of it.
func FuzzFold(f *testing.F) {
	for _, s := range []string{"", "Metropolis", "ЁЛКА и Йод", "Й", "1925", "Ёж's", "i\u0307", "и\u0306", "Méliès", "\xff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if plain(s) {
			require.Equal(t, foldAny(s), Fold(s))
		}
	})
}
