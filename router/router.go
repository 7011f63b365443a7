package router

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wundergraph/graphql-go-tools/v2/pkg/engine/plan"
	"github.com/wundergraph/graphql-go-tools/v2/pkg/engine/resolve"
)

// Router is the federation router and the program's public HTTP handler.
type Router struct {
	options  Options
	limits   Limits
	log      *slog.Logger
	metrics  Metrics
	graph    *supergraph
	ops      *operations
	resolver *resolve.Resolver
	cookies  map[string]bool
	handler  http.Handler

	// slots bound the queries and mutations in work.
	slots chan struct{}
	// strangers bound the preparation of operations from callers who are not
	// signed in: however many come at once, who is signed in has time left.
	strangers chan struct{}
	// held counts the answers that are kept back.
	held    atomic.Int32
	streams *streams
	// stop ends the engine with all its subscriptions.
	stop context.CancelFunc
	// gate keeps work from beginning once Shutdown waits for it to end.
	gate     sync.RWMutex
	draining bool
	leaving  chan struct{} // closed once draining
	working  sync.WaitGroup
}

// New makes a Router. It refuses missing options and a configuration that does
// not hold together; it calls no subgraph.
func New(o Options) (*Router, error) {
	if err := o.validate(); err != nil {
		return nil, err
	}
	rt := &Router{options: o, limits: o.Limits.withDefaults(), log: o.Logger, metrics: o.Metrics, cookies: map[string]bool{},
		leaving: make(chan struct{})}
	if rt.metrics == nil {
		rt.metrics = noMetrics{}
	}
	if o.CookieSubgraphs == nil {
		o.CookieSubgraphs = []string{"auth"}
	}
	for _, name := range o.CookieSubgraphs {
		rt.cookies[name] = true
	}
	ctx, cancel := context.WithCancel(context.Background())
	rt.stop = cancel
	transport := &subgraphTransport{
		base: o.Transport, names: map[string]string{}, cookies: rt.cookies,
		most: rt.limits.SubgraphBytes, metrics: rt.metrics, log: o.Logger,
	}
	client := &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	var err error
	if rt.graph, err = loadSupergraph(ctx, &o, client, &upstream{base: o.Transport, names: transport.names, most: rt.limits.SubgraphBytes, log: o.Logger}); err != nil {
		cancel()
		return nil, err
	}
	for name, address := range rt.graph.subgraphs {
		u, err := url.Parse(address)
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			cancel()
			return nil, fmt.Errorf("router: the address of the subgraph %s is no http or https URL", name)
		}
		at := u.Host + u.Path
		if other, taken := transport.names[at]; taken {
			cancel()
			return nil, fmt.Errorf("router: the subgraphs %s and %s have one address", other, name)
		}
		transport.names[at] = name
	}
	if rt.ops, err = newOperations(rt.graph, &o, rt.limits); err != nil {
		cancel()
		return nil, err
	}
	rt.slots = make(chan struct{}, rt.limits.Concurrency)
	rt.strangers = make(chan struct{}, runtime.GOMAXPROCS(0))
	rt.streams = newStreams(rt.limits.Connections, rt.limits.ConnectionsPerClient)
	rt.resolver = resolve.New(ctx, resolve.ResolverOptions{
		// The engine's own limit waits without end and knows no context; ours
		// is kept before it is reached.
		MaxConcurrency:               rt.limits.Concurrency + 1,
		AsyncErrorWriter:             &asyncErrors{log: o.Logger},
		PropagateSubgraphErrors:      true,
		SubgraphErrorPropagationMode: resolve.SubgraphErrorPropagationModePassThrough,
		RewriteSubgraphErrorPaths:    true,
		OmitSubgraphErrorLocations:   true,
		AllowAllErrorExtensionFields: true,
		MaxSubscriptionFetchTimeout:  rt.limits.RequestTimeout,
	})
	if rt.handler, err = rt.newHandler(); err != nil {
		cancel()
		return nil, err
	}
	return rt, nil
}

// Handler is the public HTTP handler.
func (rt *Router) Handler() http.Handler { return rt.handler }

// Plans is how many plans are kept.
func (rt *Router) Plans() int { return rt.ops.plans.len() }

