package router

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	gqlast "github.com/vektah/gqlparser/v2/ast"

	"github.com/netflixathome/cinema/internal/tracing"
)

const (
	mediaGraphQL = "application/graphql-response+json"
	mediaJSON    = "application/json"
	mediaEvents  = "text/event-stream"
)

// serveGraphQL answers /graphql after the GraphQL-over-HTTP specification.
func (rt *Router) serveGraphQL(w http.ResponseWriter, r *http.Request) {
	if isUpgrade(r) {
		rt.serveWebSocket(w, r)
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Vary", "Accept, Authorization, Cookie")
	media, rejected := negotiate(r.Header.Values("Accept"))
	if rejected != nil {
		writeRefusal(w, mediaJSON, rejected)
		return
	}
	start := time.Now()
	r, span := rt.options.Tracing.EnterHTTP(w, r, unnamed)
	defer span.End()
	defer func() {
		if v := recover(); v != nil {
			if v == http.ErrAbortHandler { //nolint:errorlint // compared as net/http does
				panic(v)
			}
			rt.log.ErrorContext(r.Context(), "a request panicked", "panic", fmt.Sprint(v), "stack", string(debug.Stack()))
			tracing.Fail(span, codeInternal)
			writeRefusal(w, media, refuse(http.StatusInternalServerError, codeInternal, msgBroken))
		}
	}()
	req := &request{transport: "http", header: r.Header, cookies: true,
		caller: &caller{address: addressOf(r, rt.options.TrustedProxies)}}
	if media == mediaEvents {
		req.transport = "sse"
	}
	p, rejected := rt.admit(r, w, req)
	if rejected == nil && p.kind == gqlast.Subscription && media != mediaEvents {
		rejected = refuse(http.StatusNotAcceptable, codeInvalid, "A subscription needs a WebSocket or Accept: text/event-stream.")
	}
	if rejected != nil {
		rt.logCause(r.Context(), rejected)
		writeRefusal(w, media, rejected)
		rt.done(r.Context(), req, p, start, rejected.errors)
		return
	}
	if media == mediaEvents {
		rt.done(r.Context(), req, p, start, rt.serveEvents(w, r, req, p))
		return
	}
	res, rejected := rt.execute(r.Context(), req, p)
	if rejected != nil {
		rt.logCause(r.Context(), rejected)
		writeRefusal(w, media, rejected)
		rt.done(r.Context(), req, p, start, rejected.errors)
		return
	}
	rt.done(r.Context(), req, p, start, res.errors)
	rt.hold(r.Context(), req, res)
	writeResult(w, media, res)
}

// admit reads a request and lets it in, or says why not.
func (rt *Router) admit(r *http.Request, w http.ResponseWriter, req *request) (*ready, *requestError) {
	if rejected := rt.readRequest(r, w, req); rejected != nil {
		return nil, rejected
	}
	bearer := bearerOf(r.Header.Get("Authorization"))
	principal, token, rejected := rt.identify(r.Context(), bearer, req.caller.address)
	if rejected != nil {
		return nil, rejected
	}
	if principal != nil {
		req.caller.principal, req.caller.bearer, req.caller.shown = principal, token, bearer
	}
	return rt.prepare(r.Context(), req)
}

func (rt *Router) logCause(ctx context.Context, e *requestError) {
	if e.cause != nil {
		rt.log.ErrorContext(ctx, "a request failed", "error", e.cause)
	}
}

// readRequest reads the parameters by GET or POST.
//
// Cross-site request forgery: a POST is read only with the content type
// application/json, which a foreign page cannot send without a preflight that
// nobody answers; forms are refused. A GET can be sent by any page, so it must
// carry a header that a foreign page cannot set.
func (rt *Router) readRequest(r *http.Request, w http.ResponseWriter, req *request) *requestError {
	switch r.Method {
	case http.MethodPost:
		req.mutations = true
		return rt.readPost(r, w, req)
	case http.MethodGet:
		if r.Header.Get("X-Cinema-Client") == "" && r.Header.Get("Apollo-Require-Preflight") == "" {
			return refuse(http.StatusForbidden, codeForbidden, "A GET request must carry the header x-cinema-client, so that no other site can send it.")
		}
		return readGet(r, req)
	default:
		e := refuse(http.StatusMethodNotAllowed, codeInvalid, "GraphQL is served by GET and POST.")
		e.allow = "GET, POST"
		return e
	}
}

func (rt *Router) readPost(r *http.Request, w http.ResponseWriter, req *request) *requestError {
	kind, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != mediaJSON {
		return refuse(http.StatusUnsupportedMediaType, codeInvalid, "The body must be application/json.")
	}
	if charset := params["charset"]; charset != "" && !strings.EqualFold(charset, "utf-8") {
		return refuse(http.StatusUnsupportedMediaType, codeInvalid, "The body must be UTF-8.")
	}
	if enc := r.Header.Get("Content-Encoding"); enc != "" && !strings.EqualFold(enc, "identity") {
		return refuse(http.StatusUnsupportedMediaType, codeInvalid, "The body must not be compressed.")
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, rt.limits.BodyBytes))
	if err != nil {
		var tooBig *http.MaxBytesError
		if errors.As(err, &tooBig) {
			return refuse(http.StatusRequestEntityTooLarge, codeLimitExceeded, fmt.Sprintf("The body has more than %d bytes.", rt.limits.BodyBytes))
		}
		return refuse(http.StatusBadRequest, codeInvalid, "The body could not be read.")
	}
	body = bytes.TrimSpace(body)
	if len(body) > 0 && body[0] == '[' && json.Valid(body) {
		return refuse(http.StatusBadRequest, codeInvalid, "Send one operation a request: batches are not taken.")
	}
	return parseParams(body, req)
}

