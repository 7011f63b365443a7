package app

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/netflixathome/cinema/internal/blob/s3"
	"github.com/netflixathome/cinema/internal/mail/smtp"
	"github.com/netflixathome/cinema/internal/tracing"
)

// Targets are the services a process can run; "all" stands for every one.
var Targets = []string{"router", "auth", "catalog", "admin", "telemetry", "etl", "collectors"}

// Config is all that can be set. Every field has an environment variable;
// those a person at home wants have a flag too.
type Config struct {
	Targets    []string
	DataDir    string
	EnginesDir string
	Demo       bool
	HTTP       HTTPConfig
	Log        LogConfig
	Postgres   PostgresConfig
	ClickHouse ClickHouseConfig
	Kafka      KafkaConfig
	Redis      RedisConfig
	Search     SearchConfig
	Objects    ObjectsConfig
	Auth       AuthConfig
	SMTP       SMTPConfig
	Subgraphs  map[string]string // address by name, of those that run elsewhere
	Media      MediaConfig
	Tracing    TracingConfig
	Backup     BackupConfig
	Load       LoadConfig
	// Warnings are what is not wrong and not well either.
	Warnings []string
}

// HTTPConfig is where the process listens.
type HTTPConfig struct {
	Listen    string // the public address
	OpsListen string // health and metrics; never public
	PublicURL string // how browsers reach it
	// TrustedProxies are the networks whose X-Forwarded-For is believed.
	TrustedProxies []netip.Prefix
}

// LogConfig is what is logged and how.
type LogConfig struct {
	Level  string // debug, info, warn, error
	Format string // text, json
}

// PostgresConfig holds a URL per database; empty ones are embedded.
type PostgresConfig struct{ Auth, Catalog, Telemetry string }

// ClickHouseConfig is the analytics store; without Addrs it is embedded. More
// than one are the servers of a cluster, by the name that they give it.
type ClickHouseConfig struct {
	Addrs                             []string
	Cluster, Database, User, Password string
}

// KafkaConfig is the event log; without Brokers it is embedded.
type KafkaConfig struct{ Brokers []string }

// RedisConfig is what instances share: cache, limits, news; without URL it is
// in process.
type RedisConfig struct{ URL string }

// SearchConfig is the search index; without URLs it is embedded.
type SearchConfig struct{ URLs []string }

// ObjectsConfig is the object store; without URL it is the data folder.
type ObjectsConfig struct {
	URL, PublicURL, Region, Bucket string
	AccessKey, SecretKey           string
}

func (o ObjectsConfig) s3() s3.Config {
	return s3.Config{
		Endpoint: o.URL, PublicURL: o.PublicURL, Region: o.Region, Bucket: o.Bucket, AccessKey: o.AccessKey, SecretKey: o.SecretKey,
	}
}

// AuthConfig is about accounts.
type AuthConfig struct {
	// Secret seals tokens and signing keys, 32 bytes in hexadecimal; empty:
	// made at the first start and kept in the data folder.
	Secret string
	// KeepSignIns is how many days sign-ins stay in the history, 1 to 3650.
	KeepSignIns int
	// AdminFactor requires a second factor of administrators.
	AdminFactor bool
	// Google, Yandex and Others vouch for viewers; those without a client id are
	// not used.
	Google, Yandex ProviderConfig
	Others         []*ProviderConfig
	// KeyDays is after how many days the key that signs access tokens gets a
	// successor, 1 to 365.
	KeyDays int
	// SignUp is who may make an account: open, invitation or closed.
	SignUp string
}

// SMTPConfig is the server that sends e-mail; without Addr none is sent.
type SMTPConfig struct{ Addr, User, Password, From, TLS string }

func (c *Config) smtp() smtp.Config {
	hello := ""
	if u, err := url.Parse(c.PublicURL()); err == nil {
		hello = u.Hostname()
	}
	return smtp.Config{Addr: c.SMTP.Addr, User: c.SMTP.User, Password: c.SMTP.Password, From: c.SMTP.From, TLS: c.SMTP.TLS, Hello: hello}
}

