// Package cinema starts the built program as a stranger would, and speaks to
// it over HTTP alone.
package cinema

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/netflixathome/cinema/e2e/port"
)

// Binary is the program under test: CINEMA_BIN, else bin/cinema of this tree.
func Binary(t testing.TB) string {
	t.Helper()
	if b := os.Getenv("CINEMA_BIN"); b != "" {
		return b
	}
	b := filepath.Join(root(t), "bin", "cinema")
	if !exists(b) {
		t.Fatal("bin/cinema is not built: type make build")
	}
	return b
}

// root is the checkout that the tests run in.
func root(t testing.TB) string {
	t.Helper()
	for dir, _ := os.Getwd(); dir != "/"; dir = filepath.Dir(dir) {
		if exists(filepath.Join(dir, "go.work")) {
			return dir
		}
	}
	t.Fatal("the tests do not run inside a checkout")
	return ""
}

func exists(p string) bool { _, err := os.Stat(p); return err == nil }

// Instance is a running program.
type Instance struct {
	URL           string
	OpsURL        string
	Dir           string
	AdminPassword string
	Ready         time.Duration // from start to the ready line

	options Options
	cmd     *exec.Cmd
	mu      sync.Mutex
	log     bytes.Buffer
	done    chan struct{}
	err     error
}

// Options of Start.
type Options struct {
	Dir  string // data folder; empty: a new one
	Port string // of its address; empty: a free one
	Demo bool
	Env  []string
	Args []string
}

var (
	readyLine    = regexp.MustCompile(`NetflixAtHome is ready: (\S+)`)
	passwordLine = regexp.MustCompile(`login admin, password (\S+)`)
)

// Start runs the program until the test ends and waits for its ready line.
func Start(t testing.TB, o Options) *Instance {
	t.Helper()
	i, err := Try(t, o)
	if err != nil {
		t.Fatalf("start: %v\n%s", err, i.Log())
	}
	return i
}

// Try is Start for programs that may refuse to start.
func Try(t testing.TB, o Options) (*Instance, error) {
	t.Helper()
	if o.Dir == "" {
		o.Dir = t.TempDir()
	}
	public, ops := o.Port, freePort(t)
	if public == "" {
		public = freePort(t)
	}
	i := &Instance{
		URL: "http://127.0.0.1:" + public, OpsURL: "http://127.0.0.1:" + ops,
		Dir: o.Dir, done: make(chan struct{}), options: o,
	}
	i.options.Port = public
	i.cmd = exec.Command(Binary(t), o.Args...) //nolint:noctx // the tests end it in each of the ways they are about
	i.cmd.Env = append(os.Environ(),
		"CINEMA_DATA_DIR="+o.Dir, "CINEMA_LISTEN=127.0.0.1:"+public, "CINEMA_OPS_LISTEN=127.0.0.1:"+ops,
		fmt.Sprintf("CINEMA_DEMO=%v", o.Demo))
	i.cmd.Env = append(i.cmd.Env, o.Env...)
	out, err := i.cmd.StdoutPipe()
	if err != nil {
		return i, err
	}
	i.cmd.Stderr = i.cmd.Stdout
	began := time.Now()
	if err := i.cmd.Start(); err != nil {
		return i, err
	}
	ready := make(chan struct{})
	go func() {
		defer close(i.done)
		var once sync.Once
		lines := bufio.NewScanner(out)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			line := lines.Text()
			i.mu.Lock()
			i.log.WriteString(line + "\n")
			if m := passwordLine.FindStringSubmatch(line); m != nil {
				i.AdminPassword = m[1]
				note("the first administrator's password", m[1])
			}
			i.mu.Unlock()
			if readyLine.MatchString(line) {
				once.Do(func() { i.Ready = time.Since(began); close(ready) })
			}
		}
		i.err = i.cmd.Wait()
	}()
	noteEnv(i.cmd.Env)
	t.Cleanup(func() {
		i.Stop(t)
		noteFolder(i.Dir)
		for _, leak := range leaks(i.Log()) {
			t.Errorf("the program's log holds %s", leak)
		}
		if t.Failed() {
			t.Logf("the program's log, without its answers:\n%s", tail(withoutAnswers(i.Log()), 6000))
		}
	})
	select {
	case <-ready:
		return i, nil
	case <-i.done:
		return i, fmt.Errorf("it ended: %w", i.exit())
	case <-time.After(90 * time.Second):
		return i, errors.New("no ready line in 90 s")
	}
}

func (i *Instance) exit() error {
	if i.err == nil {
		return errors.New("exit 0")
	}
	return i.err
}

// ExitCode waits for the end and tells how it came.
func (i *Instance) ExitCode() int { <-i.done; return i.cmd.ProcessState.ExitCode() }

// Log is what the program has printed.
func (i *Instance) Log() string { i.mu.Lock(); defer i.mu.Unlock(); return i.log.String() }

// Pid is the program's process.
func (i *Instance) Pid() int { return i.cmd.Process.Pid }

// Again starts the program anew as it was, at its address and on its folder,
// after it has ended.
func (i *Instance) Again(t testing.TB) *Instance {
	t.Helper()
	select {
	case <-i.done:
	default:
		t.Fatal("the program still runs")
	}
	return Start(t, i.options)
}

// Kill is kill -9.
func (i *Instance) Kill() { _ = i.cmd.Process.Kill(); <-i.done }

// Stop asks the program to end and waits for it; twice is fine.
func (i *Instance) Stop(t testing.TB) {
	t.Helper()
	if i.cmd.Process == nil {
		return
	}
	select {
	case <-i.done:
		return
	default:
	}
	_ = i.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-i.done:
	case <-time.After(30 * time.Second):
		t.Errorf("the program did not end within 30 s of SIGTERM")
		i.Kill()
	}
}

