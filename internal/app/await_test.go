package app

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/netflixathome/cinema/internal/await"
)

// serving has each connection to l spoken to, until the test ends.
func serving(t *testing.T, l net.Listener, speak func(net.Conn)) {
	t.Helper()
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				speak(conn)
			}()
		}
	}()
}

// speaker is a server on a port of its own that answers each line of one of
// those words.
func speaker(t *testing.T, l net.Listener, lines map[string]string) {
	t.Helper()
	serving(t, l, func(conn net.Conn) {
		for in := bufio.NewScanner(conn); in.Scan(); {
			if answer, ok := lines[strings.ToLower(in.Text())]; ok {
				_, _ = io.WriteString(conn, answer)
			}
		}
	})
}

// refusing is a Postgres that answers each connection with an error.
func refusing(t *testing.T, code, message string) string {
	t.Helper()
	l := port(t)
	serving(t, l, func(conn net.Conn) {
		buffer := make([]byte, 4096)
		n, err := conn.Read(buffer)
		if err != nil {
			return
		}
		if n == 8 { // it asks for TLS first
			_, _ = conn.Write([]byte("N"))
			_, _ = conn.Read(buffer)
		}
		fields := "SFATAL\x00VFATAL\x00C" + code + "\x00M" + message + "\x00\x00"
		_, _ = conn.Write(append([]byte{'E', 0, 0, 0, byte(len(fields) + 4)}, fields...))
	})
	return l.Addr().String()
}

func port(t *testing.T) net.Listener {
	t.Helper()
	var lc net.ListenConfig
	l, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	return l
}

// nobody is an address where nobody listens, and soon nobody will: the port is
// below those that the system gives to outgoing connections.
func nobody(t *testing.T) string {
	t.Helper()
	var lc net.ListenConfig
	for range 100 {
		address := fmt.Sprintf("127.0.0.1:%d", 20_000+rand.IntN(12_000))
		if l, err := lc.Listen(t.Context(), "tcp", address); err == nil {
			require.NoError(t, l.Close())
			return address
		}
	}
	require.FailNow(t, "no free port")
	return ""
}

func answering(t *testing.T, status int, body string, header ...string) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}))
	t.Cleanup(s.Close)
	return s.URL
}

// service is a configuration of one service that has no engine of its own.
func service(t *testing.T, target string, env map[string]string) *Config {
	t.Helper()
	c, err := Load(nil, func(name string) (string, bool) {
		given := map[string]string{
			"CINEMA_TARGET": target, "CINEMA_DATA_DIR": t.TempDir(), "CINEMA_LISTEN": "127.0.0.1:0", "CINEMA_OPS_LISTEN": nobody(t),
			"CINEMA_LOG_LEVEL": "error",
		}
		for _, name := range []string{"AUTH", "CATALOG", "ADMIN", "TELEMETRY"} {
			given["CINEMA_"+name+"_URL"] = "http://" + nobody(t)
		}
		for k, v := range env {
			given[k] = v
		}
		v, ok := given[name]
		return v, ok
	})
	require.NoError(t, err)
	return c
}

const hush = "s3cr3t"

func onS3(address string) map[string]string {
	return map[string]string{"CINEMA_ELASTICSEARCH_URL": "http://127.0.0.1:1", "CINEMA_S3_URL": address, "CINEMA_S3_ACCESS_KEY": "key", "CINEMA_S3_SECRET_KEY": hush}
}

func s3Says(code string) string {
	return `<?xml version="1.0"?><Error><Code>` + code + `</Code><Message>x</Message></Error>`
}

