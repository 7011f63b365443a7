package clickhouse_test

import (
	"io"
	"net"
	"strings"
	"testing"
	"time"

	ch "github.com/ClickHouse/clickhouse-go/v2"

	"github.com/netflixathome/cinema/engines/clickhouse"
)

// What clients do wrong, or what is left of one that was killed, is no reason
// for the server to end.
func TestClientsCannotEndTheServer(t *testing.T) {
	s, _ := start(t, options(t, t.TempDir()))
	a := s.Address()
	pid := s.State().PID
	for _, c := range []struct {
		name string
		act  func(t *testing.T, a clickhouse.Address)
	}{
		{"a database that is not there", func(t *testing.T, a clickhouse.Address) {
			a.Database = "nowhere"
			if err := open(t, a).Ping(t.Context()); err == nil || !strings.Contains(err.Error(), "81") {
				t.Errorf("want error 81, got %v", err)
			}
		}},
		{"another protocol", func(t *testing.T, a clickhouse.Address) {
			conn := dial(t, a.Native)
			send(t, conn, []byte("GET / HTTP/1.1\r\n\r\n"))
			_, _ = io.Copy(io.Discard, conn) // until the server hangs up
		}},
		{"half a greeting", func(t *testing.T, a clickhouse.Address) {
			conn := dial(t, a.Native)
			send(t, conn, greeting(a)[:9])
			reset(t, conn)
		}},
		{"reset after the greeting", func(t *testing.T, a clickhouse.Address) {
			conn := dial(t, a.Native)
			send(t, conn, greeting(a))
			answered(t, conn)
			reset(t, conn)
		}},
		{"half a packet, then reset", func(t *testing.T, a clickhouse.Address) {
			conn := dial(t, a.Native)
			send(t, conn, greeting(a))
			answered(t, conn)
			send(t, conn, []byte{1, 36}) // a query that breaks off within its id
			reset(t, conn)
		}},
		{"an unknown packet", func(t *testing.T, a clickhouse.Address) {
			conn := dial(t, a.Native)
			send(t, conn, greeting(a))
			answered(t, conn)
			send(t, conn, []byte{0x6f, 0x6f, 0x6f})
			_, _ = io.Copy(io.Discard, conn)
		}},
		{"HTTP that is none", func(t *testing.T, a clickhouse.Address) {
			conn := dial(t, strings.TrimPrefix(a.HTTP, "http://"))
			send(t, conn, []byte("\x00\x01\x02\r\n\r\n"))
			reset(t, conn)
		}},
		{"HTTP reset while it answers", func(t *testing.T, a clickhouse.Address) {
			for range 20 {
				conn := dial(t, strings.TrimPrefix(a.HTTP, "http://"))
				send(t, conn, []byte("GET /ping HTTP/1.1\r\nHost: x\r\nConnection: keep-alive\r\n\r\n"))
				answered(t, conn)
				send(t, conn, []byte("GET /ping HTTP/1.1\r\nHost: x\r\n\r\n"))
				reset(t, conn)
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.act(t, a)
			// The handler of that connection may still be at it: it is done
			// when the server has no connection but the one that asks.
			eventually(t, "an end of the connection", func() bool {
				conn, err := ch.Open(&ch.Options{Addr: []string{a.Native}, Auth: ch.Auth{Username: a.User, Password: a.Password, Database: "system"}})
				if err != nil {
					return false
				}
				defer conn.Close()
				var n int64
				err = conn.QueryRow(t.Context(), "SELECT toInt64(sum(value)) FROM system.metrics WHERE metric IN ('TCPConnection', 'HTTPConnection')").Scan(&n)
				return err == nil && n <= 1 || s.State().PID != pid
			})
			if now := s.State(); now.PID != pid {
				t.Fatalf("the server ended: %s", now.LastError)
			}
		})
	}
}

func dial(t *testing.T, addr string) *net.TCPConn {
	t.Helper()
	conn, err := net.DialTimeout("tcp", addr, 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return conn.(*net.TCPConn)
}

func send(t *testing.T, conn net.Conn, b []byte) {
	t.Helper()
	if _, err := conn.Write(b); err != nil {
		t.Fatal(err)
	}
}

func answered(t *testing.T, conn net.Conn) {
	t.Helper()
	if _, err := conn.Read(make([]byte, 4096)); err != nil {
		t.Fatal(err)
	}
}

// reset ends a connection as the kernel ends a killed process's that had
// something left to read.
func reset(t *testing.T, conn *net.TCPConn) {
	t.Helper()
	if err := conn.SetLinger(0); err != nil {
		t.Fatal(err)
	}
	_ = conn.Close()
}

// greeting is the native protocol's first packet.
func greeting(a clickhouse.Address) []byte {
	text := func(s string) string { return string(rune(len(s))) + s }
	revision := "\xb9\xa9\x03" // 54457 as a varint, before there was more to a greeting
	return []byte("\x00" + text("test") + "\x01\x00" + revision + text("system") + text(a.User) + text(a.Password))
}
