package gqlserver

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/errcode"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"github.com/netflixathome/cinema/internal/fault"
)

// post answers operations sent as JSON by POST. It does what gqlgen's own
// transport does, but hands on the data as the executor wrote it: gqlgen has
// encoding/json scan and copy it all once more, which was a tenth of the time
// that the front page took.
type post struct {
	kept  *kept            // nil where answers are not kept
	stale func() time.Time // nil where they never are
}

var errBadBody = fault.New(fault.Invalid, "The body is not a GraphQL request in JSON, or too large.")

// Supports implements graphql.Transport.
func (post) Supports(r *http.Request) bool {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	return err == nil && r.Method == http.MethodPost && kind == "application/json" && r.Header.Get("Upgrade") == ""
}

// Do implements graphql.Transport.
func (p post) Do(w http.ResponseWriter, r *http.Request, exec graphql.GraphExecutor) {
	ctx := r.Context()
	params := &graphql.RawParams{Headers: r.Header}
	params.ReadTime.Start = graphql.Now()
	if err := readParams(r, params); err != nil {
		status := http.StatusBadRequest
		var large *http.MaxBytesError
		if errors.As(err, &large) {
			status = http.StatusRequestEntityTooLarge
		}
		write(w, status, exec.DispatchError(ctx, gqlerror.List{gqlerror.Wrap(errBadBody)}))
		return
	}
	params.ReadTime.End = graphql.Now()
	do := func(ctx context.Context, params *graphql.RawParams) reply { return execute(ctx, exec, params) }
	var made reply
	if p.kept == nil {
		made = do(ctx, params)
	} else {
		var err error
		if made, err = p.kept.answer(ctx, params, do); err != nil {
			made = reply{status: http.StatusOK, res: exec.DispatchError(ctx, gqlerror.List{gqlerror.Wrap(err)})}
		}
	}
	if p.stale != nil { // asked afterwards: it may be this answer that found out
		if since := p.stale(); !since.IsZero() {
			w.Header().Set(StaleHeader, since.UTC().Format(time.RFC3339))
		}
	}
	write(w, made.status, made.res)
}

// execute runs the operation of params.
func execute(ctx context.Context, exec graphql.GraphExecutor, params *graphql.RawParams) reply {
	oc, errs := exec.CreateOperationContext(ctx, params)
	if errs != nil {
		status := http.StatusOK
		if errcode.GetErrorKind(errs) == errcode.KindProtocol {
			status = http.StatusUnprocessableEntity
		}
		return reply{status: status, res: exec.DispatchError(graphql.WithOperationContext(ctx, oc), errs)}
	}
	responses, ctx := exec.DispatchOperation(ctx, oc)
	return reply{status: http.StatusOK, res: responses(ctx), operation: oc.Operation}
}

// readParams reads the body; numbers stay as they are written.
func readParams(r *http.Request, into *graphql.RawParams) error {
	size := max(0, min(r.ContentLength, maxBody))
	body := bytes.NewBuffer(make([]byte, 0, size+bytes.MinRead))
	if _, err := body.ReadFrom(r.Body); err != nil {
		return fmt.Errorf("read: %w", err)
	}
	d := json.NewDecoder(body)
	d.UseNumber()
	if err := d.Decode(into); err != nil {
		return fmt.Errorf("decode: %w", err)
	}
	return nil
}

func write(w http.ResponseWriter, status int, res *graphql.Response) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	if len(res.Errors) == 0 && len(res.Data) > 0 && res.HasNext == nil && len(res.Extensions) == 0 {
		const head, tail = `{"data":`, `}`
		h.Set("Content-Length", strconv.Itoa(len(head)+len(res.Data)+len(tail)))
		w.WriteHeader(status)
		_, _ = io.WriteString(w, head)
		_, _ = w.Write(res.Data)
		_, _ = io.WriteString(w, tail)
		return
	}
	body, err := json.Marshal(res)
	if err != nil {
		panic(fmt.Errorf("a response is no JSON: %w", err))
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body)
}