// parseParams reads the JSON of a request, by POST or over WebSocket.
func parseParams(body []byte, req *request) *requestError {
	var raw struct {
		Query         json.RawMessage `json:"query"`
		OperationName json.RawMessage `json:"operationName"`
		Variables     json.RawMessage `json:"variables"`
		Extensions    json.RawMessage `json:"extensions"`
		DocumentID    json.RawMessage `json:"documentId"`
	}
	if err := json.Unmarshal(body, &raw); err != nil {
		return refuse(http.StatusBadRequest, codeInvalid, "The body is no JSON object.")
	}
	for _, f := range []struct {
		name string
		raw  json.RawMessage
		into *string
	}{{"query", raw.Query, &req.Query}, {"operationName", raw.OperationName, &req.OperationName}, {"documentId", raw.DocumentID, &req.DocumentID}} {
		if isNull(f.raw) {
			continue
		}
		if json.Unmarshal(f.raw, f.into) != nil {
			return refuse(http.StatusBadRequest, codeInvalid, f.name+" must be a string.")
		}
	}
	return setObjects(raw.Variables, raw.Extensions, req)
}

func readGet(r *http.Request, req *request) *requestError {
	q := r.URL.Query()
	for _, name := range []string{"query", "operationName", "documentId", "variables", "extensions"} {
		if len(q[name]) > 1 {
			return refuse(http.StatusBadRequest, codeInvalid, name+" is given more than once.")
		}
	}
	req.Query, req.OperationName, req.DocumentID = q.Get("query"), q.Get("operationName"), q.Get("documentId")
	for _, name := range []string{"variables", "extensions"} {
		if text := []byte(q.Get(name)); !isNull(text) && !json.Valid(text) {
			return refuse(http.StatusBadRequest, codeInvalid, name+" must be a JSON object.")
		}
	}
	return setObjects([]byte(q.Get("variables")), []byte(q.Get("extensions")), req)
}

