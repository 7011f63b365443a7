package main

import (
	"context"
	"encoding/base64"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/IBM/sarama"
	"golang.org/x/sync/errgroup"

	"github.com/netflixathome/cinema/e2e/port"
)

// kafka is three brokers that are controllers too: each record is on all
// three, and is acknowledged when two have it.
type kafka struct {
	site    *site
	jars    string
	brokers []*process
	addrs   []string // as shown
}

const brokers = 3

func (*kafka) Name() string { return "kafka" }

func (k *kafka) Fetch(ctx context.Context) (err error) {
	k.jars, err = k.site.maven(ctx, k.site.cache, "kafka")
	return err
}

func (k *kafka) Start(ctx context.Context) error {
	ports, err := freePorts(3 * brokers)
	if err != nil {
		return err
	}
	voters := make([]string, brokers)
	for i := range voters {
		voters[i] = fmt.Sprintf("%d@%s", i+1, port.Address(ports[brokers+i]))
		shown, err := k.site.shown(ctx, fmt.Sprintf("kafka-%d", i+1), ports[i])
		if err != nil {
			return err
		}
		k.addrs = append(k.addrs, port.Address(shown))
	}
	k.brokers = make([]*process, brokers)
	started, ctx := errgroup.WithContext(ctx)
	for i := range brokers {
		started.Go(func() error {
			name := fmt.Sprintf("kafka-%d", i+1)
			dir, err := k.site.folder(nil, name)
			if err != nil {
				return err
			}
			properties := filepath.Join(dir, "server.properties")
			text := brokerProperties(broker{
				id: i + 1, clients: port.Address(ports[i]), shown: k.addrs[i], brokers: port.Address(ports[2*brokers+i]),
				controllers: port.Address(ports[brokers+i]), voters: strings.Join(voters, ","), data: filepath.Join(dir, "data"),
			})
			if err := os.WriteFile(properties, []byte(text), 0o600); err != nil {
				return err
			}
			java := append(k.site.javaOptions(512), "-Dorg.apache.logging.log4j.level=WARN", "-cp", filepath.Join(k.jars, "*"))
			// Sixteen bytes that everything of one cluster shares.
			id := base64.RawURLEncoding.EncodeToString([]byte("netflixathome-01"))
			format := exec.CommandContext(ctx, "java", append(java, "kafka.tools.StorageTool", "format", "-t", id, "-c", properties)...)
			format.Env = k.site.environment()
			if err := output(ctx, format); err != nil {
				return err
			}
			k.brokers[i], err = k.site.launch(program{
				name: name, path: "java", args: append(java, "kafka.Kafka", properties), dir: dir,
				// The data goes too, and three that hand over to each other take long.
				stop: syscall.SIGKILL, death: syscall.SIGKILL,
			})
			if err != nil {
				return err
			}
			return k.brokers[i].await(ctx, func(context.Context) error { return whole(k.addrs[i]) })
		})
	}
	return started.Wait()
}

// whole succeeds when the broker answers and knows all the others.
func whole(addr string) error {
	c := sarama.NewConfig()
	c.Version = sarama.V3_6_0_0
	c.Net.DialTimeout, c.Net.ReadTimeout = 2*time.Second, 5*time.Second
	c.Metadata.Retry.Max = 0
	client, err := sarama.NewClient([]string{addr}, c)
	if err != nil {
		return err
	}
	defer client.Close()
	if n := len(client.Brokers()); n < brokers {
		return fmt.Errorf("%s knows %d of %d brokers", addr, n, brokers)
	}
	return nil
}

func (k *kafka) Stop() {
	for _, b := range k.brokers {
		b.end(0)
	}
}

func (k *kafka) Env() []string {
	return []string{"CINEMA_TEST_KAFKA_BROKERS=" + strings.Join(k.addrs, ",")}
}

// broker is where one of them listens: for clients, who are told of another
// address where a proxy is in between, for the other brokers, and as a controller.
type broker struct {
	id                                                 int
	clients, shown, brokers, controllers, voters, data string
}

// brokerProperties configures one of the brokers. Its short heartbeats let a
// broker that was killed come back at once rather than after 12 s.
func brokerProperties(b broker) string {
	return fmt.Sprintf(`node.id=%d
process.roles=broker,controller
controller.quorum.voters=%s
listeners=CLIENTS://%s,BROKERS://%s,CONTROLLERS://%s
advertised.listeners=CLIENTS://%s,BROKERS://%[4]s
listener.security.protocol.map=CLIENTS:PLAINTEXT,BROKERS:PLAINTEXT,CONTROLLERS:PLAINTEXT
inter.broker.listener.name=BROKERS
controller.listener.names=CONTROLLERS
log.dirs=%[7]s

default.replication.factor=3
min.insync.replicas=2
offsets.topic.replication.factor=3
offsets.topic.num.partitions=6
transaction.state.log.replication.factor=3
transaction.state.log.min.isr=2
transaction.state.log.num.partitions=6
auto.create.topics.enable=false

group.initial.rebalance.delay.ms=0
broker.heartbeat.interval.ms=500
broker.session.timeout.ms=1500
`, b.id, b.voters, b.clients, b.brokers, b.controllers, b.shown, b.data)
}
