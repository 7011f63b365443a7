package redis_test

import (
	"bufio"
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/netflixathome/cinema/internal/await"
	busredis "github.com/netflixathome/cinema/internal/bus/redis"
	cacheredis "github.com/netflixathome/cinema/internal/cache/redis"
	"github.com/netflixathome/cinema/internal/limit"
	limitredis "github.com/netflixathome/cinema/internal/limit/redis"
	"github.com/netflixathome/cinema/internal/redis"
	"github.com/netflixathome/cinema/internal/redis/redistest"
)

const secret = "s3cr3t"

// refused opens address, which must fail within the patience of the test, with
// a message that names the variable, says what is wrong and hides the secret.
func refused(t *testing.T, patience time.Duration, address string, says ...string) {
	t.Helper()
	var log strings.Builder
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	began := time.Now()
	_, err := redis.Open(ctx, address, slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})))
	require.Error(t, err)
	require.Less(t, time.Since(began), patience+3*time.Second)
	for _, words := range append(says, redis.Variable) {
		require.ErrorContains(t, err, words)
	}
	require.NotContains(t, err.Error(), secret)
	require.NotContains(t, log.String(), secret)
	require.Equal(t, !strings.Contains(err.Error(), "cannot be reached"), await.IsNever(err), err)
}

func TestUnreadable(t *testing.T) {
	for _, address := range []string{
		"", "localhost", "localhost:6379", "http://:s3cr3t@localhost", "redis://", "redis://:s3cr3t@", "redis://a:1,,b:1",
		"redis://:s3cr3t@localhost:port", "redis://:pa/s3cr3t@localhost", "redis://s3cr3t@localhost", "redis://:s3cr3t%zz@localhost",
		"redis://localhost/s3cr3t", "redis://localhost/-1", "redis://localhost?password=s3cr3t", "redis://localhost#s3cr3t",
	} {
		t.Run(address, func(t *testing.T) {
			refused(t, time.Second, address, "want redis://")
			require.Equal(t, "(unreadable)", redis.Masked(address))
		})
	}
	refused(t, time.Second, "redis://:s3cr3t@a:1,b:2/3", "cluster")
}

func TestMasked(t *testing.T) {
	for address, masked := range map[string]string{
		"redis://localhost":                          "redis://localhost:6379/0",
		"rediss://user:s3cr3t@example.test:1/2":      "rediss://user:***@example.test:1/2",
		"redis://:s3cr%40et@[::1]":                   "redis://:***@[::1]:6379/0",
		"redis://user:p%2Fw@one:7000,two,three:7002": "redis://user:***@one:7000,two:6379,three:7002",
	} {
		require.Equal(t, masked, redis.Masked(address))
	}
}

func TestOpen(t *testing.T) {
	client := redistest.Shared(t)
	require.NoError(t, client.Ping(t.Context()).Err())
}

func TestUnreachable(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	addr := l.Addr().String()
	t.Run("silent", func(t *testing.T) { // connections are accepted, nothing is said
		refused(t, 1500*time.Millisecond, "redis://user:s3cr3t@"+addr+"/1", "redis://user:***@"+addr+"/1", "cannot be reached")
	})
	l.Close()
	t.Run("nobody there", func(t *testing.T) {
		refused(t, time.Second, "redis://user:s3cr3t@"+addr+"/1", "redis://user:***@"+addr+"/1", "cannot be reached", "refused")
		refused(t, time.Second, "redis://user:s3cr3t@"+addr+","+addr, "redis://user:***@"+addr+","+addr, "cannot be reached", "refused")
	})
}

// A server that comes up while the program starts can be waited for.
func TestServerComesLater(t *testing.T) {
	server := redistest.Start(t)
	server.Kill()
	restart := sync.OnceFunc(server.Restart)
	require.NoError(t, await.Until(t.Context(), func(ctx context.Context) error {
		client, err := redis.Open(ctx, server.URL(), slog.New(slog.DiscardHandler))
		if err == nil {
			client.Close()
		}
		return err
	}, func(await.Failure) { restart() }))
}

