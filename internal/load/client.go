package load

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/netip"
	"net/url"
	"regexp"
	"strings"
	"syscall"
	"time"
)

const (
	// requestTimeout bounds one request with its answer.
	requestTimeout = 30 * time.Second
	// maxAnswer bounds what is read of an answer that is looked at.
	maxAnswer = 16 << 20
	// userAgent says who asks, to whoever reads a log.
	userAgent = "cinema-load"
)

// network is how all viewers reach the server.
type network struct {
	base      *url.URL
	transport *http.Transport
	sockets   *http.Transport // for WebSockets, which hold their connection
}

// newNetwork refuses an address that is not this machine's own, unless owned:
// before anything is sent, and again for every connection that is opened.
func newNetwork(address string, owned bool, connections int) (*network, error) {
	base, err := url.Parse(strings.TrimSuffix(address, "/"))
	if err != nil || base.Host == "" || base.Scheme != "http" && base.Scheme != "https" || base.User != nil {
		return nil, fmt.Errorf("-url %q is not an address such as http://127.0.0.1:8080", address)
	}
	dialer := &net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}
	if !owned {
		if !loopbackHost(base.Hostname()) {
			return nil, fmt.Errorf("%s is not this machine: load on a server that is not yours is an attack. If it is yours, say -this-server-is-mine", base.Host)
		}
		dialer.Control = func(_, address string, _ syscall.RawConn) error {
			at, err := netip.ParseAddrPort(address)
			if err != nil || !at.Addr().Unmap().IsLoopback() {
				return fmt.Errorf("%s: %w", address, errNotHere)
			}
			return nil
		}
	}
	make := func(n int) *http.Transport {
		return &http.Transport{
			DialContext: dialer.DialContext, Proxy: nil, MaxConnsPerHost: n, MaxIdleConns: n, MaxIdleConnsPerHost: n,
			IdleConnTimeout: time.Minute, ResponseHeaderTimeout: requestTimeout, ForceAttemptHTTP2: false,
		}
	}
	return &network{base: base, transport: make(connections), sockets: make(0)}, nil
}

var errNotHere = errors.New("not an address of this machine")

func loopbackHost(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && a.Unmap().IsLoopback()
}

func (n *network) close() {
	n.transport.CloseIdleConnections()
	n.sockets.CloseIdleConnections()
}

// resolve makes an address of the server's whole.
func (n *network) resolve(address string) (string, error) {
	u, err := n.base.Parse(address)
	if err != nil {
		return "", fmt.Errorf("address %q: %w", address, err)
	}
	return u.String(), nil
}

// browser is one viewer's: cookies, token and what lies in its cache.
type browser struct {
	net     *network
	rec     *recorder
	http    *http.Client
	address string // made up, for X-Forwarded-For; empty for none
	token   string
	until   time.Time // when the token ends
	cached  map[string]bool
}

func newBrowser(n *network, rec *recorder, address string) *browser {
	jar, err := cookiejar.New(nil)
	if err != nil {
		panic(err) // it never fails without options
	}
	return &browser{
		net: n, rec: rec, address: address, cached: map[string]bool{},
		http: &http.Client{Transport: n.transport, Jar: jar, Timeout: requestTimeout},
	}
}

func (b *browser) header(h http.Header) {
	h.Set("User-Agent", userAgent)
	if b.address != "" {
		h.Set("X-Forwarded-For", b.address)
	}
}

// failure is why a request did not go well, as the report counts it.
type failure struct{ code string }

func (f *failure) Error() string { return f.code }

// codeOf names a failure; empty for one that is the end of the run.
func codeOf(ctx context.Context, err error) string {
	var f *failure
	var timeout net.Error
	switch {
	case err == nil || ctx.Err() != nil:
		return ""
	case errors.As(err, &f):
		return f.code
	case errors.Is(err, errNotHere):
		return "elsewhere"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "refused"
	case errors.As(err, &timeout) && timeout.Timeout():
		return "timeout"
	default:
		return "broken off"
	}
}

