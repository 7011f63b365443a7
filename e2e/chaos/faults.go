package chaos

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
	"strings"
	"testing"
	"time"

	"github.com/netflixathome/cinema/e2e/cinema"
)

// disturbance is a fault that can be made and mended.
type disturbance struct {
	name string
	make func(t testing.TB)
	mend func(t testing.TB)
	hold time.Duration // how long it stays
	// gentle is one that nobody may notice.
	gentle bool
}

// and makes two faults at once.
func (d disturbance) and(other disturbance) disturbance {
	return disturbance{
		name: d.name + " + " + other.name, hold: max(d.hold, other.hold),
		make: func(t testing.TB) { d.make(t); other.make(t) },
		// Servers come back before the programs that need them to start.
		mend: func(t testing.TB) { other.mend(t); d.mend(t) },
	}
}

// killed is kill -9 of an instance of a service.
func killed(c *cinema.Cluster, service string, n int) disturbance {
	return disturbance{
		name: fmt.Sprintf("kill %s %d", service, n+1), hold: 3 * time.Second,
		make: func(testing.TB) { c.Instances[service][n].Kill() },
		mend: func(t testing.TB) { c.Again(t, service, n) },
	}
}

// restarted is an instance that is told to end, as for an update.
func restarted(c *cinema.Cluster, service string, n int) disturbance {
	const most = 15 * time.Second
	return disturbance{
		name: fmt.Sprintf("restart %s %d", service, n+1), gentle: true,
		make: func(t testing.TB) {
			began := time.Now()
			c.Instances[service][n].Stop(t)
			if took := time.Since(began); took > most {
				t.Errorf("%s took %v to end", service, took)
			}
		},
		mend: func(t testing.TB) { c.Again(t, service, n) },
	}
}

func nginxKilled(c *cinema.Cluster) disturbance {
	return disturbance{
		name: "kill nginx", hold: 2 * time.Second,
		make: func(testing.TB) { c.Nginx.Kill() },
		mend: func(t testing.TB) { c.Nginx.Start(t) },
	}
}

// serverKilled ends one of the servers by a signal: see e2e/real's control.
func serverKilled(name, signal string, hold time.Duration) disturbance {
	return disturbance{
		name: strings.ToLower(signal) + " " + name, hold: hold,
		make: func(t testing.TB) { cinema.Control(t, "kill", url.Values{"name": {name}, "signal": {signal}}) },
		mend: func(t testing.TB) { cinema.Control(t, "start", url.Values{"name": {name}}) },
	}
}

// filled fills the small disk of a server.
func filled(name string) disturbance {
	return disturbance{
		name: "full disk of " + name, hold: 8 * time.Second,
		make: func(t testing.TB) { cinema.Control(t, "fill", url.Values{"name": {name}}) },
		mend: func(t testing.TB) { cinema.Control(t, "free", url.Values{"name": {name}}) },
	}
}

// cut breaks all connections to a server and lets none through.
func cut(names ...string) disturbance {
	enabled := func(on bool) func(t testing.TB) {
		return func(t testing.TB) {
			for _, name := range names {
				toxi(t, "/proxies/"+name, map[string]any{"enabled": on}, http.StatusOK)
			}
		}
	}
	return disturbance{name: "cut " + strings.Join(names, " "), hold: 5 * time.Second, make: enabled(false), mend: enabled(true)}
}

// slowed delays each answer of a server.
func slowed(by time.Duration, names ...string) disturbance {
	return disturbance{
		name: fmt.Sprintf("slow %s by %v", strings.Join(names, " "), by), hold: 8 * time.Second,
		make: func(t testing.TB) {
			for _, name := range names {
				toxi(t, "/proxies/"+name+"/toxics", map[string]any{"name": "slow", "type": "latency", "stream": "downstream", "toxicity": 1,
					"attributes": map[string]any{"latency": by.Milliseconds(), "jitter": by.Milliseconds() / 4}}, http.StatusOK)
			}
		},
		mend: func(t testing.TB) {
			for _, name := range names {
				req, err := http.NewRequestWithContext(t.Context(), http.MethodDelete, os.Getenv("CINEMA_TEST_TOXIPROXY")+"/proxies/"+name+"/toxics/slow", nil)
				if err != nil {
					t.Fatal(err)
				}
				if err := do(http.DefaultClient, req, http.StatusNoContent); err != nil {
					t.Fatal(err)
				}
			}
		},
	}
}

// silent takes what is sent to a server and answers nothing.
func silent(names ...string) disturbance {
	d := slowed(time.Hour, names...)
	d.name, d.hold = "silence of "+strings.Join(names, " "), 5*time.Second
	d.make = func(t testing.TB) {
		for _, name := range names {
			toxi(t, "/proxies/"+name+"/toxics", map[string]any{"name": "slow", "type": "timeout", "stream": "downstream", "toxicity": 1,
				"attributes": map[string]any{"timeout": 0}}, http.StatusOK)
		}
	}
	return d
}

func toxi(t testing.TB, path string, body any, want int) {
	t.Helper()
	b, err := json.Marshal(body)
	if err == nil {
		err = post(http.DefaultClient, os.Getenv("CINEMA_TEST_TOXIPROXY")+path, b, want)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func post(c *http.Client, at string, body []byte, want int) error {
	req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, at, bytes.NewReader(body))
	if err != nil {
		return err
	}
	return do(c, req, want)
}

func do(c *http.Client, req *http.Request, want int) error {
	res, err := c.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode == want {
		return nil
	}
	text, _ := io.ReadAll(io.LimitReader(res.Body, 2000))
	return errors.New(req.URL.Path + ": " + res.Status + ": " + string(text))
}
