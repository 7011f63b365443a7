package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/netflixathome/cinema/engines"
	"github.com/netflixathome/cinema/engines/ffmpeg"
	etlcatalog "github.com/netflixathome/cinema/etl/catalog"
	"github.com/netflixathome/cinema/etl/media"
	mediamigrations "github.com/netflixathome/cinema/etl/media/migrations"
	admingraph "github.com/netflixathome/cinema/graph/admin"
	"github.com/netflixathome/cinema/internal/blob"
	"github.com/netflixathome/cinema/internal/gqlserver"
	"github.com/netflixathome/cinema/internal/mediaurl"
	"github.com/netflixathome/cinema/internal/pg"
	"github.com/netflixathome/cinema/internal/search/lastgood"
	"github.com/netflixathome/cinema/subgraphs/admin"
	adminmigrations "github.com/netflixathome/cinema/subgraphs/admin/postgres/migrations"
	"github.com/netflixathome/cinema/subgraphs/admin/records"
	adminresolver "github.com/netflixathome/cinema/subgraphs/admin/resolver"
	"github.com/netflixathome/cinema/subgraphs/admin/uploads"
	"github.com/netflixathome/cinema/subgraphs/catalog"
	catalogresolver "github.com/netflixathome/cinema/subgraphs/catalog/resolver"
)

// answerBytes bounds the answers that the catalogue keeps: a card is half a
// kilobyte, so that a hundred thousand titles fit in two languages of which each
// twentieth is asked for.
const answerBytes = 8 << 20

// openCatalogDatabase opens and migrates the database behind the catalogue,
// once, for whoever needs it here.
func (a *app) openCatalogDatabase(ctx context.Context) (*pgxpool.Pool, error) {
	if a.catalogPool != nil {
		return a.catalogPool, nil
	}
	pool, err := a.openDatabase(ctx, "catalog", 12, a.fillsIndex(), func(ctx context.Context, pool *pgxpool.Pool) error {
		if err := pg.Migrate(ctx, pool, mediamigrations.FS, mediamigrations.VersionTable); err != nil {
			return err
		}
		return pg.Migrate(ctx, pool, adminmigrations.FS, adminmigrations.Table)
	})
	a.catalogPool = pool
	return pool, err
}

// wireCatalog makes the catalog service, and the ETL that fills its index where
// that is this process's work.
func (a *app) wireCatalog(ctx context.Context) error {
	if a.fillsIndex() {
		if err := a.wireCatalogETL(ctx); err != nil {
			return err
		}
	}
	if !a.cfg.Has("catalog") {
		return nil
	}
	log := a.log.With("part", "catalog")
	deps := catalog.Deps{Index: a.index, Media: a.signer, Logger: log, Loaded: a.metrics.loaded("catalog")}
	if len(a.cfg.Search.URLs) > 0 { // an index elsewhere can be away
		kept, err := lastgood.New(lastgood.Options{Index: a.index, File: filepath.Join(a.cfg.DataDir, "catalogue.json"), Logger: log})
		if err != nil {
			return err
		}
		a.run("last good catalogue", kept.Run)
		deps.Index, deps.Away = kept, kept.Away
	}
	if own, ok := a.index.(interface{ Generation() uint64 }); ok {
		deps.Generation = own.Generation
	}
	service, err := catalog.New(deps)
	if err != nil {
		return err
	}
	a.subgraphs["catalog"], err = catalogresolver.Handler(catalogresolver.Options{
		Catalogue: service, Verifier: a.verifier, Logger: log, KeepBytes: answerBytes, Kept: a.metrics.answerKept,
	})
	if err != nil {
		return err
	}
	a.media, err = mediaurl.NewHandler(mediaurl.Config{Signer: a.signer, Store: a.blobs, Revoked: a.sessionRevoked, Log: log})
	return err
}

