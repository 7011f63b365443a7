package main

import (
	"bytes"
	"context"
	_ "embed"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"text/template"
	"time"
)

// clickhouse is two servers that are the two shards of the cluster "cinema":
// the server of engines/clickhouse, by its launcher, with a configuration that
// names both. The user "cinema" has no password. There is no replication and
// no ON CLUSTER, which that server lacks.
type clickhouse struct {
	site   *site
	shards []*process
	addrs  []string // of the native protocol
}

//go:embed clickhouse.xml
var clickhouseConfig string

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
	config, err := template.New("clickhouse.xml").Parse(clickhouseConfig)
	if err != nil {
		return err
	}
	ports, err := c.site.ports(2 * shards)
	if err != nil {
		return err
	}
	native, httpPorts := ports[:shards], ports[shards:]
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
		var text bytes.Buffer
		if err := config.Execute(&text, map[string]any{"Dir": dir, "Shard": i + 1, "Ports": native}); err != nil {
			return err
		}
		file := filepath.Join(dir, "config.xml")
		if err := os.WriteFile(file, text.Bytes(), 0o600); err != nil {
			return err
		}
		p, err := c.site.launch(program{
			name: name, path: launcher, dir: dir,
			args: []string{
				"-library", library, "-config", file, "-path", data,
				"-tcp-port", strconv.Itoa(native[i]), "-http-port", strconv.Itoa(httpPorts[i]),
			},
			stop: syscall.SIGTERM, death: syscall.SIGKILL,
		})
		if err != nil {
			return err
		}
		c.shards, c.addrs = append(c.shards, p), append(c.addrs, address(native[i]))
	}
	for i, p := range c.shards {
		err := p.await(ctx, func(ctx context.Context) error {
			return ask(ctx, httpPorts[i], "CREATE DATABASE IF NOT EXISTS cinema", "")
		})
		if err != nil {
			return err
		}
	}
	// Each answers for both.
	for i, p := range c.shards {
		err := p.await(ctx, func(ctx context.Context) error {
			return ask(ctx, httpPorts[i], "SELECT count() FROM cluster('cinema', system.one)", strconv.Itoa(shards))
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// ask runs a statement over HTTP and compares its answer.
func ask(ctx context.Context, port int, statement, want string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+address(port)+"/?"+url.Values{"user": {"cinema"}, "database": {"system"}}.Encode(), strings.NewReader(statement))
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
	return []string{"CINEMA_TEST_CLICKHOUSE_ADDR=" + strings.Join(c.addrs, ",")}
}