// What waiting does not mend ends the start, with one message that names the
// variable, the address without its secret, what was found, and what to do.
func TestWhatWaitingDoesNotMendEndsTheStart(t *testing.T) {
	postgres := func(t *testing.T, code, message string) map[string]string {
		return map[string]string{"CINEMA_POSTGRES_CATALOG_URL": "postgres://cinema:" + hush + "@" + refusing(t, code, message) + "/catalog", "CINEMA_ELASTICSEARCH_URL": "http://" + nobody(t)}
	}
	hello := func(t *testing.T, answer string) map[string]string {
		l := port(t)
		speaker(t, l, map[string]string{"hello": answer, "client": "+OK\r\n", "select": "+OK\r\n"})
		return map[string]string{"CINEMA_REDIS_URL": "redis://:" + hush + "@" + l.Addr().String()}
	}
	elastic := func(address string) map[string]string {
		return map[string]string{"CINEMA_ELASTICSEARCH_URL": strings.Replace(address, "http://", "http://cinema:"+hush+"@", 1)}
	}
	for name, tt := range map[string]struct {
		target string
		env    func(t *testing.T) map[string]string
		want   []string
	}{
		"postgres: wrong password": {"etl", func(t *testing.T) map[string]string { return postgres(t, "28P01", "password authentication failed") },
			[]string{"CINEMA_POSTGRES_CATALOG_URL", "postgres://cinema:***@127.0.0.1:", "/catalog", "password is refused"}},
		"postgres: no database": {"etl", func(t *testing.T) map[string]string { return postgres(t, "3D000", "database does not exist") },
			[]string{"CINEMA_POSTGRES_CATALOG_URL", "CREATE DATABASE"}},
		"redis: wrong password": {"router", func(t *testing.T) map[string]string {
			l := port(t) // the library says who it is within HELLO, then by AUTH alone
			speaker(t, l, map[string]string{"auth": "-WRONGPASS invalid username-password pair or user is disabled.\r\n"})
			return map[string]string{"CINEMA_REDIS_URL": "redis://:" + hush + "@" + l.Addr().String()}
		}, []string{"CINEMA_REDIS_URL", "redis://:***@127.0.0.1:", "password"}},
		"redis: too old": {"router", func(t *testing.T) map[string]string {
			return hello(t, "*2\r\n$7\r\nversion\r\n$5\r\n6.2.0\r\n")
		}, []string{"CINEMA_REDIS_URL", "6.2.0", "want 7 or newer"}},
		"s3: unknown key": {"catalog", func(t *testing.T) map[string]string { return onS3(answering(t, 403, s3Says("InvalidAccessKeyId"))) },
			[]string{"CINEMA_S3_ACCESS_KEY", "http://127.0.0.1:", "does not know this key"}},
		"s3: wrong secret": {"catalog", func(t *testing.T) map[string]string { return onS3(answering(t, 403, s3Says("SignatureDoesNotMatch"))) },
			[]string{"CINEMA_S3_SECRET_KEY", "http://127.0.0.1:"}},
		"s3: no right to the bucket": {"catalog", func(t *testing.T) map[string]string { return onS3(answering(t, 403, s3Says("AccessDenied"))) },
			[]string{"CINEMA_S3_ACCESS_KEY", "http://127.0.0.1:", "expected the right to read, write, delete and list"}},
		"s3: something else": {"catalog", func(t *testing.T) map[string]string { return onS3(answering(t, 200, "<html>hello")) },
			[]string{"CINEMA_S3_URL", "http://127.0.0.1:", "expected"}},
		"elasticsearch: wrong password": {"catalog", func(t *testing.T) map[string]string {
			return elastic(answering(t, 401, `{"error":{"type":"security_exception","reason":"x"},"status":401}`, "Content-Type", "application/json"))
		}, []string{"CINEMA_ELASTICSEARCH_URL", "http://cinema:xxxxx@127.0.0.1:", "refuses the user, password or API key"}},
		"elasticsearch: too old": {"catalog", func(t *testing.T) map[string]string {
			return elastic(answering(t, 200, `{"version":{"number":"7.17.9"}}`, "Content-Type", "application/json", "X-Elastic-Product", "Elasticsearch"))
		}, []string{"CINEMA_ELASTICSEARCH_URL", "7.17.9", "version 8 is needed"}},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			err := Run(ctx, service(t, tt.target, tt.env(t)), "test", io.Discard)
			require.Error(t, err)
			require.Equal(t, 2, ExitCode(err), err)
			for _, want := range tt.want {
				require.ErrorContains(t, err, want)
			}
			require.NotContains(t, err.Error(), hush)
		})
	}
}

