package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/netflixathome/cinema/e2e/cinema"
)

// onReal skips what only `make bench-real` measures: a cluster on real servers.
func onReal(t *testing.T) *cinema.Cluster {
	t.Helper()
	if os.Getenv("CINEMA_TEST_REAL") == "" {
		t.Skip("needs the real servers: make bench-real")
	}
	return cinema.StartCluster(t)
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

// TestRealInstances compares the sign-ins that two instances of auth, each on
// a core of its own, take with those that one of them takes. They need little
// of any server, so that on two cores the instances are what is measured.
func TestRealInstances(t *testing.T) {
	cluster := onReal(t)
	auth := cluster.Instances["auth"]
	for core, i := range auth {
		pin := exec.Command("taskset", "-acp", strconv.Itoa(core), strconv.Itoa(i.Pid()))
		if out, err := pin.CombinedOutput(); err != nil {
			t.Fatalf("taskset: %v\n%s", err, out)
		}
	}
	signIns := func() float64 {
		var n atomic.Int64
		var work sync.WaitGroup
		began := time.Now()
		for range 8 {
			work.Go(func() {
				c := cluster.Front.Client()
				for time.Since(began) < 10*time.Second {
					// Nobody by that name, which costs as much.
					err := signIn(c, "nobody"+uuid.NewString()[:8], password)
					if err == nil || !strings.HasPrefix(err.Error(), "UNAUTHENTICATED") {
						t.Errorf("sign-in: %v", err)
						return
					}
					n.Add(1)
				}
			})
		}
		work.Wait()
		return float64(n.Load()) / time.Since(began).Seconds()
	}
	signIns() // connections, caches
	var two, one, times []float64
	for range repeats {
		two = append(two, signIns())
	}
	auth[1].Kill()
	for k := range repeats {
		one = append(one, signIns())
		times = append(times, two[k]/one[k])
	}
	report("sign-ins, two instances of auth, on cores 0 and 1", "          ", two, "/s")
	report("sign-ins, one instance of auth, on core 0", "          ", one, "/s")
	report("two instances against one", "(≥ 1.7 ×)", times, "×")
}

// TestRealRecovery kills parts of a running cluster with kill -9, starts each
// again at once as an orchestrator would, and measures from the kill until the
// first good answer that needs it.
func TestRealRecovery(t *testing.T) {
	cluster := onReal(t)
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
	signsIn := func() error { return signIn(front.Client(), "recovery", password) }
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
	service := func(name string) func(run int) []int {
		var pids []int
		for _, i := range cluster.Instances[name] {
			pids = append(pids, i.Pid())
		}
		return func(int) []int { return pids }
	}
	server := func(variable string, one bool) func(run int) []int {
		ports := portsOf(t, os.Getenv(variable))
		return func(run int) []int {
			if one {
				return []int{listener(t, ports[run%len(ports)])}
			}
			return []int{listener(t, ports[0])}
		}
	}
	for _, part := range []struct {
		name, needs string
		pids        func(run int) []int
		answer      func() func() error
	}{
		{"router, both instances", "a search", service("router"), always(searches)},
		{"catalog, both instances", "a search", service("catalog"), always(searches)},
		{"telemetry, both instances", "events taken", service("telemetry"), always(records)},
		{"collectors, both instances", "a search counted", service("collectors"), counted},
		{"etl, both instances", "a new title found", service("etl"), saved},
		{"a Kafka broker, each in turn", "events taken", server("CINEMA_TEST_KAFKA_BROKERS", true), always(records)},
		{"Elasticsearch", "a search", server("CINEMA_TEST_ELASTICSEARCH_URL", false), always(searches)},
		{"Redis", "a sign-in", server("CINEMA_TEST_REDIS_URL", false), always(signsIn)},
		{"Postgres", "a sign-in", server("CINEMA_TEST_POSTGRES_URL", false), always(signsIn)},
		{"Postgres", "a new title found", server("CINEMA_TEST_POSTGRES_URL", false), saved},
		{"a ClickHouse shard", "statistics", server("CINEMA_TEST_CLICKHOUSE_ADDR", false), always(statistics)},
	} {
		var took []float64
		pids := part.pids(0)
		for run := range repeats {
			until(t, func() error { return signIn(viewer, "recovery", password) }) // their tokens last five minutes
			until(t, func() error { return signIn(admin, "admin", front.AdminPassword) })
			until(t, part.answer()) // it is well before it is killed
			if run > 0 && !strings.Contains(part.name, "instances") {
				pids = part.pids(run)
			}
			answer := part.answer()
			began := time.Now()
			pids = respawn(t, pids)
			until(t, answer)
			took = append(took, time.Since(began).Seconds())
		}
		report("recovery of "+part.name+", to "+part.needs, "(≤ 10 s)", took, "s")
	}
}

// until asks until there is a good answer. It asks less often than would be
// taken for guessing passwords.
func until(t *testing.T, answer func() error) {
	t.Helper()
	var err error
	for end := time.Now().Add(3 * time.Minute); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		if err = answer(); err == nil {
			return
		}
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

// portsOf are those of an address, or of a list of addresses.
func portsOf(t *testing.T, address string) []int {
	t.Helper()
	if _, rest, ok := strings.Cut(address, "://"); ok {
		address = rest
	}
	if _, host, ok := strings.Cut(address, "@"); ok {
		address = host
	}
	address, _, _ = strings.Cut(address, "/")
	var ports []int
	for one := range strings.SplitSeq(address, ",") {
		_, text, err := net.SplitHostPort(one)
		if err != nil {
			t.Fatal(err)
		}
		port, err := strconv.Atoi(text)
		if err != nil {
			t.Fatal(err)
		}
		ports = append(ports, port)
	}
	return ports
}

// listener is the process that listens on a port of loopback.
func listener(t *testing.T, port int) (pid int) {
	t.Helper()
	sockets := map[string]bool{}
	for _, file := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		text, _ := os.ReadFile(file)
		for line := range strings.Lines(string(text)) {
			f := strings.Fields(line)
			if len(f) > 9 && f[3] == "0A" && strings.HasSuffix(f[1], fmt.Sprintf(":%04X", port)) {
				sockets["socket:["+f[9]+"]"] = true
			}
		}
	}
	links, _ := filepath.Glob("/proc/[0-9]*/fd/*")
	for _, link := range links {
		if to, err := os.Readlink(link); err == nil && sockets[to] {
			found, _ := strconv.Atoi(strings.Split(link, "/")[2])
			// A server's helpers inherit its socket: the oldest is the server.
			if pid == 0 || found < pid {
				pid = found
			}
		}
	}
	if pid == 0 {
		t.Fatalf("nobody listens on port %d", port)
	}
	return pid
}

// respawn kills processes and starts each again as it was started.
func respawn(t *testing.T, pids []int) (fresh []int) {
	t.Helper()
	var starts []*exec.Cmd
	var dying []int
	for _, pid := range pids {
		starter := pid
		dying = append(dying, tree(pid)...)
		// Elasticsearch is told by its launcher, over a pipe, what to do.
		if status, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid)); err == nil {
			f := strings.Fields(string(status[bytes.LastIndexByte(status, ')')+1:]))
			if parent, err := strconv.Atoi(f[1]); err == nil {
				if line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", parent)); err == nil && bytes.Contains(line, []byte("CliToolLauncher")) {
					starter = parent
				}
			}
		}
		starts = append(starts, again(t, starter))
		_ = syscall.Kill(pid, syscall.SIGKILL)
		if starter != pid {
			_ = syscall.Kill(starter, syscall.SIGKILL)
		}
	}
	// Ports and shared memory are free when the last helper has noticed.
	for _, pid := range dying {
		for range 500 {
			if syscall.Kill(pid, 0) != nil || zombie(pid) {
				break
			}
			time.Sleep(10 * time.Millisecond)
		}
	}
	for _, cmd := range starts {
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		done := make(chan struct{})
		go func() { _ = cmd.Wait(); close(done) }()
		t.Cleanup(func() {
			_ = cmd.Process.Signal(syscall.SIGTERM)
			select {
			case <-done:
			case <-time.After(20 * time.Second):
				_ = cmd.Process.Kill()
				<-done
			}
		})
		fresh = append(fresh, cmd.Process.Pid)
	}
	return fresh
}

func zombie(pid int) bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err != nil || bytes.Contains(text, []byte(") Z "))
}

// again is a process's command, environment, folder and account, to be started
// once more.
func again(t *testing.T, pid int) *exec.Cmd {
	t.Helper()
	read := func(name string) []string {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", pid, name))
		if err != nil {
			t.Fatal(err)
		}
		return strings.Split(strings.TrimSuffix(string(text), "\x00"), "\x00")
	}
	args := read("cmdline")
	path, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid))
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.Readlink(fmt.Sprintf("/proc/%d/cwd", pid))
	if err != nil {
		t.Fatal(err)
	}
	owner, err := os.Stat(fmt.Sprintf("/proc/%d", pid))
	if err != nil {
		t.Fatal(err)
	}
	of := owner.Sys().(*syscall.Stat_t)
	cmd := exec.Command(path, args[1:]...) // ended with the test
	cmd.Args[0], cmd.Env, cmd.Dir = args[0], read("environ"), dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if os.Geteuid() == 0 {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: of.Uid, Gid: of.Gid, Groups: []uint32{}}
	}
	return cmd
}
