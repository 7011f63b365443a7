package enginestest_test

import (
	"context"
	"testing"

	ch "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/IBM/sarama"
	"github.com/jackc/pgx/v5"

	"github.com/netflixathome/cinema/engines/enginestest"
)

func TestPostgres(t *testing.T) {
	for _, name := range []string{"one", "another"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx := t.Context()
			conn, err := pgx.Connect(ctx, enginestest.Postgres(t))
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close(context.WithoutCancel(ctx))
			if _, err := conn.Exec(ctx, "CREATE EXTENSION pg_trgm; CREATE TABLE only_mine (id int)"); err != nil {
				t.Fatal(err)
			}
			var wal, lower string
			if err := conn.QueryRow(ctx, "SELECT current_setting('wal_level'), lower('ЁЖ')").Scan(&wal, &lower); err != nil {
				t.Fatal(err)
			}
			if wal != "logical" || lower != "ёж" {
				t.Errorf("wal_level %q, lower case %q", wal, lower)
			}
		})
	}
}

func TestClickHouse(t *testing.T) {
	for _, name := range []string{"one", "another"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := enginestest.ClickHouse(t)
			conn, err := ch.Open(&ch.Options{
				Addr: []string{a.Native},
				Auth: ch.Auth{Username: a.User, Password: a.Password, Database: a.Database},
			})
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if err := conn.Exec(t.Context(), "CREATE TABLE only_mine (n UInt64) ORDER BY n"); err != nil {
				t.Fatal(err)
			}
			if err := conn.Exec(t.Context(), "INSERT INTO only_mine SELECT number FROM numbers(1000)"); err != nil {
				t.Fatal(err)
			}
			var n uint64
			if err := conn.QueryRow(t.Context(), "SELECT sum(n) FROM only_mine").Scan(&n); err != nil || n != 499500 {
				t.Errorf("sum %d, %v", n, err)
			}
		})
	}
}

func TestKafka(t *testing.T) {
	client, err := sarama.NewClient(enginestest.Kafka(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if len(client.Brokers()) != 1 {
		t.Errorf("%d brokers", len(client.Brokers()))
	}
}
