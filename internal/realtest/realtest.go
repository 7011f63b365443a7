// Package realtest tells tests where the real servers of a cluster are, which
// `make test-real` starts. Without them a test that needs one is skipped.
package realtest

import (
	"os"
	"testing"
)

// The environment variables that hold the servers' addresses.
const (
	Redis         = "CINEMA_TEST_REDIS_URL"         // redis://host:port/db
	Elasticsearch = "CINEMA_TEST_ELASTICSEARCH_URL" // http://host:port
	S3            = "CINEMA_TEST_S3_URL"            // http://key:secret@host:port/bucket
	Kafka         = "CINEMA_TEST_KAFKA_BROKERS"     // host:port,host:port,…
	Postgres      = "CINEMA_TEST_POSTGRES_URL"      // postgres://user:password@host:port/db
	ClickHouse    = "CINEMA_TEST_CLICKHOUSE_ADDR"   // host:port,host:port of the shards; user tests, no password
)

// all says that every server must be there: a missing address is a failure
// then, so that nothing is skipped unseen.
const all = "CINEMA_TEST_REAL"

// Address is the value of the variable. The test is skipped when it is empty.
func Address(t testing.TB, variable string) string {
	t.Helper()
	address, ok := Lookup(t, variable)
	if !ok {
		t.Skipf("needs a real server: make test-real (or set %s)", variable)
	}
	return address
}

// Lookup is the value of the variable and whether it has one, for a test that
// can do with an embedded server.
func Lookup(t testing.TB, variable string) (address string, ok bool) {
	t.Helper()
	address = os.Getenv(variable)
	if address == "" && os.Getenv(all) != "" {
		t.Fatalf("%s is empty: make test-real should have set it", variable)
	}
	return address, address != ""
}