// MediaConfig is about films and pictures.
type MediaConfig struct {
	FFmpeg  string // path; empty: found
	FFprobe string
	// SigningKey signs media addresses, 32 bytes in hexadecimal; empty:
	// made at the first start and kept in the data folder.
	SigningKey string
}

// TracingConfig is where traces go; without URL nothing is traced.
type TracingConfig struct {
	URL   string
	Ratio float64
	// Key has the trace kept of a request that carries it; empty: of none.
	Key string
}

// BackupConfig is about backups; without To none is made by itself.
type BackupConfig struct {
	To    string        // a folder, or s3://bucket/folder
	Every time.Duration // between two
	Keep  int           // how many of those stay
	// Key encrypts them: an age key or a passphrase; empty: they are not.
	Key string
	// S3 is the store of s3:// targets; its empty fields are those of Objects.
	S3 ObjectsConfig
}

// LoadConfig is for the command cinema load.
type LoadConfig struct {
	// AdminPassword is of the account that may make synthetic viewers. It is no
	// flag: the list of processes shows flags to everybody.
	AdminPassword string
}

type setting struct {
	env, def, doc string
	secret        bool
	set           func(c *Config, v string) error
	get           func(c *Config) string
}

func text(env, def, doc string, field func(c *Config) *string) setting {
	return setting{env: env, def: def, doc: doc,
		set: func(c *Config, v string) error { *field(c) = v; return nil },
		get: func(c *Config) string { return *field(c) }}
}

// list is a setting of addresses, host:port with commas between.
func list(env, doc string, field func(c *Config) *[]string) setting {
	return setting{env: env, doc: doc,
		set: func(c *Config, v string) error {
			*field(c) = nil
			for one := range strings.SplitSeq(v, ",") {
				if one = strings.TrimSpace(one); one == "" {
					continue
				}
				if _, _, err := net.SplitHostPort(one); err != nil {
					return fmt.Errorf("%q: want host:port", one)
				}
				*field(c) = append(*field(c), one)
			}
			return nil
		},
		get: func(c *Config) string { return strings.Join(*field(c), ",") }}
}

func hidden(s setting) setting { s.secret = true; return s }