func freePort(t testing.TB) string {
	t.Helper()
	n, err := port.Free()
	if err != nil {
		t.Fatal(err)
	}
	return strconv.Itoa(n)
}

func tail(s string, n int) string {
	if len(s) > n {
		return "…" + s[len(s)-n:]
	}
	return s
}

// Client is someone with a browser: a cookie jar and perhaps a token.
type Client struct {
	URL    string
	Token  string
	Header map[string]string // of every request, a WebSocket's too
	HTTP   *http.Client
}

// Client makes a new one.
func (i *Instance) Client() *Client {
	jar, _ := cookiejar.New(nil)
	return &Client{URL: i.URL, HTTP: &http.Client{Jar: jar, Timeout: 60 * time.Second}}
}

// Error is an entry of a GraphQL answer's errors.
type Error struct {
	Message    string         `json:"message"`
	Path       []any          `json:"path"`
	Extensions map[string]any `json:"extensions"`
}

// Answer is a GraphQL answer.
type Answer struct {
	Status int
	Data   json.RawMessage `json:"data"`
	Errors []Error         `json:"errors"`
}

// Code is the first error's extensions.code, or empty.
func (a *Answer) Code() string {
	if len(a.Errors) == 0 {
		return ""
	}
	c, _ := a.Errors[0].Extensions["code"].(string)
	return c
}

// Do sends one operation and returns whatever came back.
func (c *Client) Do(t testing.TB, query string, variables map[string]any) *Answer {
	t.Helper()
	body, _ := json.Marshal(map[string]any{"query": query, "variables": variables})
	res := c.Request(t, http.MethodPost, "/graphql", bytes.NewReader(body), map[string]string{"Content-Type": "application/json", "Accept": "application/json"})
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	if variables != nil {
		noteJSON("the variable", body, hiddenInput)
	}
	noteJSON("the answer", raw, hiddenOutput)
	a := &Answer{Status: res.StatusCode}
	if err := json.Unmarshal(raw, a); err != nil {
		t.Fatalf("status %d, not GraphQL: %.400s", res.StatusCode, raw)
	}
	return a
}

// Must sends one operation that has to succeed and decodes its data into out.
func (c *Client) Must(t testing.TB, out any, query string, variables map[string]any) {
	t.Helper()
	a := c.Do(t, query, variables)
	if len(a.Errors) > 0 {
		t.Fatalf("%.120s: %+v", strings.Join(strings.Fields(query), " "), a.Errors)
	}
	if out != nil {
		if err := json.Unmarshal(a.Data, out); err != nil {
			t.Fatalf("decode %s: %v", a.Data, err)
		}
	}
}

// Request sends any request with the client's token.
func (c *Client) Request(t testing.TB, method, path string, body io.Reader, header map[string]string) *http.Response {
	t.Helper()
	url := path
	if strings.HasPrefix(path, "/") {
		url = c.URL + path
	}
	req, err := http.NewRequestWithContext(context.Background(), method, url, body)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Cinema-Client", "e2e")
	for k, v := range c.Header {
		req.Header.Set(k, v)
	}
	if c.Token != "" {
		req.Header.Set("Authorization", "Bearer "+c.Token)
	}
	for k, v := range header {
		req.Header.Set(k, v)
	}
	res, err := c.HTTP.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	noteCookies(res)
	return res
}

// Get fetches a path and returns status and body.
func (c *Client) Get(t testing.TB, path string) (int, []byte) {
	t.Helper()
	res := c.Request(t, http.MethodGet, path, nil, nil)
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, b
}

// Session is what sign-up and sign-in answer.
type Session struct {
	AccessToken string
	User        struct{ ID, Login string }
	Profile     struct{ ID, Name string }
}

// SignUp makes an account and goes on as it.
func (c *Client) SignUp(t testing.TB, login, password string) Session {
	t.Helper()
	var out struct{ SignUp Session }
	c.Must(t, &out, `mutation($i: SignUpInput!) { signUp(input: $i) { accessToken user { id login } profile { id name } } }`,
		map[string]any{"i": map[string]any{"login": login, "password": password}})
	c.Token = out.SignUp.AccessToken
	return out.SignUp
}

// SignIn goes on as an account that is there.
func (c *Client) SignIn(t testing.TB, login, password string) Session {
	t.Helper()
	var out struct{ SignIn Session }
	c.Must(t, &out, `mutation($i: SignInInput!) { signIn(input: $i) { accessToken user { id login } profile { id name } } }`,
		map[string]any{"i": map[string]any{"login": login, "password": password}})
	c.Token = out.SignIn.AccessToken
	return out.SignIn
}

// Admin signs in with the password that the first start printed.
func (i *Instance) Admin(t testing.TB) *Client {
	t.Helper()
	c := i.Client()
	c.SignIn(t, "admin", i.AdminPassword)
	return c
}

// Eventually polls until f returns nil, at most for the duration.
func Eventually(t testing.TB, within time.Duration, f func() error) time.Duration {
	t.Helper()
	began := time.Now()
	var err error
	for time.Since(began) < within {
		if err = f(); err == nil {
			return time.Since(began)
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Fatalf("not within %v: %v", within, err)
	return 0
}

// withoutAnswers drops the lines of the access log.
func withoutAnswers(log string) string {
	var out strings.Builder
	for line := range strings.Lines(log) {
		if !strings.Contains(line, "msg=operation") {
			out.WriteString(line)
		}
	}
	return out.String()
}
