package scalar_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/netflixathome/cinema/internal/scalar"
)

func TestLocale(t *testing.T) {
	for in, want := range map[string]string{
		"en": "en", "ru": "ru", "EN": "en", "iw": "he", "pt-br": "pt-BR", "zh-hant-tw": "zh-Hant-TW", "sr-Latn": "sr-Latn",
	} {
		got, err := scalar.UnmarshalLocale(in)
		require.NoError(t, err, in)
		require.Equal(t, want, got)
	}
	for _, bad := range []any{"", "x", "e1", "zz", "not a tag", "en-", 1, nil, "en-aaaaaaaa-bbbbbbbb-cccccccc-dddddddd"} {
		_, err := scalar.UnmarshalLocale(bad)
		require.Error(t, err, "%v", bad)
	}
}
