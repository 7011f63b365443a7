package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/netflixathome/cinema/e2e/cinema"
)

// TestReal measures what only `make bench-real` has: a cluster on real servers.
// It is one for all, for the servers keep what the first left, and only the
// first is told the admin's password.
func TestReal(t *testing.T) {
	if os.Getenv("CINEMA_TEST_REAL") == "" {
		t.Skip("needs the real servers: make bench-real")
	}
	cluster := cinema.StartCluster(t)
	t.Run("instances", func(t *testing.T) { instances(t, cluster) })
	t.Run("recovery", func(t *testing.T) { recovery(t, cluster) })
}

// ask sends an operation and returns why it did not succeed, whatever it was.
func ask(c *cinema.Client, out any, query string, variables map[string]any, header ...string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	body, err := json.Marshal(map[string]any{"query": query, "variables": variables})
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.URL+"/graphql", bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Cinema-Client", "e2e")
	if c.Token != "" {
		req.Header.Set("Authorization", "Bearer "+c.Token)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := c.HTTP.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	var a cinema.Answer
	if err := json.Unmarshal(text, &a); err != nil {
		return fmt.Errorf("status %d: %.100s", res.StatusCode, text)
	}
	if len(a.Errors) > 0 {
		return fmt.Errorf("%s: %s", a.Code(), a.Errors[0].Message)
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(a.Data, out)
}

// instances compares the sign-ins that two instances of auth, each on
// a core of its own, take with those that one of them takes. They need little
// of any server, so that on two cores the instances are what is measured. They
// are asked past the router, which lets strangers in by turns.
func instances(t *testing.T, cluster *cinema.Cluster) {
	auth := cluster.Instances["auth"]
	for core, i := range auth {
		for _, pid := range tree(i.Pid()) { // a child hashes the passwords
			pin := exec.Command("taskset", "-acp", strconv.Itoa(core), strconv.Itoa(pid))
			if out, err := pin.CombinedOutput(); err != nil {
				t.Fatalf("taskset: %v\n%s", err, out)
			}
		}
	}
	signIns := func(instances ...*cinema.Instance) float64 {
		var n atomic.Int64
		var work sync.WaitGroup
		began := time.Now()
		for _, i := range instances {
			for range 4 {
				work.Go(func() {
					c := i.Client()
					c.URL += "/auth"
					for time.Since(began) < 10*time.Second {
						switch err := nobodySignsIn(c); {
						case err == nil:
							n.Add(1)
						case strings.HasPrefix(err.Error(), "UNAVAILABLE"): // no room: it says so at once
							time.Sleep(10 * time.Millisecond)
						default:
							t.Errorf("sign-in: %v", err)
							return
						}
					}
				})
			}
		}
		work.Wait()
		return float64(n.Load()) / time.Since(began).Seconds()
	}
	signIns(auth...) // connections, caches
	quiet(t)
	var two, one, times []float64
	for k := range repeats {
		two, one = append(two, signIns(auth...)), append(one, signIns(auth[0]))
		times = append(times, two[k]/one[k])
	}
	report("sign-ins, two instances of auth, on cores 0 and 1", "          ", two, "/s")
	report("sign-ins, one instance of auth, on core 0", "          ", one, "/s")
	report("two instances against one", "(≥ 1.7 ×)", times, "×")
}

// quiet waits until the cores have been idle for most of two seconds: a new
// cluster makes the demo's films for some two minutes.
func quiet(t *testing.T) {
	t.Helper()
	idle := func() (idle, all float64) {
		text, err := os.ReadFile("/proc/stat")
		if err != nil {
			t.Fatal(err)
		}
		line, _, _ := strings.Cut(string(text), "\n")
		for i, s := range strings.Fields(line)[1:] {
			n, err := strconv.ParseFloat(s, 64)
			if err != nil {
				t.Fatal(err)
			}
			all += n
			if i == 3 || i == 4 { // idle, and waiting for a disk
				idle += n
			}
		}
		return idle, all
	}
	for end := time.Now().Add(4 * time.Minute); time.Now().Before(end); {
		before, allBefore := idle()
		time.Sleep(2 * time.Second)
		after, allAfter := idle()
		if (after-before)/(allAfter-allBefore) > 0.85 {
			return
		}
	}
	t.Log("the machine did not become quiet within four minutes")
}

// nobodySignsIn has somebody sign in who is not there, which costs as much as if
// they were, and is limited by no earlier attempt of theirs. No error: they were
// looked for.
func nobodySignsIn(c *cinema.Client) error {
	err := signIn(c, "nobody"+uuid.NewString()[:8], password)
	switch {
	case err == nil:
		return errors.New("nobody was let in")
	case strings.HasPrefix(err.Error(), "UNAUTHENTICATED"):
		return nil
	}
	return err
}

// recovery kills parts of a running cluster with kill -9 (Postgres with
// SIGQUIT, its own word for that), starts each again at once as an orchestrator
// would, and measures from the kill until the first good answer that needs it.
func recovery(t *testing.T, cluster *cinema.Cluster) {
	front := cluster.Front
	viewer, admin := front.Client(), front.Client()
	viewer.SignUp(t, "recovery", password)
	today := time.Now().UTC().Format(time.DateOnly)

	searches := func() error {
		return ask(viewer, nil, `{ titles(query: "metropolis", first: 1) { totalCount } }`, nil)
	}
	records := func() error {
		return ask(viewer, nil, `mutation($i: RecordEventsInput!) { recordEvents(input: $i) { accepted } }`, map[string]any{"i": map[string]any{
			"device": map[string]any{"kind": "desktop", "system": "Linux", "browser": "bench"}, "events": []any{event("PAGE_VIEWED", map[string]any{"page": "/bench"})}}})
	}
	signsIn := func() error { return nobodySignsIn(front.Client()) }
	statistics := func() error {
		return ask(admin, nil, `query($d: Date!) { searchTerms(from: $d, to: $d) { query } }`, map[string]any{"d": today})
	}
	// saved asks for a new title and then for what the ETL made of it.
	saved := func() func() error {
		word, made := "zq"+strings.ReplaceAll(uuid.NewString(), "-", "")[:12], false
		return func() error {
			if !made {
				if err := ask(admin, nil, `mutation($i: CreateTitleInput!) { createTitle(input: $i) { record { id } } }`,
					map[string]any{"i": map[string]any{"kind": "FILM", "originalName": word, "publish": true}}); err != nil {
					return err
				}
				made = true
			}
			var found struct{ Titles struct{ TotalCount int } }
			if err := ask(viewer, &found, `query($q: String!) { titles(query: $q, first: 1) { totalCount } }`, map[string]any{"q": word}); err != nil {
				return err
			}
			if found.Titles.TotalCount == 0 {
				return errors.New("not yet searchable")
			}
			return nil
		}
	}
	// counted records a search and then looks for it among the statistics.
	counted := func() func() error {
		word, sent := uuid.NewString(), false
		return func() error {
			if !sent {
				if err := ask(viewer, nil, `mutation($i: RecordEventsInput!) { recordEvents(input: $i) { accepted } }`, map[string]any{"i": map[string]any{
					"device": map[string]any{"kind": "desktop", "system": "Linux", "browser": "bench"},
					"events": []any{event("SEARCHED", map[string]any{"query": word, "results": 1, "elapsedMs": 5})}}}); err != nil {
					return err
				}
				sent = true
			}
			var out struct{ SearchTerms []struct{ Query string } }
			if err := ask(admin, &out, `query($d: Date!) { searchTerms(from: $d, to: $d, first: 100) { query } }`, map[string]any{"d": today}); err != nil {
				return err
			}
			for _, s := range out.SearchTerms {
				if s.Query == word {
					return nil
				}
			}
			return errors.New("not yet counted")
		}
	}
	always := func(f func() error) func() func() error { return func() func() error { return f } }
	both := func(service string) func(int) func() {
		return func(int) func() {
			list := cluster.Instances[service]
			for n := range list {
				list[n].Kill()
			}
			return func() {
				for n := range list {
					cluster.Again(t, service, n)
				}
			}
		}
	}
	server := func(names ...string) func(int) func() {
		return func(run int) func() {
			name := names[run%len(names)]
			signal := "KILL"
			if name == "postgres" { // which holds its memory's segment until its children have gone
				signal = "QUIT"
			}
			cinema.Control(t, "kill", url.Values{"name": {name}, "signal": {signal}})
			return func() { cinema.Control(t, "start", url.Values{"name": {name}}) }
		}
	}
	var signedIn time.Time
	for _, part := range []struct {
		name, needs string
		kill        func(run int) (start func())
		answer      func() func() error
	}{
		{"router, both instances", "a search", both("router"), always(searches)},
		{"catalog, both instances", "a search", both("catalog"), always(searches)},
		{"telemetry, both instances", "events taken", both("telemetry"), always(records)},
		{"collectors, both instances", "a search counted", both("collectors"), counted},
		{"etl, both instances", "a new title found", both("etl"), saved},
		{"a Kafka broker, each in turn", "events taken", server("kafka-1", "kafka-2", "kafka-3"), always(records)},
		{"Elasticsearch", "a search", server("elasticsearch"), always(searches)},
		{"Redis", "a sign-in", server("redis"), always(signsIn)},
		{"Postgres", "a sign-in", server("postgres"), always(signsIn)},
		{"Postgres", "a new title found", server("postgres"), saved},
		{"a ClickHouse shard", "statistics", server("clickhouse-1", "clickhouse-2"), always(statistics)},
	} {
		var took, own []float64
		for run := range repeats {
			if time.Since(signedIn) > 3*time.Minute { // their tokens last five minutes
				until(t, func() error { return signIn(viewer, "recovery", password) })
				until(t, func() error { return signIn(admin, "admin", front.AdminPassword) })
				signedIn = time.Now()
			}
			until(t, part.answer()) // it is well before it is killed
			answer := part.answer()
			began := time.Now()
			start := part.kill(run)
			var starting sync.WaitGroup
			starting.Go(func() {
				start()
				own = append(own, time.Since(began).Seconds())
			})
			until(t, answer)
			took = append(took, time.Since(began).Seconds())
			if starting.Wait(); t.Failed() {
				return
			}
		}
		report("recovery of "+part.name+", to "+part.needs, "(≤ 10 s)", took, "s")
		report("  until what was killed says itself that it is ready", "          ", own, "s")
	}
}

// until asks until there is a good answer, and more seldom when it is told that
// it asks too often.
func until(t *testing.T, answer func() error) {
	t.Helper()
	var err error
	for end := time.Now().Add(3 * time.Minute); time.Now().Before(end); {
		if err = answer(); err == nil {
			return
		}
		wait := 100 * time.Millisecond
		if strings.HasPrefix(err.Error(), "RATE_LIMITED") {
			wait = 2 * time.Second
		}
		time.Sleep(wait)
	}
	t.Fatalf("no good answer in time: %v", err)
}

// elsewhere is an address that the limits do not know yet, as nginx is told of it.
func elsewhere() []string {
	return []string{"X-Forwarded-For", fmt.Sprintf("10.%d.%d.%d", rand.IntN(256), rand.IntN(256), rand.IntN(256))}
}

const signInText = `mutation($i: SignInInput!) { signIn(input: $i) { accessToken } }`

func signIn(c *cinema.Client, login, password string) error {
	var out struct{ SignIn struct{ AccessToken string } }
	c.Token = ""
	err := ask(c, &out, signInText, map[string]any{"i": map[string]any{"login": login, "password": password}}, elsewhere()...)
	c.Token = out.SignIn.AccessToken
	return err
}
