package uploads

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"

	tusd "github.com/tus/tusd/v2/pkg/handler"
	xslog "golang.org/x/exp/slog"

	"github.com/netflixathome/cinema/internal/authn"
	"github.com/netflixathome/cinema/internal/fault"
	"github.com/netflixathome/cinema/internal/gid"
	"github.com/netflixathome/cinema/subgraphs/admin"
)

// Scope is the permission that HEAD and PATCH need.
const Scope = "upload:write"

// Handler serves Base. Errors have GraphQL's shape, so that one client code
// path understands them.
func (u *Uploads) Handler(v authn.Verifier) http.Handler {
	return authn.Middleware(v, http.HandlerFunc(u.serve))
}

func (u *Uploads) serve(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Tus-Resumable", "1.0.0")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	switch r.Method {
	case http.MethodOptions:
		w.Header().Set("Tus-Version", "1.0.0")
		w.WriteHeader(http.StatusNoContent)
		return
	case http.MethodHead, http.MethodPatch:
	default:
		w.Header().Set("Allow", "HEAD, OPTIONS, PATCH")
		answer(w, r, http.StatusMethodNotAllowed, fault.New(fault.Invalid, "Uploads are opened by the mutation openUpload; here their bytes are sent."))
		return
	}
	a, err := u.authorise(r)
	if err != nil {
		answer(w, r, statusOf(err), err)
		return
	}
	switch a.State {
	case admin.Uploading:
		defer u.receive(a.ID.UUID)()
		r.Body = &watched{ReadCloser: r.Body, refused: func() bool { return u.refuses(authn.From(r.Context())) }}
		u.tus.ServeHTTP(w, r)
	case admin.Refused:
		answer(w, r, http.StatusUnprocessableEntity, fault.New(fault.Invalid, "%s", *a.Refusal))
	case admin.Cancelled:
		answer(w, r, http.StatusGone, fault.New(fault.NotFound, "This upload was cancelled or took longer than a week. Start it anew."))
	default:
		// All bytes are there, though the client may not have heard it.
		size := strconv.FormatInt(a.Size, 10)
		w.Header().Set("Upload-Offset", size)
		w.Header().Set("Upload-Length", size)
		if r.Method == http.MethodPatch && r.Header.Get("Upload-Offset") != size {
			answer(w, r, http.StatusConflict, fault.New(fault.Conflict, "All bytes of this upload are there already.").WithReason("UPLOAD_FINISHED"))
			return
		}
		if r.Method == http.MethodPatch {
			w.WriteHeader(http.StatusNoContent)
		}
	}
}

// watched are bytes that are taken for as long as their sender is signed in: a
// request may bring them for hours. What came before stays.
type watched struct {
	io.ReadCloser
	refused func() bool
}

func (b *watched) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if b.refused() {
		e := refusal(authn.ErrUnauthenticated)
		// Else the server would wait for more of the body before it answers.
		e.HTTPResponse.Header["Connection"] = "close"
		return 0, e
	}
	return n, err
}

// authorise finds the upload if the caller may send its bytes.
func (u *Uploads) authorise(r *http.Request) (*admin.Asset, error) {
	claims, err := authn.Require(r.Context())
	if err != nil {
		return nil, err
	}
	if claims.Unsure {
		return nil, authn.ErrUnsure
	}
	if !claims.Has(Scope) {
		return nil, fault.New(fault.Forbidden, "Your account may not upload files.")
	}
	id, err := gid.Parse(strings.TrimPrefix(r.URL.Path, Base))
	if err != nil || !id.Is(gid.Asset) {
		return nil, fault.New(fault.NotFound, "There is no such upload.")
	}
	a, err := u.records.Asset(r.Context(), id)
	if err != nil {
		return nil, err
	}
	if a.UploadedBy != claims.UserID {
		return nil, fault.New(fault.Forbidden, "Somebody else opened this upload.")
	}
	return a, nil
}

func statusOf(err error) int {
	switch fault.KindOf(err) {
	case fault.Invalid:
		return http.StatusUnprocessableEntity
	case fault.Unauthenticated:
		return http.StatusUnauthorized
	case fault.Forbidden:
		return http.StatusForbidden
	case fault.NotFound:
		return http.StatusNotFound
	case fault.Conflict:
		return http.StatusConflict
	case fault.RateLimited:
		return http.StatusTooManyRequests
	case fault.Unavailable:
		return http.StatusServiceUnavailable
	}
	return http.StatusInternalServerError
}

// body is an error in GraphQL's shape; internal text stays inside.
func body(err error) string {
	message, extensions := "Something broke on our side. It has been noted.", map[string]any{"code": fault.KindOf(err).Code()}
	var fe *fault.Error
	if errors.As(err, &fe) {
		message = fe.Message
		if fe.Reason != "" {
			extensions["reason"] = fe.Reason
		}
	}
	b, _ := json.Marshal(map[string]any{"errors": []any{map[string]any{"message": message, "extensions": extensions}}}) // strings only: cannot fail
	return string(b)
}

func answer(w http.ResponseWriter, r *http.Request, status int, err error) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = w.Write([]byte(body(err))) // a client that went away hears nothing
	}
}

// refusal is err as the answer of tus.
func refusal(err error) tusd.Error {
	e := tusd.NewError("ERR_UPLOAD_REFUSED", "refused", statusOf(err))
	e.HTTPResponse.Body = body(err)
	e.HTTPResponse.Header = tusd.HTTPHeader{"Content-Type": "application/json"}
	return e
}

// quiet hands what tus logs as a warning or worse to our logger. Each request
// is in the access log already.
func quiet(log *slog.Logger) *xslog.Logger { return xslog.New(bridge{log}) }

type bridge struct{ to *slog.Logger }

func (b bridge) Enabled(_ context.Context, l xslog.Level) bool { return l >= xslog.LevelWarn }

func (b bridge) Handle(ctx context.Context, r xslog.Record) error {
	var attrs []slog.Attr
	r.Attrs(func(a xslog.Attr) bool {
		attrs = append(attrs, slog.Any(a.Key, a.Value.Any()))
		return true
	})
	// A client that goes away in the middle is everyday for an upload, and an
	// internal error of tus is told to the client as such: both are warnings.
	b.to.LogAttrs(ctx, slog.LevelWarn, "upload: "+r.Message, attrs...)
	return nil
}

func (b bridge) WithAttrs(attrs []xslog.Attr) xslog.Handler {
	args := make([]any, 0, len(attrs))
	for _, a := range attrs {
		args = append(args, slog.Any(a.Key, a.Value.Any()))
	}
	return bridge{b.to.With(args...)}
}

func (b bridge) WithGroup(name string) xslog.Handler { return bridge{b.to.WithGroup(name)} }
