package router

import (
	"encoding/json"
	"net/http"
	"time"

	"github.com/netflixathome/cinema/internal/fault"
)

// The router's own codes, beside those of internal/fault.
const (
	codeParseFailed      = "GRAPHQL_PARSE_FAILED"
	codeValidationFailed = "GRAPHQL_VALIDATION_FAILED"
	codePersistedUnknown = "PERSISTED_OPERATION_NOT_FOUND"
	codeLimitExceeded    = "LIMIT_EXCEEDED"
)

var (
	codeInvalid         = fault.Invalid.Code()
	codeUnauthenticated = fault.Unauthenticated.Code()
	codeForbidden       = fault.Forbidden.Code()
	codeRateLimited     = fault.RateLimited.Code()
	codeUnavailable     = fault.Unavailable.Code()
	codeInternal        = fault.Internal.Code()
)

// subgraphCodes are the codes that a subgraph may give its errors.
var subgraphCodes = map[string]bool{
	fault.Invalid.Code(): true, fault.Unauthenticated.Code(): true, fault.Forbidden.Code(): true,
	fault.NotFound.Code(): true, fault.Conflict.Code(): true, fault.RateLimited.Code(): true,
	fault.Unavailable.Code(): true, fault.Internal.Code(): true,
}

// What people are told; the same words wherever the same thing happened.
const (
	msgSignIn      = "Sign in to go on."
	msgUnsure      = "Administration is closed for the moment: it is not known who was signed out. Try again shortly."
	msgForbidden   = "Your account may not do this."
	msgBroken      = "Something broke on our side. It has been noted."
	msgUnavailable = "A part of the cinema does not answer just now. Try again shortly."
	msgBusy        = "Too many requests at once. Try again shortly."
	msgTimeout     = "The request took too long and was given up."
	msgShutdown    = "The server is going down. Try again shortly."
)

type location struct {
	Line   int `json:"line"`
	Column int `json:"column"`
}

type extensions struct {
	Code   string `json:"code"`
	Field  string `json:"field,omitempty"`
	Reason string `json:"reason,omitempty"`
}

// gqlError is one error in the specification's shape.
type gqlError struct {
	Message    string     `json:"message"`
	Locations  []location `json:"locations,omitempty"`
	Path       []any      `json:"path,omitempty"`
	Extensions extensions `json:"extensions"`
}

func newError(code, message string) gqlError {
	return gqlError{Message: message, Extensions: extensions{Code: code}}
}

// requestError ends a request before it is executed: there is no data.
type requestError struct {
	// status is the HTTP status under application/graphql-response+json.
	status int
	// always says that the status holds under application/json too, because the
	// request is not a well-formed GraphQL-over-HTTP request or was not let in.
	always bool
	errors []gqlError
	allow  string
	// cause is logged and never sent.
	cause      error
	retryAfter time.Duration
}

func (e *requestError) Error() string { return e.errors[0].Message }

// refuse makes a request error at the level of HTTP.
func refuse(status int, code, message string) *requestError {
	return &requestError{status: status, always: true, errors: []gqlError{newError(code, message)}}
}

// reject makes a request error at the level of GraphQL.
func reject(code, message string) *requestError {
	return &requestError{status: http.StatusBadRequest, errors: []gqlError{newError(code, message)}}
}

func errUnauthenticated() *requestError {
	return refuse(http.StatusUnauthorized, codeUnauthenticated, msgSignIn)
}

// codesOf lists the codes without repetition, in order.
func codesOf(errs []gqlError) []string {
	var codes []string
next:
	for _, e := range errs {
		for _, c := range codes {
			if c == e.Extensions.Code {
				continue next
			}
		}
		codes = append(codes, e.Extensions.Code)
	}
	return codes
}

func errorBody(errs []gqlError) []byte {
	b, err := json.Marshal(struct {
		Errors []gqlError `json:"errors"`
	}{errs})
	if err != nil {
		return []byte(`{"errors":[{"message":"` + msgBroken + `","extensions":{"code":"INTERNAL"}}]}`)
	}
	return b
}
