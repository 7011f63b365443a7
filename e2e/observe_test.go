package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/netflixathome/cinema/e2e/cinema"
	"github.com/netflixathome/cinema/e2e/port"
)

var prometheusFolder = filepath.Join("..", "deploy", "prometheus")

// tool is a program of Debian's package prometheus.
func tool(t testing.TB, name string, args ...string) *exec.Cmd {
	t.Helper()
	path, err := exec.LookPath(name)
	require.NoError(t, err, "type: scripts/machine test")
	return exec.Command(path, args...)
}

func run(t testing.TB, c *exec.Cmd) {
	t.Helper()
	out, err := c.CombinedOutput()
	require.NoError(t, err, string(out))
}

type rules struct {
	Groups []struct {
		Rules []struct {
			Alert, Expr string
			Labels      struct{ Severity string }
			Annotations struct{ Summary, Runbook string }
		}
	}
}

func readYAML(t testing.TB, path string, into any) {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, yaml.Unmarshal(text, into), path)
}

// Every alert is valid, has a runbook, and a test in which it keeps quiet and
// then fires.
func TestAlerts(t *testing.T) {
	run(t, tool(t, "promtool", "check", "config", filepath.Join(prometheusFolder, "prometheus.yml")))
	var all rules
	quiet, fires := map[string]bool{}, map[string]bool{}
	for _, name := range []string{"rules", "stores"} {
		run(t, tool(t, "promtool", "test", "rules", filepath.Join(prometheusFolder, name+"_test.yml")))
		var more rules
		readYAML(t, filepath.Join(prometheusFolder, name+".yml"), &more)
		all.Groups = append(all.Groups, more.Groups...)
		var tests struct {
			Tests []struct {
				Alerts []struct {
					Alert string      `yaml:"alertname"`
					Want  []yaml.Node `yaml:"exp_alerts"`
				} `yaml:"alert_rule_test"`
			}
		}
		readYAML(t, filepath.Join(prometheusFolder, name+"_test.yml"), &tests)
		for _, test := range tests.Tests {
			for _, a := range test.Alerts {
				if len(a.Want) == 0 {
					quiet[a.Alert] = true
				} else {
					fires[a.Alert] = true
				}
			}
		}
	}
	runbooks := map[string]bool{}
	for _, group := range all.Groups {
		for _, r := range group.Rules {
			require.Contains(t, []string{"page", "ticket"}, r.Labels.Severity, r.Alert)
			require.Equal(t, "docs/runbooks/"+r.Alert+".md", r.Annotations.Runbook)
			text, err := os.ReadFile(filepath.Join("..", r.Annotations.Runbook))
			require.NoError(t, err)
			for _, part := range []string{"# " + r.Alert, "## What it means", "## How to look", "## What to do"} {
				require.Contains(t, string(text), part)
			}
			require.True(t, quiet[r.Alert], "no test in which %s keeps quiet", r.Alert)
			require.True(t, fires[r.Alert], "no test in which %s fires", r.Alert)
			runbooks[r.Alert+".md"] = true
		}
	}
	entries, err := os.ReadDir(filepath.Join("..", "docs", "runbooks"))
	require.NoError(t, err)
	for _, e := range entries {
		require.True(t, runbooks[e.Name()], "%s is of no alert", e.Name())
	}
}

