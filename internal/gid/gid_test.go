package gid

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

// The pairs are from the TypeID specification's valid and invalid vectors.
func TestTypeIDVectors(t *testing.T) {
	for uid, suffix := range map[string]string{
		"00000000-0000-0000-0000-000000000001": "00000000000000000000000001",
		"01890a5d-ac96-774b-bcce-b302099a8057": "01h455vb4pex5vsknk084sn02q",
		"ffffffff-ffff-ffff-ffff-ffffffffffff": "7zzzzzzzzzzzzzzzzzzzzzzzzz",
	} {
		id := Of(Film, uuid.MustParse(uid))
		require.Equal(t, "film_"+suffix, id.String())
		back, err := Parse(id.String())
		require.NoError(t, err)
		require.Equal(t, id, back)
	}
	for _, bad := range []string{
		"", "film", "film_", "film_01h455vb4pex5vsknk084sn02", "film_8zzzzzzzzzzzzzzzzzzzzzzzzz",
		"film_01h455vb4pex5vsknk084sn0uq", "FILM_01h455vb4pex5vsknk084sn02q", "dog_01h455vb4pex5vsknk084sn02q",
		"film_01H455VB4PEX5VSKNK084SN02Q",
	} {
		_, err := Parse(bad)
		require.ErrorIs(t, err, ErrMalformed, bad)
	}
}

func FuzzParse(f *testing.F) {
	f.Add("film_01h455vb4pex5vsknk084sn02q")
	f.Fuzz(func(t *testing.T, s string) {
		id, err := Parse(s)
		if err == nil && id.String() != s {
			t.Fatalf("%q became %q", s, id.String())
		}
	})
}
