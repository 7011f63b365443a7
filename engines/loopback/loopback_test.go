package loopback_test

import (
	"net"
	"strings"
	"testing"

	"github.com/netflixathome/cinema/engines/loopback"
)

func TestPorts(t *testing.T) {
	ports, err := loopback.Ports(20)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[int]bool{}
	for _, p := range ports {
		if seen[p] {
			t.Errorf("%d came twice", p)
		}
		seen[p] = true
	}
}

func TestTaken(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	if err := loopback.Taken("Kafka", port); err == nil || !strings.Contains(err.Error(), "Kafka") {
		t.Errorf("a port in use: %v", err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if err := loopback.Taken("Kafka", port); err != nil {
		t.Error(err)
	}
}
