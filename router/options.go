package router

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"net/netip"
	"runtime"
	"time"

	"github.com/netflixathome/cinema/internal/tracing"
)

// Principal is who asks, as the access token says.
type Principal struct {
	// Subject identifies the account.
	Subject string
	// SessionID is what EndSession ends.
	SessionID string
	// Scopes are permissions such as title:write.
	Scopes map[string]bool
	// ExpiresAt is when the access token ends; zero means never.
	ExpiresAt time.Time
	// Roles and Rights say what the scopes were read from; the router only
	// hands them to whoever calls EndStale.
	Roles  []string
	Rights int64
	// Unsure is set where scopes were left out that cannot be relied on now.
	Unsure bool
}

// Limiter says whether a request of the cost may go on, by a key such as
// "user:…" or "addr:…"; if not, after what time it may try again.
type Limiter interface {
	Allow(ctx context.Context, key string, cost int) (ok bool, retryAfter time.Duration)
}

// Operation is what is known of a finished operation.
type Operation struct {
	// Name is the operation's name, empty when it has none. A client chooses it:
	// it is bounded and printable but must not become a metric's label unchecked.
	Name string
	// Persisted says that the document is one of ours; only then is Name from a
	// closed set.
	Persisted bool
	// Kind is query, mutation or subscription; empty when the document is bad.
	Kind string
	// Transport is http, ws or sse.
	Transport string
	Duration  time.Duration
	// Codes are the extensions.code of its errors, without repetition.
	Codes []string
	// PlanCached says that no plan had to be made.
	PlanCached bool
}

// Metrics is told what happens. Its methods must be quick and safe for
// concurrent use.
type Metrics interface {
	OperationDone(ctx context.Context, op Operation)
	// SubgraphDone is called once for each fetch; failed says that no usable
	// answer came.
	SubgraphDone(ctx context.Context, subgraph string, d time.Duration, failed bool)
	// SubscriptionsChanged is called with +1 and -1.
	SubscriptionsChanged(delta int)
	// ConnectionsChanged is called with +1 and -1 for WebSocket connections.
	ConnectionsChanged(delta int)
}

// Limits bound what a client may ask for. The zero value of a field means its
// default.
type Limits struct {
	// BodyBytes bounds a request's body: default 1 MiB (500 events fit).
	BodyBytes int64
	// DocumentBytes bounds the document: default 64 KiB.
	DocumentBytes int
	// Tokens bounds the document's lexical tokens: default 4,000.
	Tokens int
	// Depth bounds the nesting of fields: default 16; introspection, which every
	// tool asks 14 deep or more, has room.
	Depth int
	// Aliases bounds aliased fields after fragments are spread: default 60.
	Aliases int
	// RootFields bounds the fields at the root: default 20.
	RootFields int
	// Fields bounds all fields after fragments are spread: default 1,000.
	Fields int
	// Directives bounds directives in the document: default 60.
	Directives int
	// VariablesBytes bounds the variables' JSON: default 1 MiB.
	VariablesBytes int
	// RequestTimeout bounds a query or mutation: default 30 s.
	RequestTimeout time.Duration
	// Concurrency bounds queries and mutations in work: default 512. More wait
	// for QueueTimeout and are then told UNAVAILABLE.
	Concurrency int
	// QueueTimeout bounds the wait for a place: default 2 s.
	QueueTimeout time.Duration
	// Hold is for how long a stranger's answer is kept back that says that too
	// many sign in at once, give or take a half: default 2 s.
	Hold time.Duration
	// SubgraphBytes bounds one answer of a subgraph: default 16 MiB.
	SubgraphBytes int64
	// Connections bounds open WebSocket connections and SSE streams together:
	// default 20,000.
	Connections int
	// ConnectionsPerClient bounds them by address (SSE: by account): default
	// 256. Behind a proxy TrustedProxies must be set, or all share one.
	ConnectionsPerClient int
	// SubscriptionsPerConnection bounds a WebSocket connection: default 20.
	SubscriptionsPerConnection int
	// MessageBytes bounds one WebSocket message of a client: default 1 MiB.
	MessageBytes int64
	// InitTimeout is how long connection_init is waited for: default 5 s.
	InitTimeout time.Duration
	// KeepAlive is the time between pings on an open stream: default 15 s.
	KeepAlive time.Duration
	// WriteTimeout bounds one write to a streaming client: default 10 s.
	WriteTimeout time.Duration
	// Plans bounds the plans kept: default 2,000.
	Plans int
	// DrainTimeout bounds Shutdown: default 10 s.
	DrainTimeout time.Duration
}