// Who is told of alerts is made of the environment: whom it names, nobody else,
// no secret in the configuration itself, and a word where it names nobody.
func TestAlertmanagerIsTold(t *testing.T) {
	configure := func(env ...string) (config string, receiver map[string]any, said string) {
		dir := t.TempDir()
		path := filepath.Join(dir, "alertmanager.yml")
		c := exec.CommandContext(t.Context(), "sh", filepath.Join(prometheusFolder, "alertmanager.sh"), "cat", path)
		c.Env = append(env, "ALERT_DIR="+dir, "PATH="+os.Getenv("PATH"))
		var stdout, stderr bytes.Buffer
		c.Stdout, c.Stderr = &stdout, &stderr
		require.NoError(t, c.Run(), stderr.String())
		var out struct {
			Route     struct{ Receiver string }
			Receivers []map[string]any
		}
		readYAML(t, path, &out)
		require.Len(t, out.Receivers, 1)
		require.Equal(t, out.Route.Receiver, out.Receivers[0]["name"])
		return stdout.String(), out.Receivers[0], stderr.String()
	}
	_, nobody, said := configure()
	require.Len(t, nobody, 1, "a name and no way")
	require.Contains(t, said, "Nobody is told")

	config, both, said := configure("ALERT_WEBHOOK_URL=https://hook.example/s3cr3t", "ALERT_EMAIL_TO=o'hara@cinema.example", "ALERT_EMAIL_FROM=cinema@cinema.example",
		"ALERT_SMTP=mail.example:587", "ALERT_SMTP_USER=cinema", "ALERT_SMTP_PASSWORD=s3cr3t")
	require.Empty(t, said)
	require.NotContains(t, config, "s3cr3t")
	hook := both["webhook_configs"].([]any)[0].(map[string]any)
	text, err := os.ReadFile(hook["url_file"].(string))
	require.NoError(t, err)
	require.Equal(t, "https://hook.example/s3cr3t", string(text))
	mail := both["email_configs"].([]any)[0].(map[string]any)
	require.Equal(t, "o'hara@cinema.example", mail["to"])
	text, err = os.ReadFile(mail["auth_password_file"].(string))
	require.NoError(t, err)
	require.Equal(t, "s3cr3t", string(text))
}

type dashboard struct {
	UID    string
	Panels []struct {
		Title   string
		Targets []struct {
			Expr       string
			RawSQL     string `json:"rawSql"`
			Datasource struct{ UID string }
		}
	}
}

func dashboards(t testing.TB) []dashboard {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("..", "deploy", "grafana", "dashboards", "*.json"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	var all []dashboard
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		var d dashboard
		require.NoError(t, json.Unmarshal(text, &d), file)
		all = append(all, d)
	}
	return all
}

// What Prometheus and Grafana are configured with is asked of the real
// Prometheus that scrapes the running program, and of its ClickHouse: a metric,
// label or column that is not there shows here. Grafana itself does not run.
func TestEveryQueryOfTheOperator(t *testing.T) {
	askEverything(t, cinema.Start(t, cinema.Options{Demo: true}))
}

func askEverything(t *testing.T, i *cinema.Instance) {
	prom := startPrometheus(t, i)
	traffic(t, i)

	t.Run("metrics are clean", func(t *testing.T) {
		c := tool(t, "promtool", "check", "metrics")
		c.Stdin = bytes.NewReader(metricsOf(t, i))
		run(t, c)
	})
	t.Run("metrics of the rules", func(t *testing.T) {
		var all rules
		readYAML(t, filepath.Join(prometheusFolder, "rules.yml"), &all)
		for _, group := range all.Groups {
			for _, r := range group.Rules {
				selectors := selector.FindAllString(r.Expr, -1)
				require.NotEmpty(t, selectors, r.Expr)
				for _, s := range selectors {
					prom.answers(t, s, r.Alert)
				}
			}
		}
		prom.rulesAreWell(t)
	})
	t.Run("panels of Prometheus", func(t *testing.T) {
		asked := 0
		for _, d := range dashboards(t) {
			for _, p := range d.Panels {
				for _, target := range p.Targets {
					if target.Datasource.UID != "prometheus" {
						continue
					}
					prom.answers(t, strings.ReplaceAll(target.Expr, "$__rate_interval", "1m"), d.UID+": "+p.Title)
					asked++
				}
			}
		}
		require.Greater(t, asked, 50)
	})
	t.Run("panels of ClickHouse", func(t *testing.T) {
		store := clickhouseOf(t, i)
		cinema.Eventually(t, 4*time.Minute, func() error {
			if n := strings.TrimSpace(store(t, "SELECT count() > 25 FROM activity_day FINAL WHERE with_demo = 1 AND events > 0")); n != "1" {
				return errors.New("the demo's viewing is not counted yet")
			}
			return nil
		})
		asked := 0
		for _, d := range dashboards(t) {
			for _, p := range d.Panels {
				for _, target := range p.Targets {
					if target.Datasource.UID != "clickhouse" {
						continue
					}
					require.NotEmpty(t, store(t, asGrafana(t, target.RawSQL)), "%s: %s has no rows", d.UID, p.Title)
					asked++
				}
			}
		}
		require.Greater(t, asked, 15)
	})
}

