// Package kafka runs an event log that speaks the Kafka protocol inside the
// program, for a home that has no Kafka.
//
// It is kfake of the franz-go project with a data folder: records, consumer
// groups and producer ids survive a restart and a kill. Its authors made it
// for tests, so it is the home's default and nothing more; whatever can talk
// to it can talk to Kafka, and nobody but this package knows which it is.
//
// One broker listens on loopback. Topics are not created by being named: who
// needs one creates it, so that a misspelt topic is an error.
//
// An acknowledged record is in the operating system's hands: a kill loses
// nothing, a power cut may lose the last seconds unless Sync is set. This is
// Kafka's own default.
package kafka

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/netflixathome/cinema/engines/child"
	"github.com/netflixathome/cinema/engines/loopback"
	"github.com/netflixathome/cinema/internal/fault"
)

// ReasonPort of a *fault.Error: the port that was asked for is taken.
const ReasonPort = "KAFKA_PORT_TAKEN"

const (
	// defaultRetention is how many bytes of each partition are kept. A start
	// reads the whole log, 2 GB a second, which is why it must not grow for
	// ever; a reader that falls further behind than this loses records, which
	// is why it is not less.
	defaultRetention = 256 << 20
	// retentionAge is how long a record is kept at most.
	retentionAge = 7 * 24 * time.Hour
	// segment is the size of one file of a partition.
	segment = 16 << 20
	// defaultPartitions is what a topic gets whose creator does not say.
	defaultPartitions = 4
	// retainEvery is how often old records are dropped. kfake does it by
	// itself only for topics with a limit of their own.
	retainEvery = time.Minute
	// stopTimeout bounds the writing down of the state at the end.
	stopTimeout = 20 * time.Second
	// startAttempts bounds the search for a port that stays free.
	startAttempts = 5
)

// Options says where the log lives.
type Options struct {
	// Dir is the engine's own folder; it is made when it is missing.
	Dir string
	// Port on 127.0.0.1; 0 chooses a free one.
	Port int
	// RetentionBytes is how much of each partition is kept; 0 for 256 MiB.
	// Topics may say otherwise with retention.bytes.
	RetentionBytes int64
	// Sync waits for the disk before every acknowledgement.
	Sync bool
	Log  *slog.Logger
}

// Server is the event log.
type Server struct {
	opt   Options
	ready chan struct{}

	mu      sync.Mutex
	cluster *kfake.Cluster
	addr    string
	state   child.State
}

// New checks the options; it starts nothing.
func New(opt Options) (*Server, error) {
	if opt.Dir == "" {
		return nil, errors.New("kafka: no folder")
	}
	if opt.Log == nil {
		return nil, errors.New("kafka: no logger")
	}
	dir, err := filepath.Abs(opt.Dir)
	if err != nil {
		return nil, fmt.Errorf("kafka: %w", err)
	}
	opt.Dir = dir
	if opt.RetentionBytes == 0 {
		opt.RetentionBytes = defaultRetention
	}
	return &Server{
		opt:   opt,
		ready: make(chan struct{}),
		state: child.State{Phase: child.Idle, Since: time.Now()},
	}, nil
}

// Ready is closed once the log accepts connections.
func (s *Server) Ready() <-chan struct{} { return s.ready }

// Brokers are the addresses for a client. Valid once Ready is closed.
func (s *Server) Brokers() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return []string{s.addr}
}

// State is a snapshot for health pages. The PID is the program's own.
func (s *Server) State() child.State {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state
}

// Check asks the log's only loop for a sign of life.
func (s *Server) Check(ctx context.Context) error {
	s.mu.Lock()
	c := s.cluster
	s.mu.Unlock()
	if c == nil {
		return errors.New("kafka: not running")
	}
	answered := make(chan struct{})
	go func() {
		c.ListenAddrs()
		close(answered)
	}()
	select {
	case <-answered:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("kafka: no answer: %w", ctx.Err())
	}
}

// Run opens the log and serves it until ctx ends, then writes its state down.
// It may be called once. An error means that the log could not be opened, or
// could not be closed in time.
func (s *Server) Run(ctx context.Context) error {
	s.phase(child.Starting)
	defer s.phase(child.Stopped)
	if err := os.MkdirAll(s.opt.Dir, 0o700); err != nil {
		return fmt.Errorf("kafka: %w", err)
	}
	began := time.Now()
	c, addr, err := s.open()
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.cluster, s.addr = c, addr
	s.mu.Unlock()
	s.phase(child.Running)
	s.opt.Log.Debug("opened the event log", "engine", "kafka", "address", addr, "took", time.Since(began))
	close(s.ready)

	c.ApplyRetention()
	t := time.NewTicker(retainEvery)
	defer t.Stop()
	for {
		select {
		case <-t.C:
			c.ApplyRetention()
		case <-ctx.Done():
			s.phase(child.Stopping)
			return s.close(c)
		}
	}
}

func (s *Server) open() (*kfake.Cluster, string, error) {
	var last error
	for range startAttempts {
		port := s.opt.Port
		if port == 0 {
			free, err := loopback.Ports(1)
			if err != nil {
				return nil, "", fmt.Errorf("kafka: %w", err)
			}
			port = free[0]
		} else if err := loopback.Taken("the event log", port); err != nil {
			return nil, "", fault.New(fault.Unavailable, "%v", err).WithReason(ReasonPort)
		}
		opts := []kfake.Opt{
			kfake.Ports(port),
			kfake.ClusterID("cinema"),
			kfake.DataDir(s.opt.Dir),
			kfake.DefaultNumPartitions(defaultPartitions),
			kfake.WithLogger(logger{s.opt.Log}),
			kfake.BrokerConfigs(map[string]string{
				"log.retention.bytes": strconv.FormatInt(s.opt.RetentionBytes, 10),
				"log.retention.ms":    strconv.FormatInt(retentionAge.Milliseconds(), 10),
				"log.segment.bytes":   strconv.FormatInt(min(segment, max(1<<20, s.opt.RetentionBytes/4)), 10),
				"message.max.bytes":   strconv.Itoa(4 << 20),
			}),
		}
		if s.opt.Sync {
			opts = append(opts, kfake.SyncWrites())
		}
		c, err := kfake.NewCluster(opts...)
		if err == nil {
			return c, loopback.Addr(port), nil
		}
		if last = err; !errors.Is(err, syscall.EADDRINUSE) {
			break
		}
		// Somebody took the port, perhaps only to look whether it is free.
	}
	return nil, "", fmt.Errorf("kafka: open the log in %s: %w", s.opt.Dir, last)
}

func (s *Server) close(c *kfake.Cluster) error {
	closed := make(chan struct{})
	go func() {
		c.Close()
		close(closed)
	}()
	t := time.NewTimer(stopTimeout)
	defer t.Stop()
	select {
	case <-closed:
		return nil
	case <-t.C:
		return fmt.Errorf("kafka: the log in %s was not closed within %v; the next start recovers it", s.opt.Dir, stopTimeout)
	}
}

func (s *Server) phase(p child.Phase) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state.Phase, s.state.Since = p, time.Now()
	if s.state.PID = os.Getpid(); p == child.Stopped {
		s.state.PID = 0
	}
}

// logger passes kfake's troubles on. What it calls information is every
// single request.
type logger struct{ log *slog.Logger }

func (l logger) Logf(level kfake.LogLevel, format string, args ...any) {
	if level == kfake.LogLevelError || level == kfake.LogLevelWarn {
		l.log.Warn(fmt.Sprintf(format, args...), "engine", "kafka")
	}
}
