// Package fault is the closed list of ways in which a request can fail.
//
// A service returns a *fault.Error for what a client can understand and act
// on; every other error is internal: it is logged where the request ends and
// the client is told only that something broke. One presenter
// (internal/gqlserver) turns a Kind into GraphQL's extensions.code, so the
// same word travels from the service to the button.
package fault

import (
	"errors"
	"fmt"
	"time"
)

// Kind classifies a failure. The zero Kind is Internal.
type Kind uint8

// The closed list of kinds. A client may rely on each code for ever.
const (
	Internal Kind = iota
	Invalid
	Unauthenticated
	Forbidden
	NotFound
	Conflict
	RateLimited
	Unavailable
)

var codes = [...]string{
	Internal:        "INTERNAL",
	Invalid:         "INVALID",
	Unauthenticated: "UNAUTHENTICATED",
	Forbidden:       "FORBIDDEN",
	NotFound:        "NOT_FOUND",
	Conflict:        "CONFLICT",
	RateLimited:     "RATE_LIMITED",
	Unavailable:     "UNAVAILABLE",
}

// Busy is the Reason of an Unavailable that passes when fewer ask for the same.
const Busy = "BUSY"

// Code is the kind's name in extensions.code.
func (k Kind) Code() string {
	if int(k) < len(codes) {
		return codes[k]
	}
	return codes[Internal]
}

// Error is a failure that the client is told about.
type Error struct {
	Kind Kind
	// Message is shown to people: what went wrong and what to do. It must
	// hold no secret and nothing from another user's data.
	Message string
	// Field is the path of the input at fault, such as "input.login"; empty
	// when the failure belongs to no single input.
	Field string
	// Reason refines the kind for a program, in UPPER_SNAKE_CASE, such as
	// "LOGIN_TAKEN"; may be empty.
	Reason string
	// RetryAfter is when to come back, where that is known; 0 otherwise.
	RetryAfter time.Duration
	// Cause is logged and never sent.
	Cause error
}

// New makes an Error of the kind; format and args build its public message.
func New(kind Kind, format string, args ...any) *Error {
	return &Error{Kind: kind, Message: fmt.Sprintf(format, args...)}
}

// At returns a copy that names the input field at fault.
func (e *Error) At(field string) *Error {
	c := *e
	c.Field = field
	return &c
}

// WithReason returns a copy with the machine-readable reason.
func (e *Error) WithReason(reason string) *Error {
	c := *e
	c.Reason = reason
	return &c
}

// WithRetryAfter returns a copy that says when to come back.
func (e *Error) WithRetryAfter(d time.Duration) *Error {
	c := *e
	c.RetryAfter = d
	return &c
}

// Because returns a copy that keeps cause for the log.
func (e *Error) Because(cause error) *Error {
	c := *e
	c.Cause = cause
	return &c
}

func (e *Error) Error() string {
	if e.Cause != nil {
		return e.Message + ": " + e.Cause.Error()
	}
	return e.Message
}

func (e *Error) Unwrap() error { return e.Cause }

// KindOf finds the kind in err's chain; an error that carries none is Internal.
func KindOf(err error) Kind {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return Internal
}