// selector is a metric with its labels, as a rule names it.
var selector = regexp.MustCompile(`\b(?:cinema_\w+|up)\b(?:\{[^}]*\})?`)

// asGrafana puts in what Grafana puts in for its macros and variables.
func asGrafana(t testing.TB, sql string) string {
	t.Helper()
	sql = regexp.MustCompile(`\$__dateFilter\((\w+)\)`).ReplaceAllString(sql, `($1 >= toDate(today() - 60) AND $1 <= toDate(today()))`)
	sql = strings.ReplaceAll(sql, "${demo}", "1")
	require.NotContains(t, sql, "$", "a macro or variable that this test does not know")
	return sql
}

// traffic has something of everything happen that is counted.
func traffic(t testing.TB, i *cinema.Instance) {
	t.Helper()
	viewer := i.Client()
	viewer.SignUp(t, "viewer"+newID()[24:], password)
	cinema.Eventually(t, 4*time.Minute, func() error { // of a busy machine
		var out titles
		if viewer.Must(t, &out, `{ titles(filter: {playable: true, kinds: [FILM]}, first: 1) { totalCount } }`, nil); out.Titles.TotalCount == 0 {
			return errors.New("no playable film yet")
		}
		return nil
	})
	film := playable(t, viewer)
	search(t, viewer, "nosferatoo")
	search(t, viewer, "no such film at all")
	watch(t, i, viewer, film, 5000)
	u, die := startWatch(t, i, viewer, film)
	defer die()
	var out struct {
		RecordEvents struct {
			Accepted int
			Rejected []struct{ Code string }
		}
	}
	event := func(name string, extra map[string]any) map[string]any {
		e := map[string]any{"id": newID(), "name": name, "at": time.Now().UTC().Format(time.RFC3339Nano), "sessionId": u.SessionID,
			"playableId": film.ID, "titleId": film.ID, "durationMs": film.Playback.DurationMs}
		for k, v := range extra {
			e[k] = v
		}
		return e
	}
	viewer.Must(t, &out, recordEvents, map[string]any{"i": map[string]any{"device": device, "locale": "en", "events": []any{
		event("STALLED", map[string]any{"positionMs": 2000, "stalledMs": 700}),
		event("PLAY_FAILED", map[string]any{"positionMs": 2000, "code": "e2e"}),
		event("HEARTBEAT", map[string]any{"positionMs": 1 << 30, "playing": true, "rate": 99.0}),
	}}})
	require.Equal(t, 2, out.RecordEvents.Accepted, out.RecordEvents.Rejected)

	admin := i.Admin(t)
	admin.Must(t, nil, `{ titleRecords(first: 5) { edges { node { id genres { id } credits { kind } assets { id } } } } }`, nil)
	require.NotEmpty(t, viewer.Do(t, `{ noSuchField }`, nil).Errors)
}

func metricsOf(t testing.TB, i *cinema.Instance) []byte {
	t.Helper()
	c := i.Client()
	c.URL = i.OpsURL
	status, text := c.Get(t, "/metrics")
	require.Equal(t, 200, status)
	return text
}

// observer is a running Prometheus.
type observer struct{ url string }

// startPrometheus runs a real one on the deployed rules, which scrapes the
// instance every three seconds (a busy machine takes one of them to answer).
func startPrometheus(t testing.TB, i *cinema.Instance) observer {
	t.Helper()
	run := tool(t, "prometheus")
	dir := t.TempDir()
	for _, name := range []string{"rules.yml"} {
		text, err := os.ReadFile(filepath.Join(prometheusFolder, name))
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), text, 0o600))
	}
	target, err := url.Parse(i.OpsURL)
	require.NoError(t, err)
	config := fmt.Sprintf(`global: {scrape_interval: 3s, scrape_timeout: 3s, evaluation_interval: 1s}
rule_files: [rules.yml]
scrape_configs: [{job_name: cinema, static_configs: [{targets: [%q]}]}]
`, target.Host)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "prometheus.yml"), []byte(config), 0o600))
	address := freeAddress(t)
	run.Args = append(run.Args, "--config.file="+filepath.Join(dir, "prometheus.yml"), "--storage.tsdb.path="+filepath.Join(dir, "data"),
		"--web.listen-address="+address, "--enable-feature=exemplar-storage", "--log.level=warn")
	var said bytes.Buffer
	run.Stdout, run.Stderr = &said, &said
	require.NoError(t, run.Start())
	t.Cleanup(func() {
		_ = run.Process.Signal(syscall.SIGTERM)
		_ = run.Wait()
		if t.Failed() {
			t.Logf("Prometheus says:\n%s", said.String())
		}
	})
	o := observer{"http://" + address}
	cinema.Eventually(t, 30*time.Second, func() error {
		_, err := o.get("/-/ready", nil)
		return err
	})
	return o
}