func TestPassword(t *testing.T) {
	server := redistest.Start(t, "--requirepass", secret)
	refused(t, 5*time.Second, "redis://:wrong@"+server.Addr(), "password", "WRONGPASS")
	refused(t, 5*time.Second, "redis://someone:wrong-"+secret+"@"+server.Addr(), "password")
	refused(t, 5*time.Second, server.URL(), "password", "NOAUTH")
	redistest.Open(t, "redis://:"+secret+"@"+server.Addr())
	redistest.Open(t, "redis://default:"+secret+"@"+server.Addr())
}

// A user who may do only what the adapters do, on the program's keys and
// channels alone, is enough for them.
func TestLeastPrivilege(t *testing.T) {
	rule := "cinema on >" + secret + " ~" + redis.Prefix + "* &" + redis.Prefix +
		"* +@connection +get +set +unlink +eval +evalsha +time +publish +subscribe +unsubscribe"
	server := redistest.Start(t, append([]string{"--user", "default", "off", "--user"}, strings.Fields(rule)...)...)
	client := redistest.Open(t, "redis://cinema:"+secret+"@"+server.Addr())
	ctx := t.Context()
	store, err := cacheredis.New(client, redis.Prefix)
	require.NoError(t, err)
	require.NoError(t, store.Set(ctx, "a", []byte("1"), time.Minute))
	_, ok, err := store.Get(ctx, "a")
	require.NoError(t, err)
	require.True(t, ok)
	require.NoError(t, store.Delete(ctx, "a", "b"))
	limiter, err := limitredis.New(client, redis.Prefix)
	require.NoError(t, err)
	r, err := limiter.Allow(ctx, "a", limit.Rate{Limit: 1, Per: time.Minute, Burst: 1}, 1)
	require.NoError(t, err)
	require.True(t, r.Allowed)
	bus, err := busredis.New(client, redis.Prefix, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	c, err := bus.Subscribe(ctx, "a")
	require.NoError(t, err)
	require.NoError(t, bus.Publish(ctx, "a", []byte("1")))
	require.Equal(t, "1", string(<-c))
	require.ErrorContains(t, client.Get(ctx, "another:key").Err(), "NOPERM")
}

func TestDatabaseThatIsNotThere(t *testing.T) {
	server := redistest.Start(t)
	refused(t, 5*time.Second, server.URL()+"/99", "out of range")
	redistest.Open(t, server.URL()+"/3")
}

func TestCluster(t *testing.T) {
	server := redistest.StartCluster(t)
	for _, address := range []string{server.URL(), server.URL() + "," + server.Addr()} {
		client := redistest.Open(t, address)
		for _, key := range []string{"a", "b", "c"} {
			require.NoError(t, client.Set(t.Context(), key, "1", time.Minute).Err())
		}
	}
	refused(t, 5*time.Second, server.URL()+"/1", "SELECT is not allowed in cluster mode")
	single := redistest.Start(t)
	refused(t, 5*time.Second, single.URL()+","+single.Addr(), "cluster")
}

// When a node has died and its replica has taken over, its keys are there
// again soon, though nobody answers that they have moved.
func TestClusterFailsOver(t *testing.T) {
	server := redistest.StartCluster(t) // it has the lowest slots
	server.Replica()
	client := redistest.Open(t, server.URL())
	ctx := t.Context()
	const key = "{3560}" // in slot 0
	slot, err := client.ClusterKeySlot(ctx, key).Result()
	require.NoError(t, err)
	require.Less(t, slot, int64(5461))
	require.NoError(t, client.Set(ctx, key, "1", time.Minute).Err())
	server.Kill()
	require.Error(t, client.Set(ctx, key, "2", time.Minute).Err())
	require.Eventually(t, func() bool { return client.Set(ctx, key, "3", time.Minute).Err() == nil }, 20*time.Second, 50*time.Millisecond)
}

func TestReplica(t *testing.T) {
	server := redistest.Start(t)
	host, port, _ := net.SplitHostPort(server.Addr())
	refused(t, 5*time.Second, redistest.Start(t, "--replicaof", host+" "+port).URL(), "replica")
}

func TestTLS(t *testing.T) {
	t.Run("a certificate nobody knows", func(t *testing.T) {
		server := httptest.NewUnstartedServer(nil)
		server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, 0)
		server.StartTLS()
		defer server.Close()
		refused(t, 5*time.Second, "rediss://:s3cr3t@"+server.Listener.Addr().String(), "not trusted")
	})
	t.Run("a server without", func(t *testing.T) {
		refused(t, 5*time.Second, "rediss://:s3cr3t@"+answering(t, "-ERR what\r\n"), "does not speak TLS")
	})
}

