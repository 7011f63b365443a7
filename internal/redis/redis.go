// Package redis opens the Redis server or cluster that several instances of
// the program share, in one place, so that every adapter on it has the same
// bounds: no command waits longer than CommandWait, whatever the network does,
// and while the server gives no answers next to none waits at all (ErrSilent).
//
// Many programs may share one server. All keys and channels of this one begin
// with Prefix, so that an access rule can name them (~cinema:* &cinema:*).
// Every key carries a time to live: a server that is full may drop any of them.
package redis

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"github.com/netflixathome/cinema/internal/await"
)

const (
	// Variable is where the address comes from; faults name it.
	Variable = "CINEMA_REDIS_URL"
	// Prefix begins every key and channel.
	Prefix = "cinema:"
	// MinMajor is the oldest version of the server that the tests run on.
	MinMajor = 7

	// CommandWait bounds one command with its retries. What is asked here is
	// answered within a millisecond or can be done without.
	CommandWait = 2 * time.Second
	// openWait bounds Open.
	openWait = 5 * time.Second

	// One attempt must be able to fail and leave time for a second.
	dialWait = time.Second
	readWait = time.Second
	poolWait = time.Second
	// poolSize is per node: a command takes a fraction of a millisecond, so
	// this many connections carry some tens of thousands of them per second.
	poolSize   = 32
	retries    = 2
	minBackoff = 20 * time.Millisecond
	maxBackoff = 250 * time.Millisecond
	// slotsEvery is how old the client's picture of a cluster may be. A node
	// that has died sends nobody on to its successor, so this, beside the
	// cluster's own failover, is how long its share of the keys is away; the
	// library's minute would be too long.
	slotsEvery = 2 * time.Second
)

var errAddress = await.Never(errors.New(Variable + " cannot be read; want redis://user:password@host:port/db, rediss:// for TLS, " +
	"host:port,host:port for a cluster; special characters of the password percent-encoded"))

// Open connects to the server, or to the cluster if several addresses are
// given or the one is a node of a cluster, and checks that it can serve. It
// tries that once; an error that waiting does not mend is marked so (package
// await). Errors name Variable and never hold the password.
//
// The library's own messages, which say only what the errors of its commands
// say as well, go to log at the level Debug, for the whole process.
func Open(ctx context.Context, address string, log *slog.Logger) (goredis.UniversalClient, error) {
	if log == nil {
		return nil, errors.New("redis: Logger is required")
	}
	options, masked, err := parse(address)
	if err != nil {
		return nil, err
	}
	goredis.SetLogger(libraryLog{log})
	ctx, cancel := context.WithTimeout(ctx, openWait)
	defer cancel()
	client, server, err := connect(ctx, options)
	if err == nil && server.mode == "cluster" && !options.IsClusterMode {
		_ = client.Close()
		options.IsClusterMode = true
		client, server, err = connect(ctx, options)
	}
	if err != nil {
		return nil, fmt.Errorf("%s %s %w", Variable, masked, err)
	}
	log.InfoContext(ctx, "redis: connected", "address", masked, "version", server.version, "mode", server.mode)
	// Only now: until the first answer it is not silent but away. Within the
	// bound of a command, whose end is what it counts.
	client.AddHook(&breaker{log: log, now: time.Now})
	return client, nil
}

// Masked is the address without its password, to be shown.
func Masked(address string) string {
	_, masked, err := parse(address)
	if err != nil {
		return "(unreadable)"
	}
	return masked
}

// connect makes a client and asks whether the server can serve.
func connect(ctx context.Context, options *goredis.UniversalOptions) (goredis.UniversalClient, server, error) {
	client := newClient(options)
	s, err := ask(ctx, client)
	if err == nil {
		err = s.check()
	}
	if err != nil {
		_ = client.Close()
		if !await.IsNever(err) {
			err = fmt.Errorf("cannot be reached: %w", err)
		}
		return nil, server{}, err
	}
	return client, s, nil
}

func newClient(options *goredis.UniversalOptions) goredis.UniversalClient {
	var client goredis.UniversalClient
	if options.IsClusterMode {
		cluster := options.Cluster()
		cluster.ClusterStateReloadInterval = slotsEvery
		client = goredis.NewClusterClient(cluster)
	} else {
		client = goredis.NewClient(options.Simple())
	}
	client.AddHook(spans{})
	client.AddHook(bounded{})
	return client
}

// server is what HELLO says of the one that answered.
type server struct{ version, mode, role string }

// ask sends HELLO, which every user may do who may connect, unlike INFO.
func ask(ctx context.Context, client goredis.UniversalClient) (server, error) {
	reply, err := client.Do(ctx, "HELLO").Result()
	var said goredis.Error
	var unknown x509.UnknownAuthorityError
	var wrongHost x509.HostnameError
	var invalid x509.CertificateInvalidError
	var plain tls.RecordHeaderError
	switch {
	case err == nil:
	case goredis.IsPermissionError(err):
		// The rules for this user leave HELLO out: its version stays unknown.
		return server{}, nil
	case goredis.IsAuthError(err):
		return server{}, await.Never(fmt.Errorf("refuses the user or the password: %w", err))
	case goredis.HasErrorPrefix(err, "unknown command"):
		return server{}, await.Never(fmt.Errorf("is too old: want Redis %d or newer", MinMajor))
	case errors.As(err, &unknown), errors.As(err, &wrongHost), errors.As(err, &invalid):
		return server{}, await.Never(fmt.Errorf("shows a certificate that is not trusted: %w", err))
	case errors.As(err, &plain):
		return server{}, await.Never(errors.New("does not speak TLS: want redis:// in place of rediss://"))
	case errors.As(err, &said) && !passing(err):
		return server{}, await.Never(fmt.Errorf("refuses: %w", err))
	default:
		return server{}, err
	}
	var s server
	set := func(key, value any) {
		text, _ := value.(string)
		switch key {
		case "version":
			s.version = text
		case "mode":
			s.mode = text
		case "role":
			s.role = text
		}
	}
	switch reply := reply.(type) {
	case map[any]any: // RESP3
		for key, value := range reply {
			set(key, value)
		}
	case []any: // RESP2
		for i := 0; i+1 < len(reply); i += 2 {
			set(reply[i], reply[i+1])
		}
	}
	return s, nil
}

