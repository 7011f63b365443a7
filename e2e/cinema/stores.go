package cinema

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/jackc/pgx/v5"
	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

// secrets are the same for every instance that the tests make on the real
// servers, as they are for the instances of a service.
var secrets = []string{"CINEMA_AUTH_SECRET=" + strings.Repeat("1f", 32), "CINEMA_MEDIA_SIGNING_KEY=" + strings.Repeat("2e", 32)}

// Stores are the settings of an instance that is alone on the real servers of
// `make test-real`: its databases and its bucket, which is returned too, are
// new, and the event log is empty. Without those servers the test is skipped.
func Stores(t testing.TB, name string) (env []string, bucket string) {
	t.Helper()
	given := reached(t)
	name = fmt.Sprintf("%s_%d", name, os.Getpid())
	for _, database := range []string{"auth", "catalog", "telemetry"} {
		variable := "CINEMA_POSTGRES_" + strings.ToUpper(database) + "_URL"
		own := name + "_" + database
		newDatabase(t, given[variable], own)
		given[variable] = given[variable][:strings.LastIndex(given[variable], "/")+1] + own
	}
	emptyLog(t, strings.Split(given["CINEMA_KAFKA_BROKERS"], ","))
	t.Cleanup(func() { // whoever comes next finds neither events nor the slot
		emptyLog(t, strings.Split(given["CINEMA_KAFKA_BROKERS"], ","))
		dropSlot(t, given["CINEMA_POSTGRES_AUTH_URL"])
	})
	bucket = strings.ReplaceAll(name, "_", "-")
	given["CINEMA_S3_BUCKET"], given["CINEMA_CLICKHOUSE_DATABASE"] = bucket, name
	// The user that is deployed may make no database but its own.
	given["CINEMA_CLICKHOUSE_USER"], given["CINEMA_CLICKHOUSE_PASSWORD"] = "tests", ""
	for k, v := range given {
		env = append(env, k+"="+v)
	}
	return append(env, secrets...), bucket
}

// reached are the settings for those of the real servers that are there. What
// is kept in others, Elasticsearch and Redis, no instance has to itself: the
// index is made again whatever is in it, and Redis is left out, for it would
// answer with what another instance put there.
func reached(t testing.TB) map[string]string {
	t.Helper()
	for _, variable := range []string{"POSTGRES_URL", "KAFKA_BROKERS", "CLICKHOUSE_ADDR", "S3_URL"} {
		if os.Getenv("CINEMA_TEST_"+variable) == "" {
			t.Skip("needs the servers of a cluster: make test-real")
		}
	}
	given := map[string]string{}
	for _, e := range stores(t) {
		k, v, _ := strings.Cut(e, "=")
		given[k] = v
	}
	delete(given, "CINEMA_REDIS_URL")
	return given
}

func connect(t testing.TB, url string) (context.Context, *pgx.Conn) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	t.Cleanup(cancel)
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		t.Fatal(err)
	}
	return ctx, conn
}

func newDatabase(t testing.TB, url, name string) {
	t.Helper()
	dropSlot(t, url)
	ctx, conn := connect(t, url)
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, "CREATE DATABASE "+pgx.Identifier{name}.Sanitize()); err != nil {
		t.Fatal(err)
	}
}

// dropSlot removes the ETL's slot, of which a server has one; the walsender of a
// program that was killed holds it for a moment.
func dropSlot(t testing.TB, url string) {
	t.Helper()
	ctx, conn := connect(t, url)
	defer conn.Close(ctx)
	Eventually(t, 20*time.Second, func() error {
		_, err := conn.Exec(ctx, `SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = 'cinema_etl'`)
		return err
	})
}

// emptyLog deletes every topic; who needs one makes it.
func emptyLog(t testing.TB, brokers []string) {
	t.Helper()
	cfg := sarama.NewConfig()
	cfg.Version = sarama.V3_6_0_0
	admin, err := sarama.NewClusterAdmin(brokers, cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	Eventually(t, 30*time.Second, func() error {
		topics, err := admin.ListTopics()
		if err != nil {
			return err
		}
		var left []string
		for topic := range topics {
			if !strings.HasPrefix(topic, "__") {
				left = append(left, topic)
				if err := admin.DeleteTopic(topic); err != nil && !errors.Is(err, sarama.ErrUnknownTopicOrPartition) {
					return err
				}
			}
		}
		if slices.Sort(left); len(left) > 0 {
			return fmt.Errorf("topics are left: %v", left)
		}
		return nil
	})
}

// Bucket lists what a bucket has, with the moments of writing.
func Bucket(t testing.TB, bucket, prefix string) map[string]time.Time {
	t.Helper()
	given := reached(t)
	client, err := minio.New(strings.TrimPrefix(given["CINEMA_S3_URL"], "http://"), &minio.Options{
		Creds: credentials.NewStaticV4(given["CINEMA_S3_ACCESS_KEY"], given["CINEMA_S3_SECRET_KEY"], ""),
	})
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]time.Time{}
	for o := range client.ListObjects(context.Background(), bucket, minio.ListObjectsOptions{Prefix: prefix, Recursive: true}) {
		if o.Err != nil {
			t.Fatal(o.Err)
		}
		found[o.Key] = o.LastModified
	}
	return found
}