// settings is the one list from which the configuration is read, checked,
// printed and documented.
var settings = []setting{
	{env: "CINEMA_TARGET", def: "all", doc: "what this process runs: all, or a list of " + strings.Join(Targets, ", "),
		set: func(c *Config, v string) error {
			c.Targets = nil
			for _, t := range strings.Split(v, ",") {
				t = strings.TrimSpace(t)
				switch {
				case t == "all":
					c.Targets = slices.Clone(Targets)
				case slices.Contains(Targets, t):
					if !slices.Contains(c.Targets, t) {
						c.Targets = append(c.Targets, t)
					}
				default:
					return fmt.Errorf("%q is no target; there are all, %s", t, strings.Join(Targets, ", "))
				}
			}
			return nil
		},
		get: func(c *Config) string { return strings.Join(c.Targets, ",") }},
	text("CINEMA_DATA_DIR", "data", "folder for everything that must last", func(c *Config) *string { return &c.DataDir }),
	text("CINEMA_ENGINES_DIR", "", "folder with the engines' programs; empty: beside the program", func(c *Config) *string { return &c.EnginesDir }),
	{env: "CINEMA_DEMO", def: "true", doc: "whether the first start on an empty data folder makes the demo cinema",
		set: func(c *Config, v string) error {
			b, err := strconv.ParseBool(v)
			if err != nil {
				return errors.New("want true or false")
			}
			c.Demo = b
			return nil
		},
		get: func(c *Config) string { return strconv.FormatBool(c.Demo) }},
	text("CINEMA_LISTEN", "127.0.0.1:8080", "address for browsers; :8080 serves the whole network", func(c *Config) *string { return &c.HTTP.Listen }),
	text("CINEMA_OPS_LISTEN", "127.0.0.1:9180", "address for health and metrics; keep it private; empty: none", func(c *Config) *string { return &c.HTTP.OpsListen }),
	text("CINEMA_PUBLIC_URL", "", "how browsers reach it, such as https://cinema.example; empty: http and the listen address", func(c *Config) *string { return &c.HTTP.PublicURL }),
	{env: "CINEMA_TRUSTED_PROXIES", doc: "addresses or networks (10.0.0.0/8) of the proxies in front, whose X-Forwarded-For is believed; without them all viewers behind one share its limits",
		set: func(c *Config, v string) error {
			c.HTTP.TrustedProxies = nil
			for _, one := range strings.Split(v, ",") {
				if one = strings.TrimSpace(one); one == "" {
					continue
				}
				p, err := netip.ParsePrefix(one)
				if a, addrErr := netip.ParseAddr(one); addrErr == nil {
					p, err = a.Unmap().Prefix(a.Unmap().BitLen())
				}
				if err != nil {
					return fmt.Errorf("%q: want an address or a network such as 10.0.0.0/8", one)
				}
				c.HTTP.TrustedProxies = append(c.HTTP.TrustedProxies, p.Masked())
			}
			return nil
		},
		get: func(c *Config) string {
			var all []string
			for _, p := range c.HTTP.TrustedProxies {
				all = append(all, p.String())
			}
			return strings.Join(all, ",")
		}},
	text("CINEMA_LOG_LEVEL", "info", "debug, info, warn or error", func(c *Config) *string { return &c.Log.Level }),
	text("CINEMA_LOG_FORMAT", "text", "text or json", func(c *Config) *string { return &c.Log.Format }),
	hidden(text("CINEMA_POSTGRES_AUTH_URL", "", "postgres:// address of the auth database; empty: embedded", func(c *Config) *string { return &c.Postgres.Auth })),
	hidden(text("CINEMA_POSTGRES_CATALOG_URL", "", "postgres:// address of the catalog database; empty: embedded", func(c *Config) *string { return &c.Postgres.Catalog })),
	hidden(text("CINEMA_POSTGRES_TELEMETRY_URL", "", "postgres:// address of the telemetry database; empty: embedded", func(c *Config) *string { return &c.Postgres.Telemetry })),
	list("CINEMA_CLICKHOUSE_ADDR", "host:port of ClickHouse's native protocol, of a cluster a list of every server's; empty: embedded", func(c *Config) *[]string { return &c.ClickHouse.Addrs }),
	text("CINEMA_CLICKHOUSE_CLUSTER", "", "name of the cluster in the ClickHouse servers' remote_servers; empty: there is one server", func(c *Config) *string { return &c.ClickHouse.Cluster }),
	text("CINEMA_CLICKHOUSE_DATABASE", "cinema", "ClickHouse database", func(c *Config) *string { return &c.ClickHouse.Database }),
	text("CINEMA_CLICKHOUSE_USER", "cinema", "ClickHouse user", func(c *Config) *string { return &c.ClickHouse.User }),
	hidden(text("CINEMA_CLICKHOUSE_PASSWORD", "", "ClickHouse password", func(c *Config) *string { return &c.ClickHouse.Password })),
	list("CINEMA_KAFKA_BROKERS", "host:port list of Kafka; empty: embedded", func(c *Config) *[]string { return &c.Kafka.Brokers }),
	hidden(text("CINEMA_REDIS_URL", "", "redis:// or rediss:// address of what instances share (cache, limits, news); empty: in process", func(c *Config) *string { return &c.Redis.URL })),
	hidden(setting{env: "CINEMA_ELASTICSEARCH_URL", doc: "list of http(s)://user:password@host:port of Elasticsearch; empty: embedded",
		set: func(c *Config, v string) error {
			c.Search.URLs = nil
			for _, one := range strings.Split(v, ",") {
				if one = strings.TrimSpace(one); one == "" {
					continue
				}
				if u, err := url.Parse(one); err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
					return errors.New("want http(s)://host:port, or several with commas between")
				}
				c.Search.URLs = append(c.Search.URLs, one)
			}
			return nil
		},
		get: func(c *Config) string { return strings.Join(c.Search.URLs, ",") }}),
	text("CINEMA_S3_URL", "", "http(s)://host:port of the S3 object store; empty: files in the data folder", func(c *Config) *string { return &c.Objects.URL }),
	text("CINEMA_S3_PUBLIC_URL", "", "how browsers reach the object store: films are then sent from there; empty: through this program", func(c *Config) *string { return &c.Objects.PublicURL }),
	text("CINEMA_S3_REGION", "", "region of the object store; empty: it is asked", func(c *Config) *string { return &c.Objects.Region }),
	text("CINEMA_S3_BUCKET", "cinema", "bucket of the object store", func(c *Config) *string { return &c.Objects.Bucket }),
	text("CINEMA_S3_ACCESS_KEY", "", "access key of the object store", func(c *Config) *string { return &c.Objects.AccessKey }),
	hidden(text("CINEMA_S3_SECRET_KEY", "", "secret key of the object store", func(c *Config) *string { return &c.Objects.SecretKey })),
	subgraphAddress("auth"), subgraphAddress("catalog"), subgraphAddress("admin"), subgraphAddress("telemetry"),
	text("CINEMA_FFMPEG", "", "path of ffmpeg; empty: found on the PATH", func(c *Config) *string { return &c.Media.FFmpeg }),
	text("CINEMA_FFPROBE", "", "path of ffprobe; empty: found on the PATH", func(c *Config) *string { return &c.Media.FFprobe }),
	hidden(text("CINEMA_AUTH_SECRET", "", "64 hexadecimal digits that seal tokens and keys, the same for every auth instance; empty: made and kept in the data folder", func(c *Config) *string { return &c.Auth.Secret })),
	{env: "CINEMA_SIGN_IN_HISTORY_DAYS", def: "90", doc: "how many days sign-ins and attempts are kept for the account's owner to see",
		set: func(c *Config, v string) error {
			n, err := strconv.Atoi(v)
			if err != nil || n < 1 || n > 3650 {
				return errors.New("want a number of days from 1 to 3650")
			}
			c.Auth.KeepSignIns = n
			return nil
		},
		get: func(c *Config) string { return strconv.Itoa(c.Auth.KeepSignIns) }},
	{env: "CINEMA_SIGNING_KEY_DAYS", def: "30", doc: "after how many days the key that signs access tokens gets a successor, which signs nobody out",
		set: func(c *Config, v string) error {
			n, err := strconv.Atoi(v)
			if err != nil || n < 1 || n > 365 {
				return errors.New("want a number of days from 1 to 365")
			}
			c.Auth.KeyDays = n
			return nil
		},
		get: func(c *Config) string { return strconv.Itoa(c.Auth.KeyDays) }},
	{env: "CINEMA_ADMIN_SECOND_FACTOR", def: "optional", doc: "required: an administrator without a second factor sets one up at the next sign-in and can do nothing else until then; or optional",
		set: func(c *Config, v string) error {
			if v != "optional" && v != "required" {
				return errors.New("want optional or required")
			}
			c.Auth.AdminFactor = v == "required"
			return nil
		},
		get: func(c *Config) string {
			if c.Auth.AdminFactor {
				return "required"
			}
			return "optional"
		}},
	text("CINEMA_GOOGLE_CLIENT_ID", "", "client id at Google, with which viewers sign in with their accounts there; empty: they do not", func(c *Config) *string { return &c.Auth.Google.ClientID }),
	hidden(text("CINEMA_GOOGLE_CLIENT_SECRET", "", "its client secret", func(c *Config) *string { return &c.Auth.Google.ClientSecret })),
	text("CINEMA_YANDEX_CLIENT_ID", "", "client id at Yandex ID, likewise; empty: none", func(c *Config) *string { return &c.Auth.Yandex.ClientID }),
	hidden(text("CINEMA_YANDEX_CLIENT_SECRET", "", "its client secret", func(c *Config) *string { return &c.Auth.Yandex.ClientSecret })),
	otherProviders(),
	text("CINEMA_SIGN_UP", "open", "who may make an account: open (everyone), invitation (who was invited) or closed (nobody)", func(c *Config) *string { return &c.Auth.SignUp }),
	text("CINEMA_SMTP_ADDR", "", "host:port of the mail server, for links to new passwords, addresses and invitations; empty: no e-mail is sent", func(c *Config) *string { return &c.SMTP.Addr }),
	text("CINEMA_SMTP_USER", "", "user at the mail server; empty: none is shown", func(c *Config) *string { return &c.SMTP.User }),
	hidden(text("CINEMA_SMTP_PASSWORD", "", "its password", func(c *Config) *string { return &c.SMTP.Password })),
	text("CINEMA_SMTP_FROM", "", "sender of e-mail, such as NetflixAtHome <cinema@example.org>", func(c *Config) *string { return &c.SMTP.From }),
	text("CINEMA_SMTP_TLS", smtp.StartTLS, "starttls, implicit (TLS from the first byte, port 465), or none, to a server on this machine only", func(c *Config) *string { return &c.SMTP.TLS }),
	hidden(text("CINEMA_LOAD_ADMIN_PASSWORD", "", "password with which cinema load may make synthetic viewers", func(c *Config) *string { return &c.Load.AdminPassword })),
	hidden(text("CINEMA_MEDIA_SIGNING_KEY", "", "64 hexadecimal digits that sign media addresses; empty: made and kept in the data folder", func(c *Config) *string { return &c.Media.SigningKey })),
	text("CINEMA_OTLP_URL", "", "http(s)://host:4318 of what takes traces by OTLP, such as Jaeger; empty: nothing is traced", func(c *Config) *string { return &c.Tracing.URL }),
	{env: "CINEMA_TRACE_RATIO", def: "0.05", doc: "share of requests whose traces are kept, 0 to 1; of those that failed all are",
		set: func(c *Config, v string) error {
			f, err := strconv.ParseFloat(v, 64)
			if err != nil || !(f >= 0 && f <= 1) { // NaN is neither
				return errors.New("want a number from 0 to 1")
			}
			c.Tracing.Ratio = f
			return nil
		},
		get: func(c *Config) string { return strconv.FormatFloat(c.Tracing.Ratio, 'f', -1, 64) }},
	hidden(text("CINEMA_TRACE_KEY", "", "a secret of "+strconv.Itoa(shortestTraceKey)+" characters or more: the trace of a request with it in the header "+tracing.KeyHeader+" is kept; empty: of none", func(c *Config) *string { return &c.Tracing.Key })),
	text("CINEMA_BACKUP_TO", "", "where a backup is made by itself: a folder, or s3://bucket/folder; empty: none is", func(c *Config) *string { return &c.Backup.To }),
	{env: "CINEMA_BACKUP_EVERY", def: "24h", doc: "time from one such backup to the next, a minute or more",
		set: func(c *Config, v string) (err error) {
			if c.Backup.Every, err = time.ParseDuration(v); err != nil || c.Backup.Every < time.Minute {
				return fmt.Errorf("%q: want a time of a minute or more, such as 24h", v)
			}
			return nil
		},
		get: func(c *Config) string { return c.Backup.Every.String() }},
	{env: "CINEMA_BACKUP_KEEP", def: "7", doc: "how many such backups stay, the newest ones",
		set: func(c *Config, v string) (err error) {
			if c.Backup.Keep, err = strconv.Atoi(v); err != nil || c.Backup.Keep < 1 {
				return fmt.Errorf("%q: want a number from 1", v)
			}
			return nil
		},
		get: func(c *Config) string { return strconv.Itoa(c.Backup.Keep) }},
	hidden(text("CINEMA_BACKUP_KEY", "", "encrypts backups: a passphrase, an age key (AGE-SECRET-KEY-1…), or its public part (age1…), with which they can be made and not read; empty: they are not encrypted", func(c *Config) *string { return &c.Backup.Key })),
	text("CINEMA_BACKUP_S3_URL", "", "http(s)://host:port of the S3 store of backups; empty: that of the objects", func(c *Config) *string { return &c.Backup.S3.URL }),
	text("CINEMA_BACKUP_S3_REGION", "", "its region; empty: it is asked", func(c *Config) *string { return &c.Backup.S3.Region }),
	text("CINEMA_BACKUP_S3_ACCESS_KEY", "", "its access key; empty: that of the objects' store", func(c *Config) *string { return &c.Backup.S3.AccessKey }),
	hidden(text("CINEMA_BACKUP_S3_SECRET_KEY", "", "its secret key; empty: that of the objects' store", func(c *Config) *string { return &c.Backup.S3.SecretKey })),
}

