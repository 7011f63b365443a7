package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/coder/websocket/wsjson"
	"github.com/google/uuid"

	"github.com/netflixathome/cinema/e2e/cinema"
)

// person is somebody with an account, at an address of their own: limits are by
// address.
func person(t testing.TB, i *cinema.Instance, n int) *cinema.Client {
	c := i.Client()
	c.Header = map[string]string{"X-Forwarded-For": fmt.Sprintf("10.1.%d.%d", n/250, n%250+1)}
	c.SignUp(t, fmt.Sprintf("person%d", n), password)
	return c
}

// TestAccounts measures what accounts cost: tokens that nobody has seen before, a
// flood of sign-ins, and how soon an end of a session is known everywhere.
func TestAccounts(t *testing.T) {
	i, viewer, _ := seeded(t, "CINEMA_TRUSTED_PROXIES=127.0.0.1")
	people := make([]*cinema.Client, 40)
	for k := range people {
		people[k] = person(t, i, k)
	}
	t.Run("tokens", func(t *testing.T) { newTokens(t, i, people) })
	t.Run("flood", func(t *testing.T) { flood(t, i, people[:10]) })
	t.Run("ends", func(t *testing.T) { ends(t, i, viewer) })
}

// newTokens has the router check a token for the first time with each request.
func newTokens(t *testing.T, i *cinema.Instance, people []*cinema.Client) {
	const each = 100
	type token struct{ text, address string }
	var rate, cpu []float64
	for range repeats {
		tokens := make(chan token, each*len(people))
		var wg sync.WaitGroup
		for _, c := range people {
			wg.Go(func() {
				for range each {
					var out struct{ RefreshSession struct{ AccessToken string } }
					c.Must(t, &out, `mutation { refreshSession { accessToken } }`, nil)
					tokens <- token{out.RefreshSession.AccessToken, c.Header["X-Forwarded-For"]}
				}
			})
		}
		wg.Wait()
		close(tokens)
		tr := &http.Transport{MaxIdleConnsPerHost: 50}
		client := &http.Client{Transport: tr, Timeout: 30 * time.Second}
		before, began := cpuSeconds(i.Pid()), time.Now()
		for range 50 {
			wg.Go(func() {
				for k := range tokens {
					if err := asks(client, i.URL, `{"query":"{ __typename me { id } }"}`, k.text, k.address); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		wg.Wait()
		n := float64(each * len(people))
		rate = append(rate, n/time.Since(began).Seconds())
		cpu = append(cpu, (cpuSeconds(i.Pid())-before)*1000/n)
		tr.CloseIdleConnections()
	}
	report("requests with a new token each, 50 clients", "(≥ 2,000/s)", rate, "requests/s")
	report("requests with a new token each, CPU of cinema", "          ", cpu, "ms/request")
}

// asks sends one operation; an answer with an error is one.
func asks(client *http.Client, url, body, token, address string) error {
	req, err := http.NewRequest(http.MethodPost, url+"/graphql", strings.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Cinema-Client", "bench")
	req.Header.Set("X-Forwarded-For", address)
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err == nil && (res.StatusCode != http.StatusOK || bytes.Contains(b, []byte(`"errors"`))) {
		err = fmt.Errorf("%d %.200s", res.StatusCode, b)
	}
	return err
}

// flood compares the front page with and without 500 sign-ins under way, from as
// many addresses: each tried once, and then again and again without a pause, as
// no browser does it.
func flood(t *testing.T, i *cinema.Instance, viewers []*cinema.Client) {
	floodOf(t, i, viewers, "500 sign-ins at once", false)
	floodOf(t, i, viewers, "500 that sign in without a pause", true)
}

func floodOf(t *testing.T, i *cinema.Instance, viewers []*cinema.Client, what string, again bool) {
	var ratio, grown, tried, alone, with []float64
	for range repeats {
		for k, c := range viewers {
			c.SignIn(t, fmt.Sprintf("person%d", k), password)
		}
		calm, _ := homeLoad(t, viewers, 50, 10, time.Second)
		before, _ := resident(i.Pid())

		ctx, stop := context.WithCancel(t.Context())
		var attempts atomic.Int64
		var wg sync.WaitGroup
		tr := &http.Transport{MaxIdleConnsPerHost: 500}
		client := &http.Client{Transport: tr, Timeout: 30 * time.Second}
		for range 500 {
			wg.Go(func() {
				for first := true; ctx.Err() == nil && (first || again); first = false {
					n := attempts.Add(1)
					body := fmt.Sprintf(`{"query":"mutation { signIn(input: {login: \"nobody%d\", password: \"violet tractor 41\"}) { accessToken } }"}`, n)
					_ = asks(client, i.URL, body, "", fmt.Sprintf("10.%d.%d.%d", 2+n/62500%200, n/250%250, n%250+1))
				}
			})
		}
		most := before
		wg.Go(func() {
			for ctx.Err() == nil {
				if now, _ := resident(i.Pid()); now > most {
					most = now
				}
				time.Sleep(200 * time.Millisecond)
			}
		})
		began := time.Now()
		stormy, _ := homeLoad(t, viewers, 50, 10, time.Second)
		took := time.Since(began)
		stop()
		wg.Wait()
		tr.CloseIdleConnections()
		a, b := quantile(calm, 0.99), quantile(stormy, 0.99)
		alone, with, ratio = append(alone, a), append(with, b), append(ratio, b/a)
		grown = append(grown, most-before)
		tried = append(tried, float64(attempts.Load())/took.Seconds())
	}
	report("home, 50 clients, one a second each, p99", "          ", alone, "ms")
	report("the same with "+what+", p99", "          ", with, "ms")
	report("the one of the other", "(≤ 2)     ", ratio, "times")
	report("memory that "+what+" take", "(≤ 150 MB)", grown, "MB")
	report("sign-ins answered meanwhile, refused ones with them", "          ", tried, "a second")
}

// ends signs people out among 1,000 open subscriptions and measures when the API,
// the subscription and the film's address know.
func ends(t *testing.T, i *cinema.Instance, viewer *cinema.Client) {
	const open, out = 1000, 60
	film, _, ok := playableURL(t, viewer)
	if !ok {
		t.Fatal("no film can be played")
	}
	type session struct {
		c      *cinema.Client
		media  string
		closed chan time.Time
	}
	var all []*session
	for k := range open {
		c := i.Client()
		c.Header = map[string]string{"X-Forwarded-For": fmt.Sprintf("10.240.%d.%d", k/250, k%250+1)}
		c.SignIn(t, fmt.Sprintf("person%d", k%40), password)
		s := &session{c: c, closed: make(chan time.Time, 1)}
		if k < out {
			if _, s.media, ok = playableURL(t, c); !ok {
				t.Fatal("no film can be played")
			}
		}
		all = append(all, s)
	}
	// Opened once all are signed in: without heartbeats the cinema ends a viewing
	// session after 45 s.
	var wg sync.WaitGroup
	for n := range 8 {
		wg.Go(func() {
			for k := n; k < len(all); k += 8 {
				conn, err := watching(t, all[k].c, film)
				if err != nil {
					t.Error(err)
					return
				}
				go listen(conn, all[k].closed)
			}
		})
	}
	wg.Wait()
	var api, subscription, media []time.Duration
	client := &http.Client{Timeout: 10 * time.Second}
	for _, s := range all[:out] {
		token := s.c.Token
		began := time.Now()
		var wg sync.WaitGroup
		var refused, gone time.Duration
		s.c.Must(t, nil, `mutation { signOut { signedOut } }`, nil)
		wg.Go(func() {
			refused = when(began, func() bool { return asks(client, i.URL, `{"query":"{ me { id } }"}`, token, "10.250.0.1") != nil })
		})
		wg.Go(func() {
			gone = when(began, func() bool {
				res, err := client.Get(absolute(i.URL, s.media))
				if err != nil {
					return false
				}
				res.Body.Close()
				return res.StatusCode == http.StatusForbidden || res.StatusCode == http.StatusUnauthorized || res.StatusCode == http.StatusNotFound || res.StatusCode == http.StatusGone
			})
		})
		select {
		case at := <-s.closed:
			if at.Before(began) {
				t.Error("a subscription ended before it was to")
			}
			subscription = append(subscription, at.Sub(began))
		case <-time.After(20 * time.Second):
			t.Error("the subscription stays open")
		}
		wg.Wait()
		api, media = append(api, refused), append(media, gone)
	}
	for _, f := range []struct {
		name string
		ds   []time.Duration
	}{{"the API", api}, {"an open subscription", subscription}, {"a film's address", media}} {
		report("from signing out to its end for "+f.name+", p99, 1,000 open", "(≤ 1 s)   ", []float64{quantile(f.ds, 0.99)}, "ms")
	}
}

// listen reads until the connection or its subscription ends.
func listen(conn *websocket.Conn, closed chan<- time.Time) {
	defer conn.CloseNow()
	for {
		var m json.RawMessage
		if err := wsjson.Read(context.Background(), conn, &m); err != nil || bytes.Contains(m, []byte(`"complete"`)) || bytes.Contains(m, []byte(`"error"`)) {
			closed <- time.Now()
			return
		}
		if bytes.Contains(m, []byte(`"ping"`)) {
			_ = wsjson.Write(context.Background(), conn, map[string]any{"type": "pong"})
		}
	}
}

// when is how long it took from began until f holds.
func when(began time.Time, f func() bool) time.Duration {
	for time.Since(began) < 20*time.Second {
		if f() {
			break
		}
		time.Sleep(2 * time.Millisecond)
	}
	return time.Since(began)
}

func absolute(base, url string) string {
	if strings.HasPrefix(url, "/") {
		return base + url
	}
	return url
}

// watching opens a viewing session and waits for its first message.
func watching(t testing.TB, c *cinema.Client, film string) (*websocket.Conn, error) {
	header := http.Header{}
	for k, v := range c.Header {
		header.Set(k, v)
	}
	conn, _, err := websocket.Dial(t.Context(), "ws"+strings.TrimPrefix(c.URL, "http")+"/graphql", &websocket.DialOptions{
		Subprotocols: []string{"graphql-transport-ws"}, HTTPHeader: header,
	})
	if err != nil {
		return nil, err
	}
	for _, m := range []map[string]any{
		{"type": "connection_init", "payload": map[string]any{"authorization": "Bearer " + c.Token}},
		{"type": "subscribe", "id": "1", "payload": map[string]any{
			"query": `subscription($i: WatchInput!) { watch(input: $i) { __typename } }`,
			"variables": map[string]any{"i": map[string]any{
				"sessionUuid": uuid.Must(uuid.NewV7()), "playableId": film, "titleId": film, "durationMs": 60_000, "device": map[string]any{"kind": "desktop", "system": "Linux", "browser": "bench"},
			}},
		}},
	} {
		if err := wsjson.Write(t.Context(), conn, m); err != nil {
			return nil, err
		}
		var answer struct {
			Type    string
			Payload json.RawMessage
		}
		if err := wsjson.Read(t.Context(), conn, &answer); err != nil {
			return nil, err
		}
		if answer.Type != "connection_ack" && answer.Type != "next" || bytes.Contains(answer.Payload, []byte(`"errors"`)) {
			return nil, fmt.Errorf("%s %s", answer.Type, answer.Payload)
		}
	}
	return conn, nil
}
