// Package redistest gives tests a Redis server: the shared one of
// internal/realtest, on which each test has keys of its own, or a child of the
// test, which may be killed.
package redistest

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/netflixathome/cinema/internal/realtest"
	"github.com/netflixathome/cinema/internal/redis"
)

const patience = 20 * time.Second

// Shared is a client of the shared server; the test is skipped without one.
func Shared(t testing.TB) goredis.UniversalClient {
	t.Helper()
	return Open(t, realtest.Address(t, realtest.Redis))
}

// Open is a client of the server at address, closed with the test.
func Open(t testing.TB, address string) goredis.UniversalClient {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	client, err := redis.Open(ctx, address, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	t.Cleanup(func() { _ = client.Close() })
	return client
}

// Prefix is a beginning of keys and channels that no other test has. The keys
// are removed with the test.
func Prefix(t testing.TB, client goredis.UniversalClient) string {
	t.Helper()
	prefix := redis.Prefix + "test-" + rand.Text() + ":"
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		for _, key := range Keys(ctx, t, client, prefix) {
			require.NoError(t, client.Del(ctx, key).Err())
		}
	})
	return prefix
}

// Keys are those that begin with prefix, on all nodes.
func Keys(ctx context.Context, t testing.TB, client goredis.UniversalClient, prefix string) []string {
	t.Helper()
	var mu sync.Mutex // the nodes are asked at the same time
	var keys []string
	scan := func(ctx context.Context, node *goredis.Client) error {
		i := node.Scan(ctx, 0, prefix+"*", 1000).Iterator()
		for i.Next(ctx) {
			mu.Lock()
			keys = append(keys, i.Val())
			mu.Unlock()
		}
		return i.Err()
	}
	switch client := client.(type) {
	case *goredis.Client:
		require.NoError(t, scan(ctx, client))
	case *goredis.ClusterClient:
		require.NoError(t, client.ForEachMaster(ctx, scan))
	default:
		t.Fatalf("unknown client %T", client)
	}
	return keys
}

// Server is a redis-server of the test's own, on a port of its own.
type Server struct {
	t    testing.TB
	args []string
	port string
	cmd  *exec.Cmd
}

// Start runs redis-server with further arguments, and ends it with the test.
// The test is skipped where there is no redis-server.
func Start(t testing.TB, args ...string) *Server {
	t.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil {
		t.Skip("needs redis-server on the PATH")
	}
	s := &Server{t: t, port: freePort(t)}
	s.args = append([]string{"--bind", "127.0.0.1", "--port", s.port, "--save", "", "--appendonly", "no",
		"--dir", t.TempDir(), "--logfile", "redis.log"}, args...)
	t.Cleanup(s.Kill)
	s.Restart()
	return s
}

// StartCluster runs a cluster of three nodes, each with a third of the slots
// and no replica, and returns one of them. One node alone would hide what goes
// wrong between nodes.
func StartCluster(t testing.TB) *Server {
	t.Helper()
	const slots = 16384
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	var servers []*Server
	var clients []*goredis.Client
	for i := range 3 {
		port := freePort(t)
		s := Start(t, "--cluster-enabled", "yes", "--cluster-port", port, "--cluster-node-timeout", "1000")
		client := goredis.NewClient(&goredis.Options{Addr: s.Addr()})
		defer client.Close()
		require.NoError(t, client.ClusterAddSlotsRange(ctx, i*slots/3, (i+1)*slots/3-1).Err())
		require.NoError(t, client.Do(ctx, "CLUSTER", "SET-CONFIG-EPOCH", i+1).Err())
		if i > 0 {
			require.NoError(t, clients[0].Do(ctx, "CLUSTER", "MEET", "127.0.0.1", s.port, port).Err())
		}
		servers, clients = append(servers, s), append(clients, client)
	}
	for _, client := range clients {
		require.Eventually(t, func() bool {
			info, err := client.ClusterInfo(ctx).Result()
			if err != nil || !strings.Contains(info, "cluster_state:ok") {
				return false
			}
			nodes, err := client.ClusterNodes(ctx).Result()
			return err == nil && strings.Count(nodes, " connected ") == len(clients)
		}, patience, 10*time.Millisecond)
	}
	return servers[0]
}

// Replica adds a replica to a node of a cluster, which takes its place when it
// dies, and waits until it could.
func (s *Server) Replica() *Server {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	port := freePort(s.t)
	r := Start(s.t, "--cluster-enabled", "yes", "--cluster-port", port, "--cluster-node-timeout", "1000")
	primary := goredis.NewClient(&goredis.Options{Addr: s.Addr()})
	defer primary.Close()
	client := goredis.NewClient(&goredis.Options{Addr: r.Addr()})
	defer client.Close()
	id, err := primary.Do(ctx, "CLUSTER", "MYID").Text()
	require.NoError(s.t, err)
	require.NoError(s.t, primary.Do(ctx, "CLUSTER", "MEET", "127.0.0.1", r.port, port).Err())
	require.Eventually(s.t, func() bool { return client.ClusterReplicate(ctx, id).Err() == nil }, patience, 10*time.Millisecond)
	require.Eventually(s.t, func() bool {
		info, err := client.Info(ctx, "replication").Result()
		if err != nil || !strings.Contains(info, "master_link_status:up") {
			return false
		}
		nodes, err := client.ClusterNodes(ctx).Result()
		return err == nil && strings.Count(nodes, " connected ") == 3 && strings.Count(nodes, " connected\n") == 1
	}, patience, 10*time.Millisecond)
	return r
}

// Addr is host:port.
func (s *Server) Addr() string { return net.JoinHostPort("127.0.0.1", s.port) }

// URL is the address as the program takes it.
func (s *Server) URL() string { return "redis://" + s.Addr() }

// Kill ends the server at once, as a lost machine would.
func (s *Server) Kill() {
	if s.cmd != nil {
		_ = s.cmd.Process.Kill()
		_ = s.cmd.Wait() // it says that it was killed
		s.cmd = nil
	}
}

// Hang stops the server without breaking its connections, until Kill.
func (s *Server) Hang() {
	s.t.Helper()
	require.NoError(s.t, s.cmd.Process.Signal(syscall.SIGSTOP))
}

// Restart runs the server again, empty, and waits for its answer.
func (s *Server) Restart() {
	s.t.Helper()
	s.Kill()
	s.cmd = exec.Command("redis-server", s.args...) //nolint:noctx // the tests end it in each of the ways they are about
	s.cmd.Stderr = os.Stderr
	require.NoError(s.t, s.cmd.Start())
	require.Eventually(s.t, func() bool { return answers(s.Addr()) }, patience, 10*time.Millisecond)
}

// answers asks for any reply of the protocol: one that asks for a password is
// an answer, too.
func answers(addr string) bool {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return false
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(time.Second)); err != nil {
		return false
	}
	if _, err := fmt.Fprint(conn, "PING\r\n"); err != nil {
		return false
	}
	b := make([]byte, 1)
	_, err = conn.Read(b)
	return err == nil && (b[0] == '+' || b[0] == '-')
}

func freePort(t testing.TB) string {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	return strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
}
