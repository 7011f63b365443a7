package cinema

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Whatever a story uses is looked for, and the one line that is for people is not
// taken for a leak.
func TestALeakIsFound(t *testing.T) {
	noteJSON("the variable", []byte(`{"variables":{"i":{"login":"somebody-by-name","password":"leak-password-1"}}}`), hiddenInput)
	noteJSON("the answer", []byte(`{"data":{"signIn":{"accessToken":"leak-token-22","name":"no-secret-here"},"f":{"recoveryCodes":["leak-code-333"]},"k":{"key":"leak-key-4444"}}}`), hiddenOutput)
	noteCookies(&http.Response{Header: http.Header{"Set-Cookie": {"cinema_refresh=leak-cookie-5; Path=/"}}})
	noteEnv([]string{"CINEMA_TRACE_KEY=leak-setting-6", "CINEMA_REDIS_URL=redis://:leak-store-77@redis:6379", "CINEMA_BACKUP_TO=/mnt/some-folder-8"})
	dir := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(dir, "secrets"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "secrets", "auth"), []byte("leak-file-8888\n"), 0o600))
	noteFolder(dir)
	for _, secret := range []string{
		"leak-password-1", "leak-token-22", "leak-code-333", "leak-key-4444", "leak-cookie-5", "leak-setting-6", "leak-store-77", "leak-file-8888",
	} {
		found := leaks("level=INFO msg=before\nlevel=WARN msg=\"it is " + secret + "\" n=1\nlevel=INFO msg=after\n")
		require.Len(t, found, 1, secret)
		require.Contains(t, found[0], `level=WARN msg="it is <it>" n=1`)
		require.NotContains(t, found[0], secret)
	}
	note("the first administrator's password", "leak-first-999")
	require.Empty(t, leaks("This is the first start.\n  login admin, password leak-first-999\n"))
	require.Len(t, leaks("level=INFO msg=\"login admin, password leak-first-999\""), 1)
	require.Empty(t, leaks("somebody-by-name no-secret-here /mnt/some-folder-8 "+strings.Repeat("x", 100)))
}