// setObjects takes the parameters that are objects, which are known to be JSON.
func setObjects(variables, ext json.RawMessage, req *request) *requestError {
	if !isNull(variables) {
		if !isObject(variables) {
			return refuse(http.StatusBadRequest, codeInvalid, "variables must be a JSON object.")
		}
		req.Variables = variables
	}
	if isNull(ext) {
		return nil
	}
	if !isObject(ext) {
		return refuse(http.StatusBadRequest, codeInvalid, "extensions must be a JSON object.")
	}
	var known struct {
		PersistedQuery struct {
			Sha256Hash string `json:"sha256Hash"`
		} `json:"persistedQuery"`
		Traceparent any `json:"traceparent"`
	}
	if json.Unmarshal(ext, &known) != nil {
		return refuse(http.StatusBadRequest, codeInvalid, "extensions.persistedQuery.sha256Hash must be a string.")
	}
	req.PersistedHash = known.PersistedQuery.Sha256Hash
	req.traceparent, _ = known.Traceparent.(string) // what is none is none
	return nil
}

func isNull(raw json.RawMessage) bool {
	t := bytes.TrimSpace(raw)
	return len(t) == 0 || bytes.Equal(t, []byte("null"))
}

func isObject(raw json.RawMessage) bool {
	t := bytes.TrimSpace(raw)
	return len(t) > 0 && t[0] == '{'
}

// negotiate chooses the response's media type: the one with the highest
// quality, in doubt the specification's own.
func negotiate(accept []string) (string, *requestError) {
	joined := strings.TrimSpace(strings.Join(accept, ","))
	if joined == "" {
		return mediaGraphQL, nil
	}
	best, quality := "", 0.0
	for _, part := range strings.Split(joined, ",") {
		kind, params, err := mime.ParseMediaType(part)
		if err != nil {
			continue
		}
		q := 1.0
		if s, ok := params["q"]; ok {
			if q, err = strconv.ParseFloat(s, 64); err != nil {
				continue
			}
		}
		if charset := params["charset"]; charset != "" && !strings.EqualFold(charset, "utf-8") {
			continue
		}
		media := ""
		switch kind {
		case mediaGraphQL, mediaJSON, mediaEvents:
			media = kind
		case "*/*", "application/*":
			media = mediaGraphQL
		case "text/*":
			media = mediaEvents
		}
		// Of equals the specific one wins over a wildcard, then the first.
		if media != "" && (q > quality || q == quality && q > 0 && best == mediaGraphQL && media == mediaGraphQL) {
			best, quality = media, q
		}
	}
	if best == "" {
		return "", refuse(http.StatusNotAcceptable, codeInvalid, "The answer can be "+mediaGraphQL+", "+mediaJSON+" or "+mediaEvents+".")
	}
	return best, nil
}

func writeResult(w http.ResponseWriter, media string, res result) {
	h := w.Header()
	for _, c := range res.cookies {
		h.Add("Set-Cookie", c)
	}
	if res.retryAfter != "" {
		h.Set("Retry-After", res.retryAfter)
	}
	h.Set("Content-Type", media+"; charset=utf-8")
	h.Set("Content-Length", strconv.Itoa(len(res.body)))
	w.WriteHeader(http.StatusOK)
	_, _ = w.Write(res.body)
}

// writeRefusal answers a request that was not executed. Under application/json
// a well-formed request has status 200 whatever becomes of it, as the
// specification wants for clients of old.
func writeRefusal(w http.ResponseWriter, media string, e *requestError) {
	status := e.status
	if media == mediaEvents {
		media = mediaJSON // no stream was begun
	} else if media == mediaJSON && !e.always {
		status = http.StatusOK
	}
	h := w.Header()
	if e.allow != "" {
		h.Set("Allow", e.allow)
	}
	if e.retryAfter > 0 {
		h.Set("Retry-After", seconds(e.retryAfter))
	}
	if status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", `Bearer error="invalid_token"`)
	}
	body := errorBody(e.errors)
	h.Set("Content-Type", media+"; charset=utf-8")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body)
}