// Options of New.
type Options struct {
	// Supergraph is the composed execution configuration; required.
	Supergraph []byte
	// Persisted maps SHA-256 in hexadecimal to document; each is checked.
	Persisted map[string]string
	// PersistedOnly refuses every other document.
	PersistedOnly bool
	// NoIntrospection refuses __schema and __type.
	NoIntrospection bool

	// Transport reaches the subgraphs; required. In one process it is an
	// *inprocess.Transport.
	Transport http.RoundTripper
	// SubgraphURLs replaces the address of a subgraph by name. Without it the
	// address is http://<name>.subgraph/graphql.
	SubgraphURLs map[string]string
	// CookieSubgraphs are given the client's cookies and may set cookies and
	// Retry-After; default "auth".
	CookieSubgraphs []string

	// Authenticate verifies an access token; required. Any error means that the
	// token is refused, but one of kind fault.Unavailable that it cannot be
	// checked now.
	Authenticate func(ctx context.Context, bearer string) (Principal, error)
	// Exchange gives the access token that a bearer from an address stands for:
	// an API key's, and of a token itself. It is asked before Authenticate, and
	// beyond the router only the token is shown. Its errors are like
	// Authenticate's. May be nil.
	Exchange func(ctx context.Context, bearer, address string) (string, error)
	// Revoked reports whether a session was ended; may be nil.
	Revoked func(sessionID string) bool
	// Limiter limits rates; may be nil.
	Limiter Limiter
	// Metrics may be nil.
	Metrics Metrics
	// Tracing may be nil, which costs nothing.
	Tracing *tracing.Door
	// Logger is required.
	Logger *slog.Logger
	// Limits bound requests.
	Limits Limits
	// TrustedProxies are the networks whose X-Forwarded-For is believed.
	TrustedProxies []netip.Prefix
	// Origins are further origins ("https://cinema.example") whose pages may
	// open a WebSocket; the router's own always may.
	Origins []string

	// Site is the built web app with index.html at its root; nil says in words
	// how to build it.
	Site fs.FS
	// Playground is the built playground; nil means the embedded one.
	Playground fs.FS
	// Media serves /media/, Uploads serves /uploads/; nil answers 404. They get
	// the connection's own ResponseWriter, so that sendfile works.
	Media, Uploads http.Handler
	// MediaOrigins are origins other than the router's own from which the web
	// app may load media, such as an object store.
	MediaOrigins []string
}

func (l Limits) withDefaults() Limits {
	def := func(p *int, v int) {
		if *p <= 0 {
			*p = v
		}
	}
	def64 := func(p *int64, v int64) {
		if *p <= 0 {
			*p = v
		}
	}
	dur := func(p *time.Duration, v time.Duration) {
		if *p <= 0 {
			*p = v
		}
	}
	def64(&l.BodyBytes, 1<<20)
	def(&l.DocumentBytes, 64<<10)
	def(&l.Tokens, 4000)
	def(&l.Depth, 16)
	def(&l.Aliases, 60)
	def(&l.RootFields, 20)
	def(&l.Fields, 1000)
	def(&l.Directives, 60)
	def(&l.VariablesBytes, 1<<20)
	dur(&l.RequestTimeout, 30*time.Second)
	def(&l.Concurrency, 512)
	dur(&l.QueueTimeout, 2*time.Second)
	dur(&l.Hold, 2*time.Second)
	def64(&l.SubgraphBytes, 16<<20)
	def(&l.Connections, 20_000)
	def(&l.ConnectionsPerClient, 256)
	def(&l.SubscriptionsPerConnection, 20)
	def64(&l.MessageBytes, 1<<20)
	dur(&l.InitTimeout, 5*time.Second)
	dur(&l.KeepAlive, 15*time.Second)
	dur(&l.WriteTimeout, 10*time.Second)
	def(&l.Plans, 2000)
	dur(&l.DrainTimeout, 10*time.Second)
	return l
}

// validate reports every fault at once.
func (o *Options) validate() error {
	var faults []error
	need := func(ok bool, what string) {
		if !ok {
			faults = append(faults, fmt.Errorf("router: %s is required", what))
		}
	}
	need(len(o.Supergraph) > 0, "Supergraph")
	need(o.Transport != nil, "Transport")
	need(o.Authenticate != nil, "Authenticate")
	need(o.Logger != nil, "Logger")
	return errors.Join(faults...)
}

// planners is how many plans may be made at once: planning is all CPU.
func planners() int { return max(1, runtime.GOMAXPROCS(0)/2) }

type noMetrics struct{}

func (noMetrics) OperationDone(context.Context, Operation)                  {}
func (noMetrics) SubgraphDone(context.Context, string, time.Duration, bool) {}
func (noMetrics) SubscriptionsChanged(int)                                  {}
func (noMetrics) ConnectionsChanged(int)                                    {}
