package elastic_test

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/netflixathome/cinema/internal/fault"
	"github.com/netflixathome/cinema/internal/realtest"
	"github.com/netflixathome/cinema/internal/search"
	"github.com/netflixathome/cinema/internal/search/elastic"
	"github.com/netflixathome/cinema/internal/search/searchtest"
)

func read(tb testing.TB, res *http.Response) string {
	tb.Helper()
	b, err := io.ReadAll(res.Body)
	require.NoError(tb, err)
	return string(b)
}

func assertUnavailable(t *testing.T, err error) {
	t.Helper()
	if assert.Error(t, err) {
		assert.Equal(t, fault.Unavailable, fault.KindOf(err), "%v", err)
	}
}

// Whoever set the address is told what is wrong with it, and no secret.
func TestNewSaysWhatIsWrong(t *testing.T) {
	answering := func(status int, product, body string) string {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			if product != "" {
				w.Header().Set("X-Elastic-Product", product)
			}
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
		}))
		t.Cleanup(s.Close)
		u, err := url.Parse(s.URL)
		require.NoError(t, err)
		u.User = url.UserPassword("cinema", "s3cret")
		return u.String()
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	nobody := "http://cinema:s3cret@" + l.Addr().String()
	require.NoError(t, l.Close())

	for name, c := range map[string]struct {
		config elastic.Config
		want   string
	}{
		"no address":     {elastic.Config{}, "no address of Elasticsearch is given"},
		"no url":         {elastic.Config{URLs: []string{"cinema:s3cret@host"}}, "must look like https://host:9200"},
		"not parsable":   {elastic.Config{URLs: []string{"http://cinema:s3cret%zz@host"}}, "must look like https://host:9200"},
		"two logins":     {elastic.Config{URLs: []string{nobody}, User: "a", Password: "s3cret", APIKey: "s3cret"}, "wants one of them"},
		"nobody":         {elastic.Config{URLs: []string{nobody}}, "no Elasticsearch answers at http://cinema:xxxxx@127.0.0.1:"},
		"not let in":     {elastic.Config{URLs: []string{answering(401, "Elasticsearch", `{"error":{"type":"security_exception","reason":"x"},"status":401}`)}}, "refuses the user, password or API key"},
		"too old":        {elastic.Config{URLs: []string{answering(200, "Elasticsearch", `{"version":{"number":"7.17.9"}}`)}}, "Elasticsearch 7.17.9 answers at"},
		"old, refusing":  {elastic.Config{URLs: []string{answering(400, "Elasticsearch", `{"error":{"type":"media_type_header_exception","reason":"x"},"status":400}`)}}, "does not speak Elasticsearch 8"},
		"something else": {elastic.Config{URLs: []string{answering(200, "", `{"version":{"number":"8.1.0"}}`)}}, "is not Elasticsearch"},
		"a web page":     {elastic.Config{URLs: []string{answering(200, "", `<html>`)}}, "is not Elasticsearch"},
		"a busy proxy":   {elastic.Config{URLs: []string{answering(503, "", `<html>`)}}, "no Elasticsearch answers at"},
	} {
		t.Run(name, func(t *testing.T) {
			x, err := elastic.New(t.Context(), c.config, slog.New(slog.DiscardHandler))
			require.Error(t, err)
			assert.Nil(t, x)
			assert.ErrorContains(t, err, "CINEMA_ELASTICSEARCH_URL")
			assert.ErrorContains(t, err, c.want)
			assert.NotContains(t, err.Error(), "s3cret")
			assert.NotContains(t, err.Error(), "\n", "one sentence")
		})
	}
	_, err = elastic.New(t.Context(), elastic.Config{URLs: []string{nobody}, Index: "Cinema*"}, slog.New(slog.DiscardHandler))
	assert.ErrorContains(t, err, `"Cinema*"`)
}

// front is a node before the real one that can misbehave.
type front struct {
	*httptest.Server
	// spoil answers some requests by itself.
	spoil atomic.Pointer[func(w http.ResponseWriter, r *http.Request) bool]
	asked atomic.Int64
}