// wireCatalogETL makes the ETL from Postgres into the index. Several may run:
// one holds the replication slot, the others wait for it.
func (a *app) wireCatalogETL(ctx context.Context) error {
	pool, err := a.openCatalogDatabase(ctx)
	if err != nil {
		return err
	}
	etl, err := etlcatalog.New(etlcatalog.Deps{Pool: pool, Index: a.index, Log: a.log.With("part", "etl/catalog")})
	if err != nil {
		return err
	}
	a.run("etl/catalog", etl.Run)
	a.health = append(a.health, check{name: "etl/catalog", optional: true, check: func(context.Context) error {
		if s := etl.Status(); s.State == etlcatalog.Failing {
			return errors.New(s.LastError)
		}
		return nil
	}})
	a.live.etl = etl
	return nil
}

// wireMedia makes the queue of films and, where the etl target runs, the
// worker that empties it.
func (a *app) wireMedia(ctx context.Context) error {
	if !a.cfg.Has("admin") && !a.cfg.Has("etl") {
		return nil
	}
	log := a.log.With("part", "etl/media")
	pool, err := a.openCatalogDatabase(ctx)
	if err != nil {
		return err
	}
	if a.library, err = media.NewLibrary(pool, a.blobs); err != nil {
		return err
	}
	if a.queue, err = media.NewQueue(pool); err != nil {
		return err
	}
	found := ffmpeg.Tools{FFmpeg: a.cfg.Media.FFmpeg, FFprobe: a.cfg.Media.FFprobe}
	if found.FFmpeg == "" || found.FFprobe == "" {
		if found, err = ffmpeg.Find(ctx, ffmpeg.Options{EnginesDir: engines.FindDir(a.cfg.EnginesDir)}); err != nil {
			return err
		}
	}
	a.ffmpeg = found.FFmpeg
	a.tools, err = media.NewTools(media.ToolsConfig{
		FFmpeg: found.FFmpeg, FFprobe: found.FFprobe, WorkDir: filepath.Join(a.cfg.DataDir, "work"), Log: log,
	})
	if err != nil {
		return err
	}
	if !a.cfg.Has("etl") {
		return nil
	}
	worker, err := media.NewWorker(media.WorkerConfig{
		Pool: pool, Store: a.blobs, Tools: a.tools, Alone: a.cfg.Postgres.Catalog == "", Log: log,
		Publish: func(ctx context.Context, j media.Job) {
			a.metrics.jobChanged(j)
			text, err := json.Marshal(struct {
				ID uuid.UUID `json:"id"`
			}{j.ID})
			if err == nil {
				err = a.bus.Publish(ctx, admin.TopicMediaJob, text)
			}
			if err != nil && ctx.Err() == nil {
				log.Warn("a job's progress was not told", "error", err)
			}
		},
	})
	if err != nil {
		return err
	}
	a.run("etl/media", worker.Run)
	return nil
}

// wireAdmin makes the admin service with uploads and the demo.
func (a *app) wireAdmin(ctx context.Context) error {
	if !a.cfg.Has("admin") {
		return nil
	}
	log := a.log.With("part", "admin")
	pool, err := a.openCatalogDatabase(ctx)
	if err != nil {
		return err
	}
	a.records, err = records.New(records.Deps{Pool: pool, Jobs: jobs{a.queue, a.library}, Log: log, Now: time.Now})
	if err != nil {
		return err
	}
	up, err := uploads.New(uploads.Deps{
		Records: a.records, Pictures: pictures{a.blobs}, Films: films{a.tools}, Objects: objects{a.blobs},
		Dir: filepath.Join(a.cfg.DataDir, "uploads"), Log: log, Now: time.Now, Refuses: a.revoked.Refuses,
	})
	if err != nil {
		return err
	}
	a.uploads = up.Handler(a.verifier)
	a.run("uploads", up.Run)
	a.run("records", func(ctx context.Context) error { return a.records.Run(ctx, objects{a.blobs}) })
	if err := a.wireDemo(); err != nil {
		return err
	}
	r, err := adminresolver.New(adminresolver.Deps{
		Records: a.records, Uploads: up, Demo: demoStatus{a.demo}, Signer: pictureURLs{a.signer, log}, Bus: a.bus, Log: log,
		Loaded: a.metrics.loaded("admin"),
	})
	if err != nil {
		return err
	}
	a.subgraphs["admin"], err = gqlserver.New(gqlserver.Options{
		Schema:   admingraph.NewExecutableSchema(admingraph.Config{Resolvers: r}),
		Verifier: a.verifier, Logger: log, Prepare: r.Prepare,
	})
	return err
}

