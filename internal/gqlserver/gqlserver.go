// Package gqlserver turns a subgraph's executable schema into its HTTP handler.
//
// All subgraphs share what it does: it speaks JSON over POST and subscriptions
// over SSE to the router; it reads the caller's claims; it closes every root
// field and entity whose schema names no rule, and enforces the rule where
// there is one; it presents faults; it keeps limits.
package gqlserver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/handler"
	"github.com/99designs/gqlgen/graphql/handler/extension"
	"github.com/99designs/gqlgen/graphql/handler/lru"
	"github.com/99designs/gqlgen/graphql/handler/transport"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"github.com/netflixathome/cinema/internal/authn"
	"github.com/netflixathome/cinema/internal/fault"
)

const (
	// maxBody bounds a request; a batch of a hundred events is far below it.
	maxBody = 4 << 20
	// maxTokens bounds a document. The router writes longer ones than people
	// do, so this stops only what no router sends.
	maxTokens = 50_000
)

// Options of New.
type Options struct {
	// Schema is the subgraph; required.
	Schema graphql.ExecutableSchema
	// Verifier checks access tokens; required.
	Verifier authn.Verifier
	// Logger gets internal errors; required.
	Logger *slog.Logger
	// Prepare adds to a request's context what lives as long as the request,
	// such as dataloaders; may be nil.
	Prepare func(ctx context.Context, r *http.Request, w http.ResponseWriter) context.Context
	// Allow may refuse what the schema's rules let through; it is asked for each
	// field that has a resolver or a rule. May be nil.
	Allow func(c *authn.Claims, object, field string) error
	// Keep lets answers be kept; nil keeps none.
	Keep *Keep
	// Stale is since when answers may be old, because what they are made from has
	// not been reached; zero while it is. May be nil. Each answer says so to the
	// router, which tells the client.
	Stale func() time.Time
}

// StaleHeader is the header of an answer that may be old: since when.
const StaleHeader = "X-Cinema-Stale-Since"

// New makes the handler. It refuses a schema in which a root field or a
// resolvable entity has no rule.
func New(o Options) (http.Handler, error) {
	if o.Schema == nil || o.Verifier == nil || o.Logger == nil {
		return nil, errors.New("gqlserver: Schema, Verifier and Logger are required")
	}
	rules, err := readRules(o.Schema.Schema())
	if err != nil {
		return nil, err
	}
	rules.also = o.Allow
	var answers *kept
	if o.Keep != nil {
		if answers, err = newKept(*o.Keep, o.Schema.Schema()); err != nil {
			return nil, err
		}
	}
	s := handler.New(o.Schema)
	s.AddTransport(transport.SSE{KeepAlivePingInterval: 10 * time.Second})
	s.AddTransport(post{answers, o.Stale})
	s.SetQueryCache(lru.New[*ast.QueryDocument](1000))
	s.SetParserTokenLimit(maxTokens)
	s.Use(extension.Introspection{})
	s.Use(rules)
	s.Use(spans{})
	s.SetErrorPresenter(presenter(o.Logger))
	s.SetRecoverFunc(func(ctx context.Context, v any) error {
		return fmt.Errorf("panic: %v\n%s", v, debug.Stack())
	})
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		if o.Prepare != nil {
			r = r.WithContext(o.Prepare(r.Context(), r, w))
		}
		s.ServeHTTP(w, r)
	})
	return authn.Middleware(o.Verifier, h), nil
}

// presenter turns an error into what a client may read of it.
func presenter(log *slog.Logger) graphql.ErrorPresenterFunc {
	return func(ctx context.Context, err error) *gqlerror.Error {
		var fe *fault.Error
		var ge *gqlerror.Error
		out := &gqlerror.Error{Path: graphql.GetPath(ctx), Extensions: map[string]any{}}
		isGraphQL := errors.As(err, &ge)
		if isGraphQL {
			out.Path, out.Locations = ge.Path, ge.Locations
		}
		switch {
		case errors.As(err, &fe):
			out.Message = fe.Message
			out.Extensions["code"] = fe.Kind.Code()
			if fe.Field != "" {
				out.Extensions["field"] = fe.Field
			}
			if fe.Reason != "" {
				out.Extensions["reason"] = fe.Reason
			}
			if fe.Cause != nil && (fe.Kind == fault.Internal || fe.Kind == fault.Unavailable) {
				log.ErrorContext(ctx, "request failed", "path", out.Path.String(), "code", fe.Kind.Code(), "error", fe.Cause)
			}
		case isGraphQL && ge.Unwrap() == nil:
			// Made by gqlgen itself: parsing, validation. Its text speaks of
			// the request only, but it must not give the whole of it back.
			out.Message, out.Rule = ge.Message, ge.Rule
			out.Extensions["code"] = fault.Invalid.Code()
		case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
			out.Message = "The request took too long and was given up."
			out.Extensions["code"] = fault.Unavailable.Code()
		case isGraphQL && inputField(ctx, ge) != "":
			// A scalar refused its value; it says what it wants instead.
			out.Path = graphql.GetFieldContext(ctx).Path()
			out.Message = ge.Message
			out.Extensions["code"] = fault.Invalid.Code()
			out.Extensions["field"] = inputField(ctx, ge)
		case storeAway(err):
			log.ErrorContext(ctx, "request failed", "path", out.Path.String(), "code", fault.Unavailable.Code(), "error", err)
			out.Message = "A store of the cinema does not answer just now. Try again shortly."
			out.Extensions["code"] = fault.Unavailable.Code()
		default:
			log.ErrorContext(ctx, "request failed", "path", out.Path.String(), "code", fault.Internal.Code(), "error", err)
			out.Message = "Something broke on our side. It has been noted."
			out.Extensions["code"] = fault.Internal.Code()
		}
		return out
	}
}

// storeAway tells whether err comes of a connection that could not be made, or
// broke, or of a server that is going down or coming up: what another try may
// mend.
func storeAway(err error) bool {
	var network net.Error
	var postgres interface{ SQLState() string }
	var unsent interface{ SafeToRetry() bool } // pgx had no connection to send it on
	if errors.As(err, &postgres) {
		// https://www.postgresql.org/docs/current/errcodes-appendix.html: connection
		// exceptions, too many connections, shutdowns and starting up.
		state := postgres.SQLState()
		return strings.HasPrefix(state, "08") || state == "53300" || strings.HasPrefix(state, "57P")
	}
	return errors.As(err, &network) || errors.Is(err, io.ErrUnexpectedEOF) || errors.As(err, &unsent) && unsent.SafeToRetry()
}

// inputField is the dotted path of the argument that could not be read, when
// that is what went wrong. gqlgen then reports a path that goes from the field
// on to the argument, before the field has any arguments.
func inputField(ctx context.Context, ge *gqlerror.Error) string {
	fc := graphql.GetFieldContext(ctx)
	if fc == nil || fc.Args != nil || fc.Field.Field == nil || fc.Field.Definition == nil {
		return ""
	}
	own := len(fc.Path())
	if len(ge.Path) <= own {
		return ""
	}
	argument, ok := ge.Path[own].(ast.PathName)
	if !ok || fc.Field.Definition.Arguments.ForName(string(argument)) == nil {
		return ""
	}
	return ge.Path[own:].String()
}
