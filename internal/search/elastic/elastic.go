// Package elastic serves the search port from Elasticsearch 8.
//
// Titles, people and genres are documents of one index, told apart by their
// type, behind one alias; a rebuild fills another index, and one update of the
// aliases puts it in the old one's place and removes that. The index has one
// shard, which a search engine's catalogue of some million titles fits into, so
// that a batch becomes visible by one refresh, as a whole.
//
// What a document is found by is made by package rank, for documents and
// queries alike; Elasticsearch keeps the terms and looks them up. A query is
// the sum, over its words, of the best weight among the word's lookups
// (dis_max of constant scores), so no score depends on what else is in the
// index, and a page goes on behind the sort values of its last hit: cursors
// stay good while documents change and when the index is built anew.
package elastic

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/elastic/elastic-transport-go/v8/elastictransport"
	"github.com/elastic/go-elasticsearch/v8/typedapi/core/info"

	"github.com/netflixathome/cinema/internal/await"
	"github.com/netflixathome/cinema/internal/fault"
	"github.com/netflixathome/cinema/internal/search"
)

// Config says where Elasticsearch is.
type Config struct {
	// URLs of one cluster's nodes, http or https; requests take turns. A
	// URL's own user and password go before the ones below.
	URLs []string
	// User and Password, or APIKey (encoded, as Elasticsearch hands it out),
	// or neither.
	User, Password string
	APIKey         string
	// Index is the alias and how the indexes' names begin; "cinema" if empty.
	Index string
	// Patient lets New succeed while nobody answers; Settle must run then.
	Patient bool
}

// errAway is the cause when nobody answers.
var errAway = errors.New("no Elasticsearch answers")

// variable is where people set the URLs; messages name it.
const variable = "CINEMA_ELASTICSEARCH_URL"

// wanted is the major version that is spoken.
const wanted = "8"