// A store that may come later is waited for: the program lives, is not ready,
// and says what it waits for. SIGTERM, which ends the context, ends it at once
// and well.
func TestTheStartWaitsForWhatMayComeLater(t *testing.T) {
	for name, tt := range map[string]struct {
		target, part, variable string
		env                    func(t *testing.T) map[string]string
	}{
		"redis: nobody there": {"router", "redis", "CINEMA_REDIS_URL", func(t *testing.T) map[string]string {
			return map[string]string{"CINEMA_REDIS_URL": "redis://:" + hush + "@" + nobody(t)}
		}},
		"redis: loading": {"router", "redis", "CINEMA_REDIS_URL", func(t *testing.T) map[string]string {
			l := port(t)
			speaker(t, l, map[string]string{"hello": "-LOADING Redis is loading the dataset in memory\r\n"})
			return map[string]string{"CINEMA_REDIS_URL": "redis://" + l.Addr().String()}
		}},
		"s3: nobody there": {"catalog", "s3", "CINEMA_S3_URL", func(t *testing.T) map[string]string { return onS3("http://" + nobody(t)) }},
		"s3: starting": {"catalog", "s3", "CINEMA_S3_URL", func(t *testing.T) map[string]string {
			return onS3(answering(t, 503, s3Says("XMinioServerNotInitialized")))
		}},
		"kafka: nobody there": {"auth", "kafka", "CINEMA_KAFKA_BROKERS", func(t *testing.T) map[string]string {
			return map[string]string{"CINEMA_KAFKA_BROKERS": nobody(t), "CINEMA_POSTGRES_AUTH_URL": "postgres://cinema:" + hush + "@" + nobody(t) + "/auth"}
		}},
		"postgres: starting up": {"etl", "postgres catalog", "CINEMA_POSTGRES_CATALOG_URL", func(t *testing.T) map[string]string {
			return map[string]string{"CINEMA_ELASTICSEARCH_URL": "http://" + nobody(t),
				"CINEMA_POSTGRES_CATALOG_URL": "postgres://cinema:" + hush + "@" + refusing(t, "57P03", "the database system is starting up") + "/catalog"}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, end := context.WithCancel(t.Context())
			defer end()
			cfg := service(t, tt.target, tt.env(t))
			ended := make(chan error, 1)
			go func() { ended <- Run(ctx, cfg, "test", io.Discard) }()
			ask := func(path string) (int, string, error) {
				req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+cfg.HTTP.OpsListen+path, nil)
				require.NoError(t, err)
				res, err := http.DefaultClient.Do(req)
				if err != nil {
					return 0, "", err
				}
				defer res.Body.Close()
				b, err := io.ReadAll(res.Body)
				return res.StatusCode, string(b), err
			}
			var said string
			require.Eventually(t, func() bool {
				select {
				case err := <-ended:
					t.Fatalf("it ended: %v", err)
				default:
				}
				status, body, err := ask("/readyz")
				said = body
				return err == nil && status == http.StatusServiceUnavailable && strings.Contains(body, tt.variable)
			}, time.Minute, 20*time.Millisecond, "%s", said)
			require.Contains(t, said, `"ready":false`)
			require.Contains(t, said, `"name":"`+tt.part+`"`)
			require.NotContains(t, said, hush)
			status, _, err := ask("/healthz")
			require.NoError(t, err)
			require.Equal(t, http.StatusOK, status)
			_, figures, err := ask("/metrics")
			require.NoError(t, err)
			require.Contains(t, figures, "cinema_ready 0")
			require.Contains(t, figures, `cinema_part_up{part="`+tt.part+`"} 0`)
			end()
			require.NoError(t, <-ended, "to be told to end is no failure")
		})
	}
}

func TestExitCode(t *testing.T) {
	require.Equal(t, 0, ExitCode(nil))
	require.Equal(t, 1, ExitCode(errors.New("an engine ended")))
	require.Equal(t, 2, ExitCode(fmt.Errorf("%w: %q", ErrUsage, "cook")))
	require.Equal(t, 2, ExitCode(fmt.Errorf("auth: %w", await.Never(errors.New("wrong password")))))
}

func TestHalfConfigured(t *testing.T) {
	for env, want := range map[string]string{"CINEMA_S3_ACCESS_KEY": "CINEMA_S3_URL", "CINEMA_S3_PUBLIC_URL": "CINEMA_S3_URL", "CINEMA_CLICKHOUSE_CLUSTER": "CINEMA_CLICKHOUSE_ADDR"} {
		_, err := Load(nil, func(name string) (string, bool) { return "http://x", name == env })
		require.ErrorContains(t, err, want+": want the address")
	}
}
