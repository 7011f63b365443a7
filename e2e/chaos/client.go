package chaos

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"
)

// client is someone with a browser, who gives no request up for ten seconds.
type client struct {
	front    string
	address  string // where it says that it comes from; limits are by address
	login    string
	password string
	http     *http.Client

	mu    sync.Mutex
	token string
	until time.Time // when the token should be a new one
}

const patience = 10 * time.Second

var transport = &http.Transport{MaxIdleConnsPerHost: 64, IdleConnTimeout: time.Minute}

func newClient(front, login string, n int) *client {
	return &client{
		front: front, login: login, password: "correct horse battery",
		address: fmt.Sprintf("10.9.%d.%d", n/250, n%250+1),
		http:    &http.Client{Transport: transport, Timeout: patience},
	}
}

// fault is what the cinema said instead of an answer.
type fault struct{ code, reason, message string }

func (f *fault) Error() string { return f.code + " " + f.reason + ": " + f.message }

func codeOf(err error) string {
	var f *fault
	if errors.As(err, &f) {
		return f.code
	}
	return ""
}

func (c *client) ask(ctx context.Context, out any, query string, variables map[string]any) error {
	body, err := json.Marshal(map[string]any{"query": query, "variables": variables})
	if err != nil {
		return err
	}
	c.mu.Lock()
	token := c.token
	c.mu.Unlock()
	raw, status, err := c.request(ctx, http.MethodPost, "/graphql", body, token)
	if err != nil {
		return err
	}
	var answer struct {
		Data   json.RawMessage
		Errors []struct {
			Message    string
			Extensions struct{ Code, Reason string }
		}
	}
	if err := json.Unmarshal(raw, &answer); err != nil {
		return fmt.Errorf("status %d: %.100q", status, raw)
	}
	if len(answer.Errors) > 0 {
		e := answer.Errors[0]
		return &fault{e.Extensions.Code, e.Extensions.Reason, e.Message}
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(answer.Data, out)
}

func (c *client) request(ctx context.Context, method, path string, body []byte, token string) ([]byte, int, error) {
	req, err := http.NewRequestWithContext(ctx, method, c.front+path, bytes.NewReader(body))
	if err != nil {
		return nil, 0, err
	}
	req.Header.Set("X-Cinema-Client", "chaos")
	req.Header.Set("X-Forwarded-For", c.address)
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Accept", "application/json")
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	res, err := c.http.Do(req)
	if err != nil {
		return nil, 0, err
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	return raw, res.StatusCode, err
}

func (c *client) get(ctx context.Context, path string) ([]byte, error) {
	raw, status, err := c.request(ctx, http.MethodGet, path, nil, "")
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("%s: status %d", path, status)
	}
	return raw, err
}

type session struct {
	AccessToken string
	User        struct{ ID string }
	Profile     struct{ ID string }
}

const sessionFields = `{ accessToken user { id } profile { id } }`

func (c *client) signUp(ctx context.Context) (session, error) {
	var out struct{ SignUp session }
	err := c.ask(ctx, &out, `mutation($i: SignUpInput!) { signUp(input: $i) `+sessionFields+` }`, c.credentials())
	return out.SignUp, c.become(out.SignUp, err)
}

func (c *client) signIn(ctx context.Context) (session, error) {
	var out struct{ SignIn session }
	err := c.ask(ctx, &out, `mutation($i: SignInInput!) { signIn(input: $i) `+sessionFields+` }`, c.credentials())
	return out.SignIn, c.become(out.SignIn, err)
}

func (c *client) credentials() map[string]any {
	return map[string]any{"i": map[string]any{"login": c.login, "password": c.password}}
}

func (c *client) become(s session, err error) error {
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.token, c.until = s.AccessToken, time.Now().Add(3*time.Minute)
	return nil
}

// fresh signs in again before the token ends.
func (c *client) fresh(ctx context.Context) {
	c.mu.Lock()
	due := time.Now().After(c.until)
	if due {
		c.until = time.Now().Add(5 * time.Second) // others go on with the old one meanwhile
	}
	c.mu.Unlock()
	if due {
		_, _ = c.signIn(ctx) // tried again in five seconds
	}
}

func (c *client) socket() (url, token string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return "ws" + strings.TrimPrefix(c.front, "http") + "/graphql", c.token
}