var indexName = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,99}$`)

// Index is a search.Reader and search.Writer. Any number may read; one at a
// time may write.
type Index struct {
	log     *slog.Logger
	alias   string
	where   string // the URLs, for messages: no secrets
	client  *elastictransport.Client
	http    *http.Transport
	reading *transport // searches
	asking  *transport // what is quick and says what there is
	doing   *transport // what may take its time
	lexicon *lexicon

	// writing serialises what changes the index or replaces it.
	writing sync.Mutex
	filling *rebuild // under writing
}

var (
	_ search.Reader  = (*Index)(nil)
	_ search.Writer  = (*Index)(nil)
	_ search.Rebuild = (*rebuild)(nil)
)

// New reaches Elasticsearch, makes sure that it is one that is spoken here, and
// makes an empty index where there is none. Its error is a sentence for whoever
// set the addresses, without secrets.
func New(ctx context.Context, c Config, log *slog.Logger) (*Index, error) {
	if log == nil {
		return nil, errors.New("search: a logger is required")
	}
	if c.Index == "" {
		c.Index = "cinema"
	}
	urls, where, err := c.validate()
	if err != nil {
		return nil, await.Never(err)
	}
	rt := &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         (&net.Dialer{Timeout: dialTimeout, KeepAlive: 30 * time.Second}).DialContext,
		TLSHandshakeTimeout: dialTimeout,
		ForceAttemptHTTP2:   true,
		// As many searches as run at once keep their connections.
		MaxIdleConnsPerHost: 64,
		IdleConnTimeout:     90 * time.Second,
		DisableCompression:  true, // answers are small and near
	}
	opts := []elastictransport.Option{
		elastictransport.WithURLs(urls...), elastictransport.WithTransport(rt),
		elastictransport.WithDisableRetry(), // transport does it, with time-outs
		elastictransport.WithUserAgent("netflixathome"),
	}
	if c.User != "" {
		opts = append(opts, elastictransport.WithBasicAuth(c.User, c.Password))
	}
	if c.APIKey != "" {
		opts = append(opts, elastictransport.WithAPIKey(c.APIKey))
	}
	client, err := elastictransport.NewClient(opts...)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", variable, err)
	}
	x := &Index{
		log: log, alias: c.Index, where: where, client: client, http: rt,
		reading: &transport{inner: client, attempts: readAttempts, timeout: readTimeout, pause: readPause, again: againRead},
		asking:  &transport{inner: client, attempts: readAttempts, timeout: readTimeout, pause: readPause, again: again, patient: true},
		doing:   &transport{inner: client, attempts: writeAttempts, timeout: writeTimeout, pause: writePause, again: again, patient: true},
	}
	x.lexicon = newLexicon(x.words, func(err error) { log.Warn("the words for suggestions stay old", "error", err) })
	if err := x.check(ctx); err != nil {
		if c.Patient && errors.Is(err, errAway) {
			log.WarnContext(ctx, "the search index is away; it is waited for", "error", err)
			return x, nil
		}
		return nil, errors.Join(err, x.Close())
	}
	if err := x.ensure(ctx); err != nil {
		return nil, errors.Join(x.unmade(err), x.Close())
	}
	if err := x.look(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: the index cannot be looked at at %s: %w", variable, where, err), x.Close())
	}
	return x, nil
}

// unmade explains why there is no index and none could be made.
func (x *Index) unmade(err error) error {
	var r *refusal
	switch {
	case errors.As(err, &r) && r.kind == "invalid_alias_name_exception":
		return await.Never(fmt.Errorf("%s: at %s an index has the name %q, which is to be the alias of the program's own: rename or remove it: %w", variable, x.where, x.alias, err))
	case errors.As(err, &r) && (r.status == http.StatusUnauthorized || r.status == http.StatusForbidden):
		return await.Never(fmt.Errorf("%s: the user at %s may not make the index: grant it all of %s and %s-*: %w", variable, x.where, x.alias, x.alias, err))
	}
	return fmt.Errorf("%s: the index cannot be made at %s: %w", variable, x.where, err)
}

// look says at the start what will keep the index from following the
// catalogue. It can be read all the same, so that is no reason not to start.
func (x *Index) look(ctx context.Context) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "/"+x.alias+"?flat_settings=true&filter_path=*.settings,*.mappings._meta", nil)
	if err != nil {
		return err
	}
	res, err := x.asking.Perform(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	var indexes map[string]struct {
		Settings map[string]any `json:"settings"`
		Mappings struct {
			Meta map[string]any `json:"_meta"`
		} `json:"mappings"`
	}
	if err := json.NewDecoder(res.Body).Decode(&indexes); err != nil {
		return fmt.Errorf("read the index's settings: %w", err)
	}
	for name, is := range indexes {
		for block, on := range is.Settings {
			if strings.HasPrefix(block, "index.blocks.") && on == "true" && block != "index.blocks.read" {
				x.log.WarnContext(ctx, variable+": the search index takes no changes; free room on Elasticsearch's disk if it is full, then set the block to null",
					"address", x.where, "index", name, "block", block)
			}
		}
		if is.Mappings.Meta[metaAlias] == nil {
			return await.Never(fmt.Errorf("the alias %q leads to the index %q, which is none of the program's: take the alias from it, or give the program an Elasticsearch of its own", x.alias, name))
		}
		if is.Mappings.Meta[metaMapping] != mapping {
			x.log.WarnContext(ctx, variable+": the search index was made by another version; it is served until the etl has filled a new one",
				"address", x.where, "index", name, "mapping", is.Mappings.Meta[metaMapping], "want", mapping)
		}
	}
	return nil
}

func (c Config) validate() (urls []*url.URL, where string, err error) {
	if len(c.URLs) == 0 {
		return nil, "", fmt.Errorf("%s: no address of Elasticsearch is given", variable)
	}
	var names []string
	for _, s := range c.URLs {
		u, err := url.Parse(strings.TrimRight(strings.TrimSpace(s), "/"))
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
			// The text may hold a password that did not come apart.
			return nil, "", fmt.Errorf("%s: each address must look like https://host:9200", variable)
		}
		urls = append(urls, u)
		names = append(names, u.Redacted())
	}
	if c.APIKey != "" && c.User != "" {
		return nil, "", fmt.Errorf("%s: a user and an API key are configured; Elasticsearch wants one of them", variable)
	}
	if !indexName.MatchString(c.Index) {
		return nil, "", fmt.Errorf("the name %q of the search index must be of a-z, 0-9, - and _", c.Index)
	}
	return urls, strings.Join(names, ", "), nil
}

// check tells whether what answers is Elasticsearch, of the right version, and
// lets us in.
func (x *Index) check(ctx context.Context) error {
	res, err := info.New(x.asking).Perform(ctx)
	var r *refusal
	switch {
	case errors.As(err, &r) && (r.status == http.StatusUnauthorized || r.status == http.StatusForbidden):
		return await.Never(fmt.Errorf("%s: Elasticsearch at %s refuses the user, password or API key that is configured (%d): set those of a user that it has", variable, x.where, r.status))
	case errors.As(err, &r) && (r.status == http.StatusBadRequest || r.status == http.StatusNotAcceptable):
		return await.Never(fmt.Errorf("%s: what answers at %s does not speak Elasticsearch %s: %w", variable, x.where, wanted, r))
	case err != nil:
		var f *fault.Error
		if errors.As(err, &f) {
			err = f.Cause
		}
		return fmt.Errorf("%s: %w at %s: %w", variable, errAway, x.where, err)
	}
	defer res.Body.Close()
	var about struct {
		Version struct {
			Number string `json:"number"`
		} `json:"version"`
	}
	if err := json.NewDecoder(res.Body).Decode(&about); err != nil || res.Header.Get("X-Elastic-Product") != "Elasticsearch" {
		return await.Never(fmt.Errorf("%s: what answers at %s is not Elasticsearch: want the address of one of its nodes", variable, x.where))
	}
	if major, _, _ := strings.Cut(about.Version.Number, "."); major != wanted {
		return await.Never(fmt.Errorf("%s: Elasticsearch %s answers at %s, but version %s is needed", variable, about.Version.Number, x.where, wanted))
	}
	return nil
}

// Settle does what New could not while nobody answered: it waits until
// Elasticsearch can be spoken to and there is an index, or ctx ends.
func (x *Index) Settle(ctx context.Context) error {
	for pause := time.Second; ; pause = min(2*pause, 15*time.Second) {
		err := x.check(ctx)
		if err == nil {
			if err = x.ensure(ctx); err != nil {
				err = x.unmade(err)
			}
		}
		if err == nil || ctx.Err() != nil {
			return nil
		}
		x.log.WarnContext(ctx, "the search index is not ready; it is waited for", "error", err, "retry", pause)
		if wait(ctx, pause) != nil {
			return nil
		}
	}
}

// Close ends the connections; the index stays.
func (x *Index) Close() error {
	x.lexicon.close()
	err := x.client.Close(context.Background())
	x.http.CloseIdleConnections()
	return err
}

// Ready reports whether the index can be read.
func (x *Index) Ready(ctx context.Context) error {
	_, err := x.search(ctx, none())
	return err
}