// shortestTraceKey keeps a key from being guessed: it opens nothing but the
// trace store's disk.
const shortestTraceKey = 16

func subgraphAddress(name string) setting {
	return setting{env: "CINEMA_" + strings.ToUpper(name) + "_URL",
		doc: "http address of the " + name + " service, where this process does not run it",
		set: func(c *Config, v string) error {
			if v == "" {
				delete(c.Subgraphs, name)
				return nil
			}
			u, err := url.Parse(v)
			if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
				return errors.New("want http://host:port")
			}
			c.Subgraphs[name] = strings.TrimSuffix(v, "/")
			return nil
		},
		get: func(c *Config) string { return c.Subgraphs[name] }}
}

// Load reads the configuration from flags (by variable name, as given) over
// environment variables over defaults. A variable NAME can be given as
// NAME_FILE, whose content is taken without its last line end; not both. All
// faults are reported in one error.
func Load(flags map[string]string, lookup func(string) (string, bool)) (*Config, error) {
	c := &Config{Subgraphs: map[string]string{}}
	var faults []error
	fault := func(env, format string, args ...any) {
		faults = append(faults, fmt.Errorf("  %s: %s", env, fmt.Sprintf(format, args...)))
	}
	of := func(name string) string {
		if v, ok := lookup(name); ok {
			return v
		}
		return ""
	}
	for s := range eachSetting(c) {
		v := s.def
		given, path := of(s.env), of(s.env+"_FILE")
		switch {
		case given != "" && path != "":
			fault(s.env+"_FILE", "%s is set too: set one of them", s.env)
			continue
		case given != "":
			v = given
		case path != "":
			text, open, err := readSetting(path)
			if err != nil {
				fault(s.env+"_FILE", "%v", err)
				continue
			}
			if open && s.secret {
				c.Warnings = append(c.Warnings, fmt.Sprintf("%s_FILE: %s can be read by every account of this machine: chmod o-rwx", s.env, path))
			}
			v = text
		}
		if f, ok := flags[s.env]; ok {
			v = f
		}
		if v == "" && s.set == nil {
			continue
		}
		if v == "" && s.def == "" && s.get(c) == "" {
			continue
		}
		if err := s.set(c, v); err != nil {
			fault(s.env, "%v", err)
		}
	}
	for _, f := range c.validate() {
		fault(f.env, "%s", f.text)
	}
	if len(faults) > 0 {
		return nil, fmt.Errorf("the configuration cannot be used:\n%w", errors.Join(faults...))
	}
	return c, nil
}