// passing reports whether the server says that it will serve later.
func passing(err error) bool {
	return goredis.IsLoadingError(err) || goredis.IsClusterDownError(err) || goredis.IsMasterDownError(err) ||
		goredis.IsTryAgainError(err) || goredis.IsMaxClientsError(err)
}

func (s server) check() error {
	if s.version != "" {
		major, _, _ := strings.Cut(s.version, ".")
		if n, err := strconv.Atoi(major); err != nil || n < MinMajor {
			return await.Never(fmt.Errorf("is too old: it is Redis %s, want %d or newer", s.version, MinMajor))
		}
	}
	switch {
	case s.mode == "sentinel":
		return await.Never(errors.New("is a sentinel, which keeps no data: want the server it watches"))
	case s.mode == "standalone" && s.role == "replica":
		return await.Never(errors.New("is a replica, which takes no writes: want its primary"))
	}
	return nil
}

// parse reads the address into options with all bounds, and into what may be
// shown of it. An error says nothing of the address: any part of one that
// cannot be read may be the password.
func parse(address string) (options *goredis.UniversalOptions, masked string, err error) {
	scheme, rest, ok := strings.Cut(address, "://")
	if !ok || scheme != "redis" && scheme != "rediss" {
		return nil, "", errAddress
	}
	authority, path := rest, ""
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		authority, path = rest[:i], rest[i:]
	}
	user, hosts := "", authority
	if i := strings.LastIndex(authority, "@"); i >= 0 {
		user, hosts = authority[:i+1], authority[i+1:]
	}
	options = &goredis.UniversalOptions{
		ClientName:            "cinema",
		DialTimeout:           dialWait,
		DialerRetries:         1, // a command's own retries are enough
		ReadTimeout:           readWait,
		WriteTimeout:          readWait,
		PoolTimeout:           poolWait,
		PoolSize:              poolSize,
		MaxActiveConns:        poolSize,
		ConnMaxIdleTime:       5 * time.Minute,
		MaxRetries:            retries,
		MinRetryBackoff:       minBackoff,
		MaxRetryBackoff:       maxBackoff,
		ContextTimeoutEnabled: true,
		DisableIdentity:       true,
		// Hand-over notices are of one vendor's server; asking for them costs
		// each connection a round trip.
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	}
	if scheme == "rediss" {
		options.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	for host := range strings.SplitSeq(hosts, ",") {
		u, err := url.Parse(scheme + "://" + user + host + path)
		if err != nil || u.Hostname() == "" || u.RawQuery != "" || u.Fragment != "" {
			return nil, "", errAddress
		}
		port := u.Port()
		if port == "" {
			port = "6379"
		}
		options.Addrs = append(options.Addrs, net.JoinHostPort(u.Hostname(), port))
		if len(options.Addrs) > 1 {
			continue
		}
		if u.User != nil {
			options.Username = u.User.Username()
			options.Password, ok = u.User.Password()
			if !ok || options.Password == "" {
				return nil, "", errAddress // redis://password@host forgets the colon
			}
		}
		if db := strings.Trim(u.Path, "/"); db != "" {
			if options.DB, err = strconv.Atoi(db); err != nil || options.DB < 0 {
				return nil, "", errAddress
			}
		}
	}
	options.IsClusterMode = len(options.Addrs) > 1
	if options.IsClusterMode && options.DB != 0 {
		return nil, "", await.Never(errors.New(Variable + " names a cluster, which has no numbered databases: want no /db"))
	}
	masked = scheme + "://"
	if options.Password != "" {
		masked += url.PathEscape(options.Username) + ":***@"
	}
	masked += strings.Join(options.Addrs, ",")
	if !options.IsClusterMode {
		masked += "/" + strconv.Itoa(options.DB)
	}
	return options, masked, nil
}

// bounded gives each command, with its retries and its wait for a connection,
// an end of its own.
type bounded struct{}

func (bounded) DialHook(next goredis.DialHook) goredis.DialHook { return next }

func (bounded) ProcessHook(next goredis.ProcessHook) goredis.ProcessHook {
	return func(ctx context.Context, cmd goredis.Cmder) error {
		ctx, cancel := context.WithTimeout(ctx, CommandWait)
		defer cancel()
		return next(ctx, cmd)
	}
}

func (bounded) ProcessPipelineHook(next goredis.ProcessPipelineHook) goredis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []goredis.Cmder) error {
		ctx, cancel := context.WithTimeout(ctx, CommandWait)
		defer cancel()
		return next(ctx, cmds)
	}
}

// libraryLog passes the library's messages on.
type libraryLog struct{ log *slog.Logger }

func (l libraryLog) Printf(ctx context.Context, format string, v ...any) {
	if l.log.Enabled(ctx, slog.LevelDebug) {
		l.log.DebugContext(ctx, "redis: "+fmt.Sprintf(format, v...))
	}
}
