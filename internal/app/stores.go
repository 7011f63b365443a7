package app

import (
	"context"
	"io"
	"path/filepath"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/netflixathome/cinema/internal/blob"
	"github.com/netflixathome/cinema/internal/blob/files"
	"github.com/netflixathome/cinema/internal/blob/s3"
	busmemory "github.com/netflixathome/cinema/internal/bus/memory"
	busredis "github.com/netflixathome/cinema/internal/bus/redis"
	"github.com/netflixathome/cinema/internal/cache"
	cachememory "github.com/netflixathome/cinema/internal/cache/memory"
	cacheredis "github.com/netflixathome/cinema/internal/cache/redis"
	limitmemory "github.com/netflixathome/cinema/internal/limit/memory"
	limitredis "github.com/netflixathome/cinema/internal/limit/redis"
	"github.com/netflixathome/cinema/internal/mediaurl"
	"github.com/netflixathome/cinema/internal/redis"
	"github.com/netflixathome/cinema/internal/search"
	"github.com/netflixathome/cinema/internal/search/bleve"
	"github.com/netflixathome/cinema/internal/search/elastic"
)

// What this process keeps of what was costly to find out, and how many keys it
// counts, where there is no Redis.
const (
	cacheBytes = 16 << 20
	limitKeys  = 100_000
)

// openShared opens what the instances of a service share: news, limits, cache.
func (a *app) openShared(ctx context.Context) (err error) {
	log := a.log.With("part", "redis")
	var store cache.Store
	if a.cfg.Redis.URL == "" {
		a.bus = busmemory.New()
		if a.limiter, err = limitmemory.New(limitKeys, time.Now); err != nil {
			return err
		}
		store, err = cachememory.New(cacheBytes)
	} else {
		var client goredis.UniversalClient
		if err := a.reach(ctx, "redis", func(ctx context.Context) (err error) {
			client, err = redis.Open(ctx, a.cfg.Redis.URL, log)
			return err
		}); err != nil {
			return err
		}
		a.closing("redis", client)
		// Without it nothing is lost: limits let pass, news is asked for again.
		a.health = append(a.health, check{name: "redis", optional: true, check: func(ctx context.Context) error { return client.Ping(ctx).Err() }})
		if a.bus, err = busredis.New(client, redis.Prefix, log); err != nil {
			return err
		}
		if a.limiter, err = limitredis.New(client, redis.Prefix); err != nil {
			return err
		}
		store, err = cacheredis.New(client, redis.Prefix)
	}
	if err != nil {
		return err
	}
	a.cache, err = cache.New(counted{store, a.metrics.cache}, log)
	return err
}

// blobs is a store of objects that is to be closed.
type blobs interface {
	blob.Store
	io.Closer
}

// openBlobs opens the object store: the one configured, by reach or within, else
// the data folder's.
func (a *app) openBlobs(ctx context.Context, reach func(context.Context, string, func(context.Context) error) error) (blobs, error) {
	if a.cfg.Objects.URL == "" {
		return files.New(filepath.Join(a.cfg.DataDir, "objects"))
	}
	var store *s3.Store
	err := reach(ctx, "s3", func(ctx context.Context) (err error) {
		store, err = s3.New(ctx, a.cfg.Objects.s3(), a.log.With("part", "s3"))
		return err
	})
	return store, err
}

// openObjects opens the object store and the signer of its addresses.
func (a *app) openObjects(ctx context.Context) error {
	store, err := a.openBlobs(ctx, a.reach)
	if err != nil {
		return err
	}
	a.closing("the object store", store)
	a.blobs = store
	key, err := secret(a.cfg.DataDir, "media-signing-key", a.cfg.Media.SigningKey)
	if err != nil {
		return err
	}
	a.signer, err = mediaurl.NewSigner(key, time.Now)
	return err
}

// closing has c closed on the way back.
func (a *app) closing(name string, c io.Closer) {
	a.closers = append(a.closers, func() {
		if err := c.Close(); err != nil {
			a.log.Error(name+" was not closed in order", "error", err)
		}
	})
}

// index is the search index as the catalog reads and the ETL writes it.
type index interface {
	search.Reader
	search.Writer
}

// fillsIndex reports whether the ETL into the index runs here: in the etl
// target, but in the catalog's process where the index is embedded there.
func (a *app) fillsIndex() bool {
	if len(a.cfg.Search.URLs) > 0 {
		return a.cfg.Has("etl")
	}
	return a.cfg.Has("catalog")
}

// openIndex opens the index where something here uses it.
func (a *app) openIndex(ctx context.Context) error {
	log := a.log.With("part", "search")
	if len(a.cfg.Search.URLs) > 0 {
		if !a.cfg.Has("catalog") && !a.cfg.Has("etl") && !a.cfg.Has("admin") {
			return nil
		}
		x, err := elastic.New(ctx, elastic.Config{URLs: a.cfg.Search.URLs, Patient: true}, log)
		if err != nil {
			return err
		}
		a.index = x
		a.closing("elasticsearch", x)
		a.run("elasticsearch", x.Settle)
		// The last good answers are served while it is away.
		a.health = append(a.health, check{name: "elasticsearch", optional: true, check: x.Ready})
		return nil
	}
	if !a.cfg.Has("catalog") {
		return nil
	}
	x, err := bleve.Open(filepath.Join(a.cfg.DataDir, "index"), bleve.Options{Logger: log})
	if err != nil {
		return err
	}
	a.closing("the search index", x)
	a.index = x
	return nil
}