func TestTooOld(t *testing.T) {
	t.Run("before HELLO", func(t *testing.T) {
		refused(t, 5*time.Second, "redis://"+answering(t, "-ERR unknown command 'HELLO'\r\n"), "too old")
	})
	t.Run("after", func(t *testing.T) {
		refused(t, 5*time.Second, "redis://"+answering(t, "*2\r\n$7\r\nversion\r\n$6\r\n6.2.14\r\n"), "too old", "6.2.14")
	})
	t.Run("a sentinel", func(t *testing.T) {
		refused(t, 5*time.Second, "redis://"+answering(t, "*2\r\n$4\r\nmode\r\n$8\r\nsentinel\r\n"), "sentinel")
	})
}

// A server that is loading its data is waited for.
func TestLoading(t *testing.T) {
	refused(t, time.Second, "redis://"+answering(t, "-LOADING Redis is loading the dataset in memory\r\n"), "cannot be reached", "LOADING")
}

// answering is the address of a server that gives HELLO this answer, and OK to
// everything else.
func answering(t *testing.T, hello string) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				// The name of a command is a line of its own: *2 $5 HELLO $1 3.
				lines := bufio.NewScanner(conn)
				for lines.Scan() {
					answer := "+OK\r\n"
					switch line := strings.ToLower(lines.Text()); {
					case line == "hello":
						answer = hello
					case strings.HasPrefix(line, "\x16\x03"): // TLS
						answer = hello
					case line != "select" && line != "auth" && line != "client":
						continue
					}
					if _, err := conn.Write([]byte(answer)); err != nil {
						return
					}
				}
			}()
		}
	}()
	return l.Addr().String()
}

// A server that hangs costs the first commands their time and the next ones
// nothing: they are not even sent. When it answers again, so it is used.
func TestHungServer(t *testing.T) {
	server := newHanging(t)
	client := redistest.Open(t, "redis://"+server.addr)
	ctx := t.Context()
	store, err := cacheredis.New(client, redis.Prefix)
	require.NoError(t, err)
	limiter, err := limitredis.New(client, redis.Prefix)
	require.NoError(t, err)
	require.NoError(t, store.Set(ctx, "a", []byte("1"), time.Minute))

	server.hung.Store(true)
	var first sync.WaitGroup
	for range 8 {
		first.Go(func() { assert.Error(t, store.Set(ctx, "a", []byte("1"), time.Minute)) })
	}
	first.Wait()
	sent, passed := server.lines.Load(), 0
	for range 1000 {
		if err := store.Set(ctx, "a", []byte("1"), time.Minute); !errors.Is(err, redis.ErrSilent) {
			require.Error(t, err)
			passed++
		}
		if _, err := limiter.Allow(ctx, "a", limit.Rate{Limit: 1, Per: time.Minute, Burst: 1}, 1); !errors.Is(err, redis.ErrSilent) {
			require.Error(t, err)
			passed++
		}
	}
	require.LessOrEqual(t, passed, 20, "now and then one asks whether the server is back")
	require.Less(t, server.lines.Load()-sent, int64(1000), "the others are not sent")

	server.hung.Store(false)
	require.Eventually(t, func() bool { return store.Set(ctx, "a", []byte("1"), time.Minute) == nil }, 30*time.Second, 10*time.Millisecond)
}

// hanging is a server that says OK to everything or, hung, takes what comes
// and says nothing.
type hanging struct {
	addr  string
	hung  atomic.Bool
	lines atomic.Int64 // that it was sent
}

func newHanging(t *testing.T) *hanging {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { l.Close() })
	h := &hanging{addr: l.Addr().String()}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go h.serve(conn)
		}
	}()
	return h
}

func (h *hanging) serve(conn net.Conn) {
	defer conn.Close()
	for lines := bufio.NewScanner(conn); lines.Scan(); {
		h.lines.Add(1)
		answer := "+OK\r\n"
		switch strings.ToLower(lines.Text()) {
		case "hello":
			answer = "*2\r\n$7\r\nversion\r\n$5\r\n7.0.0\r\n"
		case "set", "client":
		default:
			continue
		}
		if h.hung.Load() {
			continue
		}
		if _, err := conn.Write([]byte(answer)); err != nil {
			return
		}
	}
}