func newFront(t *testing.T) *front {
	target, err := url.Parse(realtest.Address(t, realtest.Elasticsearch))
	require.NoError(t, err)
	f := &front{}
	proxy := httputil.NewSingleHostReverseProxy(target)
	f.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.asked.Add(1)
		if spoil := f.spoil.Load(); spoil != nil && (*spoil)(w, r) {
			return
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(f.Close)
	return f
}

func (f *front) first(n int64, answer func(http.ResponseWriter)) {
	var seen atomic.Int64
	spoil := func(w http.ResponseWriter, _ *http.Request) bool {
		if seen.Add(1) > n {
			return false
		}
		answer(w)
		return true
	}
	f.spoil.Store(&spoil)
}

func status(code int) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) { http.Error(w, "<html>", code) }
}

func hangUp(http.ResponseWriter) { panic(http.ErrAbortHandler) }

// What passes is waited for, what does not is told, and nothing is tried for ever.
func TestRetries(t *testing.T) {
	f := newFront(t)
	x, err := elastic.New(t.Context(), elastic.Config{URLs: []string{f.URL}, Index: prefix(t)}, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	defer func() { assert.NoError(t, x.Close()) }()
	b := searchtest.Demo(t)
	for _, passing := range []func(http.ResponseWriter){status(429), status(502), status(503), status(504), hangUp} {
		f.first(2, passing)
		require.NoError(t, x.Apply(t.Context(), b))
		f.first(2, passing)
		r, err := x.Search(t.Context(), search.Query{First: 1})
		require.NoError(t, err)
		assert.Equal(t, len(b.PutTitles), r.Total)
		f.first(2, passing)
		require.NoError(t, x.SetPosition(t.Context(), "1"))
		f.first(2, passing)
		p, err := x.Position(t.Context())
		require.NoError(t, err)
		assert.Equal(t, "1", p)
	}
	for _, staying := range []func(http.ResponseWriter){status(503), status(401), hangUp} {
		f.first(1000, staying)
		f.asked.Store(0)
		_, err := x.SearchPeople(t.Context(), "", 1, "", nil)
		assertUnavailable(t, err)
		assert.LessOrEqual(t, f.asked.Load(), int64(8), "hanging up may be tried twice by net/http itself")
	}
	f.first(1000, status(400))
	f.asked.Store(0)
	_, err = x.SearchPeople(t.Context(), "", 1, "", nil)
	require.Error(t, err)
	assert.Equal(t, fault.Internal, fault.KindOf(err), "a question that is not understood is our fault")
	assert.Equal(t, int64(1), f.asked.Load())
}

// A swap whose answer was lost has happened, and is not taken for a failure.
func TestSwapAnswerLost(t *testing.T) {
	f := newFront(t)
	name := prefix(t)
	x, err := elastic.New(t.Context(), elastic.Config{URLs: []string{f.URL}, Index: name}, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	defer func() { assert.NoError(t, x.Close()) }()
	b := searchtest.Demo(t)
	r, err := x.Rebuild(t.Context())
	require.NoError(t, err)
	require.NoError(t, r.Apply(t.Context(), b))
	lost := false
	spoil := func(w http.ResponseWriter, req *http.Request) bool {
		if req.URL.Path != "/_aliases" || lost {
			return false
		}
		lost = true
		body, err := io.ReadAll(req.Body)
		assert.NoError(t, err)
		call(t, req.Method, realtest.Address(t, realtest.Elasticsearch)+req.URL.Path, string(body))
		status(504)(w)
		return true
	}
	f.spoil.Store(&spoil)
	require.NoError(t, r.Swap(t.Context(), "1"))
	assert.True(t, lost)
	found, err := x.Search(t.Context(), search.Query{First: 1})
	require.NoError(t, err)
	assert.Equal(t, len(b.PutTitles), found.Total)
	assert.Len(t, indexes(t, realtest.Address(t, realtest.Elasticsearch), name), 1)
}

// Of the operations of a batch those without room are sent again.
func TestRejectedOperations(t *testing.T) {
	f := newFront(t)
	x, err := elastic.New(t.Context(), elastic.Config{URLs: []string{f.URL}, Index: prefix(t)}, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	defer func() { assert.NoError(t, x.Close()) }()
	b := searchtest.Demo(t)
	b = search.Batch{PutTitles: b.PutTitles[:2]}
	full := `{"index":{"_index":"x","_id":"y","status":429,"error":{"type":"es_rejected_execution_exception","reason":"full"}}}`
	f.first(1, func(w http.ResponseWriter) {
		w.Header().Set("X-Elastic-Product", "Elasticsearch")
		w.Header().Set("Content-Type", "application/vnd.elasticsearch+json;compatible-with=8")
		_, _ = io.WriteString(w, `{"took":1,"errors":true,"items":[`+full+`,`+full+`]}`)
	})
	require.NoError(t, x.Apply(t.Context(), b))
	r, err := x.Search(t.Context(), search.Query{First: 1})
	require.NoError(t, err)
	assert.Equal(t, 2, r.Total)
}

// A shard that Elasticsearch has given up is asked for again by who would write
// to it.
func TestGivenUpShard(t *testing.T) {
	f := newFront(t)
	x, err := elastic.New(t.Context(), elastic.Config{URLs: []string{f.URL}, Index: prefix(t)}, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	defer func() { assert.NoError(t, x.Close()) }()
	b := search.Batch{PutTitles: searchtest.Demo(t).PutTitles[:1]}
	var told atomic.Bool
	spoil := func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == "/_cluster/reroute" {
			assert.Equal(t, "true", r.URL.Query().Get("retry_failed"))
			told.Store(true)
		}
		if told.Load() {
			return false // the rest is the real one's
		}
		w.Header().Set("X-Elastic-Product", "Elasticsearch")
		w.Header().Set("Content-Type", "application/vnd.elasticsearch+json;compatible-with=8")
		_, _ = io.WriteString(w, `{"took":1,"errors":true,"items":[{"index":{"_index":"x","_id":"y","status":503,"error":{"type":"unavailable_shards_exception","reason":"[x][0] primary shard is not active Timeout: [10s]"}}}]}`)
		return true
	}
	f.spoil.Store(&spoil)
	require.NoError(t, x.Apply(t.Context(), b))
	require.True(t, told.Load())
	r, err := x.Search(t.Context(), search.Query{First: 2})
	require.NoError(t, err)
	require.Equal(t, 1, r.Total)
}

// A disk that fills up has Elasticsearch close its indexes to writing. What is
// read goes on, what is written fails as something that passes, and both are as
// before when there is room again.
func TestFullDisk(t *testing.T) {
	address := realtest.Address(t, realtest.Elasticsearch)
	name := prefix(t)
	x := open(t, name)
	defer func() { assert.NoError(t, x.Close()) }()
	b := search.Batch{PutTitles: searchtest.Demo(t).PutTitles[:2]}
	require.NoError(t, x.Apply(t.Context(), search.Batch{PutTitles: b.PutTitles[:1]}))
	block := func(on string) {
		for _, index := range indexes(t, address, name) {
			call(t, http.MethodPut, address+"/"+index+"/_settings", `{"index.blocks.read_only_allow_delete":`+on+`}`)
		}
	}
	block("true")
	err := x.Apply(t.Context(), b)
	require.Equal(t, fault.Unavailable, fault.KindOf(err), "%v", err)
	r, err := x.Search(t.Context(), search.Query{First: 2})
	require.NoError(t, err)
	require.Equal(t, 1, r.Total)
	block("null")
	require.NoError(t, x.Apply(t.Context(), b))
	r, err = x.Search(t.Context(), search.Query{First: 2})
	require.NoError(t, err)
	require.Equal(t, 2, r.Total)
}

// Who does not wait any longer is let go at once.
func TestDeadline(t *testing.T) {
	f := newFront(t)
	x, err := elastic.New(t.Context(), elastic.Config{URLs: []string{f.URL}, Index: prefix(t)}, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	defer func() { assert.NoError(t, x.Close()) }()
	release := make(chan struct{})
	defer close(release)
	spoil := func(_ http.ResponseWriter, r *http.Request) bool {
		select {
		case <-release:
		case <-r.Context().Done():
		}
		return true
	}
	f.spoil.Store(&spoil)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, err = x.Search(ctx, search.Query{First: 1})
	require.ErrorIs(t, err, context.DeadlineExceeded)
	ctx, cancel = context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, x.Apply(ctx, searchtest.Demo(t)), context.DeadlineExceeded)
}