func freeAddress(t testing.TB) string {
	t.Helper()
	n, err := port.Free()
	require.NoError(t, err)
	return port.Address(n)
}

func (o observer) get(path string, values url.Values) ([]byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, o.url+path+"?"+values.Encode(), nil)
	if err != nil {
		return nil, err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", res.Status, text)
	}
	return text, err
}

// answers asks until there is a sample. A first scrape with all of the traffic
// and a second for the rates are a matter of seconds.
func (o observer) answers(t testing.TB, expr, where string) {
	t.Helper()
	cinema.Eventually(t, 60*time.Second, func() error {
		text, err := o.get("/api/v1/query", url.Values{"query": {expr}})
		if err != nil {
			return fmt.Errorf("%s: %s: %w", where, expr, err)
		}
		var out struct {
			Data struct{ Result []json.RawMessage }
		}
		if err := json.Unmarshal(text, &out); err != nil {
			return err
		}
		if len(out.Data.Result) == 0 {
			return fmt.Errorf("%s: nothing is exported that answers %s", where, expr)
		}
		return nil
	})
}

// rulesAreWell waits until every rule was evaluated, without an error.
func (o observer) rulesAreWell(t testing.TB) {
	t.Helper()
	cinema.Eventually(t, 60*time.Second, func() error {
		text, err := o.get("/api/v1/rules", nil)
		if err != nil {
			return err
		}
		var out struct {
			Data struct {
				Groups []struct {
					Rules []struct{ Name, Health, LastError string }
				}
			}
		}
		if err := json.Unmarshal(text, &out); err != nil {
			return err
		}
		if len(out.Data.Groups) == 0 {
			return errors.New("no rules")
		}
		for _, g := range out.Data.Groups {
			for _, r := range g.Rules {
				if r.Health != "ok" {
					return fmt.Errorf("%s is %s: %s", r.Name, r.Health, r.LastError)
				}
			}
		}
		return nil
	})
}

// clickhouseOf asks the ClickHouse that the program brought along.
func clickhouseOf(t testing.TB, i *cinema.Instance) func(t testing.TB, sql string) string {
	t.Helper()
	dir := filepath.Join(i.Dir, "clickhouse")
	password, err := os.ReadFile(filepath.Join(dir, "password"))
	require.NoError(t, err)
	address := "http://127.0.0.1:" + httpPort(t, dir) + "/?database=cinema"
	return func(t testing.TB, sql string) string {
		t.Helper()
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, strings.NewReader(sql))
		require.NoError(t, err)
		req.Header.Set("X-ClickHouse-User", "cinema")
		req.Header.Set("X-ClickHouse-Key", strings.TrimSpace(string(password)))
		res, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		defer res.Body.Close()
		text, err := io.ReadAll(res.Body)
		require.NoError(t, err)
		require.Equal(t, 200, res.StatusCode, "%s\n%s", sql, text)
		return string(text)
	}
}

// httpPort finds the port among the arguments of the process that works in dir.
func httpPort(t testing.TB, dir string) string {
	t.Helper()
	processes, err := filepath.Glob("/proc/[0-9]*/cmdline")
	require.NoError(t, err)
	for _, file := range processes {
		text, err := os.ReadFile(file)
		if err != nil || !bytes.Contains(text, []byte(dir)) {
			continue
		}
		args := strings.Split(string(text), "\x00")
		if n := slices.Index(args, "-http-port"); n >= 0 && n+1 < len(args) {
			return args[n+1]
		}
	}
	t.Fatalf("no ClickHouse works in %s", dir)
	return ""
}