// Run warms the plans of the persisted operations, waits for ctx to end and
// shuts down.
func (rt *Router) Run(ctx context.Context) error {
	start := time.Now()
	n, err := rt.warm(ctx)
	if err != nil && ctx.Err() == nil {
		// One operation that cannot be planned must not keep the others away.
		rt.log.ErrorContext(ctx, "a persisted operation cannot be planned: are the web app and the schema of one build?", "error", err)
	}
	rt.log.InfoContext(ctx, "plans are warm", "operations", n, "ms", time.Since(start).Milliseconds())
	<-ctx.Done()
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), rt.limits.DrainTimeout)
	defer cancel()
	return rt.Shutdown(end)
}

// warm plans each persisted operation as it is with all conditions false and
// all true; other combinations are planned when they are first asked for.
func (rt *Router) warm(ctx context.Context) (n int, err error) {
	var faults []error
	for _, text := range rt.options.Persisted {
		if ctx.Err() != nil {
			return n, ctx.Err()
		}
		op, rejected := rt.ops.find(ctx, text, "", true)
		if rejected != nil {
			faults = append(faults, rejected)
			continue
		}
		for _, all := range []bool{false, true} {
			values := map[string]any{}
			for _, name := range op.conditions {
				values[name] = all
			}
			if _, _, rejected := rt.ops.plan(ctx, op, values); rejected != nil {
				faults = append(faults, fmt.Errorf("%s: %w", op.name, rejected))
			}
			if len(op.conditions) == 0 {
				break
			}
		}
		n++
	}
	return n, errors.Join(faults...)
}

// EndStreams ends open subscriptions for a restart, and turns new ones away,
// while queries and mutations are still answered. A WebSocket is closed with
// 1001 and a stream of events breaks off, neither with a complete: a client that
// was told so would think its subscription over, and not come back.
func (rt *Router) EndStreams() { rt.streams.closeAll(endShutdown) }

// Shutdown turns new work away, ends open subscriptions as EndStreams does and
// waits for what is in work until ctx ends.
func (rt *Router) Shutdown(ctx context.Context) error {
	rt.gate.Lock()
	if !rt.draining {
		close(rt.leaving)
	}
	rt.draining = true
	rt.gate.Unlock()
	rt.EndStreams()
	done := make(chan struct{})
	go func() {
		rt.working.Wait()
		close(done)
	}()
	defer rt.stop()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("router: requests are still in work: %w", ctx.Err())
	}
}

// begin counts a piece of work; false when the router shuts down.
func (rt *Router) begin() bool {
	rt.gate.RLock()
	defer rt.gate.RUnlock()
	if rt.draining {
		return false
	}
	rt.working.Add(1)
	return true
}

// EndSession ends the open subscriptions and connections of a session that was
// revoked. What is in work is let finish: it was let in.
func (rt *Router) EndSession(sessionID string) {
	rt.EndStale(func(p Principal) bool { return sessionID != "" && p.SessionID == sessionID })
}

// EndStale is EndSession for all callers that match: those who may no longer do
// what they could when their token was signed. They can come again with another.
func (rt *Router) EndStale(match func(Principal) bool) { rt.streams.closeOf(match, endSession) }

// asyncErrors writes what goes wrong within a subscription.
type asyncErrors struct{ log *slog.Logger }

// WriteError implements resolve.AsyncErrorWriter.
func (a *asyncErrors) WriteError(ctx *resolve.Context, err error, _ *resolve.GraphQLResponse, w io.Writer) {
	sw, ok := w.(resolve.SubscriptionResponseWriter)
	if !ok || ctx.Context().Err() != nil {
		return
	}
	errs := []gqlError{newError(codeUnavailable, msgUnavailable)}
	var refused *refusedError
	if errors.As(err, &refused) {
		errs = errs[:0]
		for _, e := range refused.errors {
			ext := cleanExtensions(e.Extensions, 0, nil)
			n := newError(ext["code"].(string), e.Message) //nolint:forcetypeassert // cleanExtensions sets it
			n.Extensions.Field, _ = ext["field"].(string)
			n.Extensions.Reason, _ = ext["reason"].(string)
			n.Path = e.Path
			errs = append(errs, n)
		}
	} else {
		a.log.ErrorContext(ctx.Context(), "a subscription failed", "error", err)
	}
	sw.Error(errorBody(errs))
}

func responseOf(p plan.Plan) *resolve.GraphQLResponse {
	switch p := p.(type) {
	case *plan.SynchronousResponsePlan:
		return p.Response
	case *plan.SubscriptionResponsePlan:
		return p.Response.Response
	default:
		return &resolve.GraphQLResponse{}
	}
}