// jobs is the media ETL's queue as the admin service sees it.
type jobs struct {
	queue   *media.Queue
	library *media.Library
}

func (j jobs) Enqueue(ctx context.Context, tx pgx.Tx, spec admin.JobSpec) error {
	_, err := j.queue.Enqueue(ctx, tx, media.JobSpec{
		AssetID: spec.AssetID, PlayableID: spec.Playable.UUID, PlayableKind: string(spec.Playable.Kind), SourceKey: spec.SourceKey,
	})
	return err
}

func (j jobs) Cancel(ctx context.Context, id uuid.UUID) error {
	_, err := j.queue.Cancel(ctx, id)
	return err
}

func (j jobs) Retry(ctx context.Context, id uuid.UUID) error {
	_, err := j.queue.Retry(ctx, id)
	return err
}

func (j jobs) Forget(ctx context.Context, playable uuid.UUID) error {
	return j.library.Forget(ctx, playable)
}

// pictures makes uploaded pictures safe and stores their widths.
type pictures struct{ store blob.Store }

func (p pictures) Store(ctx context.Context, path string, kind admin.AssetKind, keyPrefix string) (admin.Image, error) {
	f, err := os.Open(path)
	if err != nil {
		return admin.Image{}, err
	}
	defer f.Close()
	k := media.Poster
	if kind == admin.Still {
		k = media.Still
	}
	picture, err := media.InspectImage(ctx, f, k)
	if err != nil {
		return admin.Image{}, err
	}
	return storePicture(ctx, p.store, picture, keyPrefix)
}

func storePicture(ctx context.Context, store blob.Store, picture media.Picture, prefix string) (admin.Image, error) {
	prefix = strings.TrimSuffix(prefix, "/")
	out := admin.Image{Prefix: prefix, Placeholder: picture.Placeholder, Colour: picture.Color}
	for _, size := range picture.Sizes {
		key := prefix + "/" + strconv.Itoa(size.Width) + ".jpg"
		if _, err := store.Put(ctx, key, strings.NewReader(string(size.JPEG)), blob.PutOptions{ContentType: "image/jpeg", Size: int64(len(size.JPEG))}); err != nil {
			return admin.Image{}, fmt.Errorf("store picture: %w", err)
		}
		out.Widths = append(out.Widths, size.Width)
	}
	return out, nil
}

// films looks at uploaded films.
type films struct{ tools *media.Tools }

func (f films) Inspect(ctx context.Context, path string) error {
	_, err := f.tools.Inspect(ctx, path)
	return err
}

// objects is the object store as uploads see it.
type objects struct{ store blob.Store }

func (o objects) PutFile(ctx context.Context, key, path string) error {
	if _, err := blob.PutFile(ctx, o.store, key, path, blob.PutOptions{}); err != nil {
		return err
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

func (o objects) Delete(ctx context.Context, key string) error {
	if strings.HasSuffix(key, "/") {
		return o.store.DeletePrefix(ctx, key)
	}
	return o.store.Delete(ctx, key)
}

// pictureURLs signs addresses of pictures.
type pictureURLs struct {
	signer *mediaurl.Signer
	log    *slog.Logger
}

func (p pictureURLs) SignStable(key string) string {
	url, err := p.signer.StableURL(key)
	if err != nil {
		p.log.Error("a picture has a key that cannot be signed", "error", err)
		return ""
	}
	return url
}
