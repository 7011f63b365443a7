package cinema

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"testing"
	"time"
)

// Control has e2e/real, which started the servers, do something to one of
// them: kill, start, fill or free. See its control.go.
func Control(t testing.TB, what string, values url.Values) {
	t.Helper()
	socket := os.Getenv("CINEMA_TEST_CONTROL")
	c := &http.Client{Timeout: 3 * time.Minute, Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", socket)
	}}}
	req, err := http.NewRequestWithContext(context.WithoutCancel(t.Context()), http.MethodPost, "http://control/"+what+"?"+values.Encode(), nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if b, _ := io.ReadAll(res.Body); res.StatusCode != http.StatusOK {
		t.Fatalf("%s %v: %s %s", what, values, res.Status, b)
	}
}
