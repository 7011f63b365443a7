package main

import (
	"bytes"
	"context"
	"crypto/rand"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"text/template"
	"time"

	"github.com/netflixathome/cinema/e2e/port"
)

// clickhouse is two servers that are the two shards of the cluster "cinema":
// the server of engines/clickhouse, by its launcher, with the configuration of
// deploy/clickhouse. The program's user has a password; "tests" has none and
// may do anything. There is no replication and no ON CLUSTER, which that server
// lacks, so each shard is left one replica.
type clickhouse struct {
	site     *site
	shards   []*process
	addrs    []string // of the native protocol, as shown
	https    []string // of HTTP, past any proxy
	password string   // of the user "cinema"
}

//go:embed clickhouse.xml
var clickhouseConfig string

//go:embed clickhouse-users.xml
var clickhouseUsers string

func (*clickhouse) Name() string { return "clickhouse" }

func (c *clickhouse) Start(ctx context.Context) error {
	const shards = 2
	launcher := filepath.Join(c.site.root, "bin", "clickhouse-launcher")
	library := filepath.Join(c.site.root, "engines", "node_modules", "@chdb", "lib-linux-x64-gnu", "libchdb.so")
	for _, path := range []string{launcher, library} {
		if _, err := os.Stat(path); err != nil {
			return fmt.Errorf("%w: type make build", err)
		}
	}
	ports, err := freePorts(2 * shards)
	if err != nil {
		return err
	}
	native, httpPorts := ports[:shards], ports[shards:]
	c.password = rand.Text()
	secret := rand.Text()
	for i := range shards {
		name := fmt.Sprintf("clickhouse-%d", i+1)
		dir, err := c.site.folder(nil, name)
		if err != nil {
			return err
		}
		data, err := c.site.folder(nil, name, "data")
		if err != nil {
			return err
		}
		if err := c.configure(dir, native); err != nil {
			return err
		}
		p, err := c.site.launch(program{
			name: name, path: launcher, dir: dir,
			args: []string{
				"-library", library, "-config", filepath.Join(dir, "config.xml"), "-path", data,
				"-tcp-port", strconv.Itoa(native[i]), "-http-port", strconv.Itoa(httpPorts[i]),
			},
			env: []string{
				fmt.Sprintf("CINEMA_SHARD=%d", i+1), "CINEMA_REPLICA=1",
				"CINEMA_CLICKHOUSE_PASSWORD=" + c.password, "CINEMA_CLUSTER_SECRET=" + secret,
			},
			stop: syscall.SIGTERM, death: syscall.SIGKILL,
		})
		if err != nil {
			return err
		}
		shown, err := c.site.shown(ctx, name, native[i])
		if err != nil {
			return err
		}
		c.shards, c.addrs, c.https = append(c.shards, p), append(c.addrs, port.Address(shown)), append(c.https, "http://"+port.Address(httpPorts[i]))
	}
	// Each answers for both. One that is started again answers for itself.
	for i, p := range c.shards {
		err := p.await(ctx, func(ctx context.Context) error {
			return ask(ctx, httpPorts[i], "SELECT count() FROM cluster('cinema', system.one)", strconv.Itoa(shards))
		})
		if err != nil {
			return err
		}
		p.ask = func(ctx context.Context) error { return ask(ctx, httpPorts[i], "SELECT 1", "1") }
	}
	return nil
}

// withoutFsync: tests kill servers and cut no power.
const withoutFsync = `<clickhouse><merge_tree><fsync_after_insert>0</fsync_after_insert><fsync_part_directory>0</fsync_part_directory></merge_tree></clickhouse>`

var replica = regexp.MustCompile(`<replica><host>clickhouse-(\d)-(\d)</host><port>9000</port></replica>`)

// configure writes a shard's configuration: what is deployed, with addresses of
// loopback in place of the hosts' names, merged into what this machine needs.
func (c *clickhouse) configure(dir string, native []int) error {
	base, err := template.New("clickhouse.xml").Parse(clickhouseConfig)
	if err != nil {
		return err
	}
	var text bytes.Buffer
	if err := base.Execute(&text, map[string]any{"Dir": dir}); err != nil {
		return err
	}
	deployed, err := os.ReadFile(filepath.Join(c.site.root, "deploy", "clickhouse", "config.xml"))
	if err != nil {
		return err
	}
	users, err := os.ReadFile(filepath.Join(c.site.root, "deploy", "clickhouse", "users.xml"))
	if err != nil {
		return err
	}
	kept := 0
	cluster := replica.ReplaceAllStringFunc(string(deployed), func(line string) string {
		m := replica.FindStringSubmatch(line)
		shard, _ := strconv.Atoi(m[1])
		if m[2] != "1" || shard > len(native) {
			return ""
		}
		kept++
		return fmt.Sprintf("<replica><host>127.0.0.1</host><port>%d</port></replica>", native[shard-1])
	})
	const file = "/etc/clickhouse-server/cinema-users.xml"
	if kept != len(native) || !strings.Contains(cluster, file) {
		return errors.New("deploy/clickhouse/config.xml is not as expected here")
	}
	for name, content := range map[string]string{
		"config.xml":          text.String(),
		"config.d/cinema.xml": strings.ReplaceAll(cluster, file, filepath.Join(dir, "users.xml")),
		"config.d/tests.xml":  withoutFsync,
		"users.xml":           clickhouseUsers,
		"users.d/cinema.xml":  string(users),
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// ask runs a statement over HTTP and compares its answer.
func ask(ctx context.Context, at int, statement, want string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+port.Address(at)+"/?"+url.Values{"user": {"tests"}, "database": {"system"}}.Encode(), strings.NewReader(statement))
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	if got := strings.TrimSpace(string(body)); res.StatusCode != http.StatusOK || got != want {
		return fmt.Errorf("%s: %s: %.500s", statement, res.Status, got)
	}
	return nil
}

func (c *clickhouse) Stop() {
	for _, p := range c.shards {
		p.end(10 * time.Second)
	}
}

func (c *clickhouse) Env() []string {
	return []string{
		"CINEMA_TEST_CLICKHOUSE_ADDR=" + strings.Join(c.addrs, ","),
		"CINEMA_TEST_CLICKHOUSE_HTTP=" + strings.Join(c.https, ","),
		"CINEMA_TEST_CLICKHOUSE_PASSWORD=" + c.password,
	}
}