// record counts a request, unless it was cut short by the end of the run.
func (b *browser) record(ctx context.Context, k Kind, began time.Time, bytes int64, err error) {
	if err != nil && ctx.Err() != nil {
		return
	}
	b.rec.done(k, time.Since(began), bytes, codeOf(ctx, err))
}

// fetch gets an address; keep bounds what of it is returned, the rest is read
// and counted.
func (b *browser) fetch(ctx context.Context, k Kind, address string, keep int64) (body []byte, err error) {
	began, n := time.Now(), int64(0)
	defer func() { b.record(ctx, k, began, n, err) }()
	address, err = b.net.resolve(address)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, fmt.Errorf("get: %w", err)
	}
	b.header(req.Header)
	if keep == 0 {
		// As a browser asks; what is not read here is counted as it came.
		req.Header.Set("Accept-Encoding", "gzip, br")
	}
	res, err := b.http.Do(req)
	if err != nil {
		return nil, fmt.Errorf("get: %w", err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err = io.ReadAll(io.LimitReader(res.Body, keep))
	n = int64(len(body))
	if err == nil {
		var rest int64
		rest, err = io.Copy(io.Discard, res.Body)
		n += rest
	}
	if err != nil {
		return nil, fmt.Errorf("get: %w", err)
	}
	if res.StatusCode != http.StatusOK {
		return nil, &failure{fmt.Sprintf("HTTP %d", res.StatusCode)}
	}
	return body, nil
}

// ask sends a GraphQL operation and decodes its data into out, which may be nil.
func (b *browser) ask(ctx context.Context, k Kind, request map[string]any, out any) (err error) {
	began, n := time.Now(), int64(0)
	defer func() { b.record(ctx, k, began, n, err) }()
	payload, err := json.Marshal(request)
	if err != nil {
		return fmt.Errorf("ask: %w", err)
	}
	address, err := b.net.resolve("/graphql")
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(payload))
	if err != nil {
		return fmt.Errorf("ask: %w", err)
	}
	b.header(req.Header)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/graphql-response+json")
	req.Header.Set("X-Cinema-Client", userAgent)
	if b.token != "" {
		req.Header.Set("Authorization", "Bearer "+b.token)
	}
	res, err := b.http.Do(req)
	if err != nil {
		return fmt.Errorf("ask: %w", err)
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	n = int64(len(text))
	if err != nil {
		return fmt.Errorf("ask: %w", err)
	}
	var answer struct {
		Data   json.RawMessage
		Errors []struct {
			Extensions struct{ Code, Reason string }
		}
	}
	if err := json.Unmarshal(text, &answer); err != nil {
		return &failure{fmt.Sprintf("HTTP %d", res.StatusCode)}
	}
	if len(answer.Errors) > 0 {
		e := answer.Errors[0].Extensions
		return &failure{strings.TrimSpace(e.Code + " " + e.Reason)}
	}
	if out != nil {
		if err := json.Unmarshal(answer.Data, out); err != nil {
			return &failure{"unexpected answer"}
		}
	}
	return nil
}

// asset finds what the page loads at once.
var asset = regexp.MustCompile(`(?:src|href)="(/assets/[^"]+\.(?:js|css))"`)

// loadPage fetches the web app as a browser does: what is in its cache it
// does not ask for again.
func (b *browser) loadPage(ctx context.Context) error {
	page, err := b.fetch(ctx, Page, "/", maxAnswer)
	if err != nil {
		return err
	}
	for _, m := range asset.FindAllSubmatch(page, 100) {
		if err := b.fetchOnce(ctx, Page, string(m[1])); err != nil {
			return err
		}
	}
	return nil
}

// mostCached bounds what a viewer remembers to have fetched.
const mostCached = 2000

func (b *browser) fetchOnce(ctx context.Context, k Kind, address string) error {
	if address == "" || b.cached[address] {
		return nil
	}
	if _, err := b.fetch(ctx, k, address, 0); err != nil {
		return err
	}
	if len(b.cached) >= mostCached {
		clear(b.cached)
	}
	b.cached[address] = true
	return nil
}