// maxSetting bounds what is read of a file.
const maxSetting = 64 << 10

// mounted is where containers find their secrets, with a mode of the runtime's
// choice and with nobody else there to read them.
const mounted = "/run/secrets/"

// readSetting reads a setting's file, without its last line end; open says that
// anybody on the machine may read or change it.
func readSetting(path string) (text string, open bool, err error) {
	f, err := os.Open(path)
	if err != nil {
		return "", false, fmt.Errorf("the file cannot be read: %w", errors.Unwrap(err))
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", false, fmt.Errorf("the file cannot be read: %w", errors.Unwrap(err))
	}
	if info.IsDir() {
		return "", false, errors.New("want a file, this is a folder")
	}
	b, err := io.ReadAll(io.LimitReader(f, maxSetting+1))
	if err != nil {
		return "", false, errors.New("the file cannot be read")
	}
	if len(b) > maxSetting {
		return "", false, fmt.Errorf("the file has more than %d bytes", maxSetting)
	}
	open = info.Mode().Perm()&0o007 != 0 && !strings.HasPrefix(filepath.Clean(path), mounted)
	return strings.TrimSuffix(strings.TrimSuffix(string(b), "\n"), "\r"), open, nil
}

type configFault struct{ env, text string }

func (c *Config) validate() (faults []configFault) {
	add := func(env, format string, args ...any) {
		faults = append(faults, configFault{env, fmt.Sprintf(format, args...)})
	}
	if c.DataDir == "" {
		add("CINEMA_DATA_DIR", "want a folder")
	}
	for env, addr := range map[string]string{"CINEMA_LISTEN": c.HTTP.Listen, "CINEMA_OPS_LISTEN": c.HTTP.OpsListen} {
		if addr == "" && env == "CINEMA_OPS_LISTEN" {
			continue
		}
		_, port, err := net.SplitHostPort(addr)
		n, numErr := strconv.Atoi(port)
		if err != nil || numErr != nil || n < 0 || n > 65535 {
			add(env, "%q: want host:port, such as 127.0.0.1:8080", addr)
		}
	}
	if c.HTTP.PublicURL != "" {
		u, err := url.Parse(c.HTTP.PublicURL)
		if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") || strings.Trim(u.Path, "/") != "" {
			add("CINEMA_PUBLIC_URL", "%q: want http(s)://host without a path", c.HTTP.PublicURL)
		}
	}
	if !slices.Contains([]string{"debug", "info", "warn", "error"}, c.Log.Level) {
		add("CINEMA_LOG_LEVEL", "%q: want debug, info, warn or error", c.Log.Level)
	}
	if !slices.Contains([]string{"text", "json"}, c.Log.Format) {
		add("CINEMA_LOG_FORMAT", "%q: want text or json", c.Log.Format)
	}
	for env, dsn := range map[string]string{
		"CINEMA_POSTGRES_AUTH_URL": c.Postgres.Auth, "CINEMA_POSTGRES_CATALOG_URL": c.Postgres.Catalog,
		"CINEMA_POSTGRES_TELEMETRY_URL": c.Postgres.Telemetry} {
		if dsn == "" {
			continue
		}
		u, err := url.Parse(dsn)
		if err != nil || (u.Scheme != "postgres" && u.Scheme != "postgresql") || strings.Trim(u.Path, "/") == "" {
			add(env, "want postgres://user:password@host:port/database")
		}
	}
	switch n := len(c.ClickHouse.Addrs); {
	case n > 1 && c.ClickHouse.Cluster == "":
		add("CINEMA_CLICKHOUSE_CLUSTER", "CINEMA_CLICKHOUSE_ADDR has %d servers: want the name of their cluster", n)
	case n == 0 && c.ClickHouse.Cluster != "":
		add("CINEMA_CLICKHOUSE_ADDR", "want the address of every server of the cluster %s", c.ClickHouse.Cluster)
	}
	if o := c.Objects; o.URL == "" && c.Backup.S3.URL == "" && (o.PublicURL != "" || o.AccessKey != "" || o.SecretKey != "") {
		add("CINEMA_S3_URL", "want the address of the object store, for its key or public address is set")
	}
	if c.Objects.URL != "" {
		for env, text := range c.Objects.s3().Faults() {
			add(env, "%s", text)
		}
	}
	if c.Backup.To != "" {
		if err := c.checkBackupTarget(c.Backup.To); err != nil {
			add("CINEMA_BACKUP_TO", "%v", err)
		}
	}
	if k := c.Auth.Secret; k != "" && !isHex32(k) {
		add("CINEMA_AUTH_SECRET", "want 64 hexadecimal digits")
	}
	c.Auth.checkProviders(add)
	if !slices.Contains([]string{"open", "invitation", "closed"}, c.Auth.SignUp) {
		add("CINEMA_SIGN_UP", "%q: want open, invitation or closed", c.Auth.SignUp)
	}
	if c.SMTP.Addr != "" && c.HTTP.PublicURL == "" {
		add("CINEMA_PUBLIC_URL", "want how browsers reach it: it stands in the links that are mailed")
	}
	for field, text := range c.smtp().Faults() {
		add("CINEMA_SMTP_"+strings.ToUpper(field), "%s", text)
	}
	if k := c.Media.SigningKey; k != "" && !isHex32(k) {
		add("CINEMA_MEDIA_SIGNING_KEY", "want 64 hexadecimal digits")
	}
	if c.Tracing.URL != "" {
		u, err := url.Parse(c.Tracing.URL)
		if err != nil || u.Host == "" || u.User != nil || (u.Scheme != "http" && u.Scheme != "https") || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" {
			add("CINEMA_OTLP_URL", "want http(s)://host:port without user or path, such as http://jaeger:4318")
		}
	}
	if k := c.Tracing.Key; k != "" && len(k) < shortestTraceKey {
		add("CINEMA_TRACE_KEY", "want %d characters or more", shortestTraceKey)
	}
	if c.Has("router") {
		for _, name := range []string{"auth", "catalog", "admin", "telemetry"} {
			if !c.Has(name) && c.Subgraphs[name] == "" {
				add("CINEMA_"+strings.ToUpper(name)+"_URL", "the router needs the address of the %s service, which this process does not run", name)
			}
		}
	}
	for _, name := range []string{"catalog", "admin", "telemetry"} {
		if c.Has(name) && !c.Has("auth") && c.Subgraphs["auth"] == "" {
			add("CINEMA_AUTH_URL", "the %s service checks tokens with the keys of the auth service: its address is needed", name)
			break
		}
	}
	sort.Slice(faults, func(i, j int) bool { return faults[i].env < faults[j].env })
	return faults
}

