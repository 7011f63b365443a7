package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"syscall"

	"github.com/netflixathome/cinema/e2e/port"
)

// toxiproxy stands between the servers and the command, which can cut and slow
// each connection by its name at CINEMA_TEST_TOXIPROXY.
type toxiproxy struct {
	site   *site
	binary string
	server *process
	addr   string
}

const toxiproxyVersion = "v2.5.0"

func (*toxiproxy) Name() string { return "toxiproxy" }

func (t *toxiproxy) Fetch(ctx context.Context) error {
	var err error
	t.binary, err = t.site.goProgram(ctx, "toxiproxy-"+toxiproxyVersion, "github.com/Shopify/toxiproxy/v2/cmd/server@"+toxiproxyVersion, "server")
	return err
}

func (t *toxiproxy) Start(ctx context.Context) error {
	ports, err := freePorts(1)
	if err != nil {
		return err
	}
	t.addr = port.Address(ports[0])
	t.server, err = t.site.launch(program{
		name: "toxiproxy", path: t.binary, args: []string{"-host", "127.0.0.1", "-port", strconv.Itoa(ports[0])},
		env: []string{"LOG_LEVEL=warn"}, stop: syscall.SIGTERM, death: syscall.SIGKILL,
	})
	if err != nil {
		return err
	}
	return t.server.await(ctx, func(ctx context.Context) error { return get(ctx, "http://"+t.addr+"/version") })
}

// before puts a proxy before a port of a server and returns the proxy's.
func (t *toxiproxy) before(ctx context.Context, name string, upstream int) (int, error) {
	ports, err := freePorts(1)
	if err != nil {
		return 0, err
	}
	body, err := json.Marshal(map[string]any{"name": name, "listen": port.Address(ports[0]), "upstream": port.Address(upstream), "enabled": true})
	if err != nil {
		return 0, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+t.addr+"/proxies", bytes.NewReader(body))
	if err != nil {
		return 0, err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusCreated {
		text, _ := io.ReadAll(io.LimitReader(res.Body, 1000))
		return 0, fmt.Errorf("toxiproxy: a proxy for %s: %s: %s", name, res.Status, text)
	}
	return ports[0], nil
}

func (t *toxiproxy) Stop() { t.server.end(0) }

func (t *toxiproxy) Env() []string { return []string{"CINEMA_TEST_TOXIPROXY=http://" + t.addr} }
