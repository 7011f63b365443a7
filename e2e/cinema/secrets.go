package cinema

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
)

// known are the secrets that the tests of this process have used or been given.
// Each program's log is searched for all of them when its test ends: whatever a
// story does, nothing that opens anything may be read afterwards.
var known = struct {
	sync.Mutex
	by map[string]string // what it is, by its text
}{by: map[string]string{}}

// shortestSecret keeps PINs and codes out, which are figures like others in a log.
const shortestSecret = 10

// note remembers a secret.
func note(what, secret string) {
	if len(secret) < shortestSecret {
		return
	}
	known.Lock()
	defer known.Unlock()
	known.by[secret] = what
}

// hiddenInput and hiddenOutput are the names of what must not be read in a log, of
// variables and of answers.
var (
	hiddenInput  = regexp.MustCompile(`(?i)^(password|newPassword|code|recoveryCode|ticket|setUp|token|key)$`)
	hiddenOutput = regexp.MustCompile(`^(accessToken|key|ticket|setUp|recoveryCodes|challenge)$`)
	hiddenEnv    = regexp.MustCompile(`_(PASSWORD|SECRET|KEY)=(.+)$`)
	userOfURL    = regexp.MustCompile(`://[^/@:]*:([^/@]+)@`)
)

// noteJSON remembers the secrets in a JSON text.
func noteJSON(what string, text []byte, hidden *regexp.Regexp) {
	var v any
	if json.Unmarshal(text, &v) == nil {
		noteIn(what, v, hidden, false)
	}
}

func noteIn(what string, v any, hidden *regexp.Regexp, secret bool) {
	switch v := v.(type) {
	case map[string]any:
		for name, one := range v {
			noteIn(what+"."+name, one, hidden, hidden.MatchString(name))
		}
	case []any:
		for _, one := range v {
			noteIn(what, one, hidden, secret)
		}
	case string:
		if secret {
			note(what, v)
		}
	}
}

// noteCookies remembers what a response sets.
func noteCookies(res *http.Response) {
	for _, c := range res.Cookies() {
		note("the cookie "+c.Name, c.Value)
	}
}

// noteEnv remembers the secrets among settings.
func noteEnv(env []string) {
	for _, one := range env {
		name, value, _ := strings.Cut(one, "=")
		if m := hiddenEnv.FindStringSubmatch(one); m != nil {
			note("the setting "+name, m[2])
		}
		for _, m := range userOfURL.FindAllStringSubmatch(value, -1) {
			note("the password in "+name, m[1])
		}
	}
}

// noteFolder remembers the secrets that a program has made in its data folder.
func noteFolder(dir string) {
	files, _ := filepath.Glob(filepath.Join(dir, "secrets", "*"))
	for _, path := range files {
		if text, err := os.ReadFile(path); err == nil {
			note("the file "+filepath.Base(path), strings.TrimSpace(string(text)))
		}
	}
}

// firstPassword is the one secret that is printed, once, for whoever starts it.
var firstPassword = regexp.MustCompile(`(?m)^  login \S+, password \S+$`)

// leaks says which secrets a log holds, and where, but not what they are.
func leaks(log string) []string {
	log = firstPassword.ReplaceAllString(log, "")
	known.Lock()
	defer known.Unlock()
	var found []string
	for secret, what := range known.by {
		if i := strings.Index(log, secret); i >= 0 {
			line, _, _ := strings.Cut(log[strings.LastIndexByte(log[:i], '\n')+1:], "\n")
			found = append(found, what+": "+tail(strings.ReplaceAll(line, secret, "<it>"), 400))
		}
	}
	return found
}