func isHex32(s string) bool {
	if len(s) != 64 {
		return false
	}
	for _, r := range s {
		if !strings.ContainsRune("0123456789abcdefABCDEF", r) {
			return false
		}
	}
	return true
}

// Has reports whether this process runs the target.
func (c *Config) Has(target string) bool { return slices.Contains(c.Targets, target) }

// PublicURL is how browsers reach the program.
func (c *Config) PublicURL() string {
	if c.HTTP.PublicURL != "" {
		return strings.TrimSuffix(c.HTTP.PublicURL, "/")
	}
	host, port, _ := net.SplitHostPort(c.HTTP.Listen)
	if ip := net.ParseIP(host); host == "" || (ip != nil && ip.IsUnspecified()) || host == "127.0.0.1" {
		host = "localhost"
	}
	return "http://" + net.JoinHostPort(host, port)
}

// Print writes the effective configuration, secrets masked.
func (c *Config) Print(w io.Writer) {
	for s := range eachSetting(c) {
		v := s.get(c)
		if s.secret && v != "" {
			v = "********"
		}
		_, _ = fmt.Fprintf(w, "%s=%s\n", s.env, v)
	}
}

// Document writes the table of settings for people.
func Document(w io.Writer) {
	for _, s := range append(slices.Clone(settings), providerSettings("NAME", 0)...) {
		_, _ = fmt.Fprintf(w, "  %-32s %s", s.env, s.doc)
		if s.def != "" {
			_, _ = fmt.Fprintf(w, " (%s)", s.def)
		}
		_, _ = fmt.Fprintln(w)
	}
}
