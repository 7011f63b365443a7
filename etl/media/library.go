package media

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/netflixathome/cinema/internal/blob"
	"github.com/netflixathome/cinema/internal/fault"
)

// Media is what can be played of a film or an episode.
type Media struct {
	AssetID      uuid.UUID
	OriginID     uuid.UUID // whose files these are; AssetID unless shared
	PlayableID   uuid.UUID
	PlayableKind string
	Duration     time.Duration
	Width        int
	Height       int
	MasterKey    string
	SpriteVTTKey string // empty until there are thumbnails
	PosterKey    string // empty until there is a frame
	Placeholder  string // data: URL
	Color        string // #rrggbb
	Subtitles    []SubtitleTrack
	Audio        []AudioTrack
	Ready        bool // it plays
	Complete     bool // nothing more will come
	Demo         bool
	Version      int64
	CreatedAt    time.Time
	UpdatedAt    time.Time
}

// Prefix is the folder that holds all files of the film: what a token for its
// playback covers.
func (m Media) Prefix() string { return path.Dir(m.MasterKey) + "/" }

const mediaColumns = `asset_id, origin_id, playable_id, playable_kind, duration_ms, width, height, master_key, sprite_vtt_key, poster_key,
	placeholder, color, subtitles, audio, ready, complete, demo, version, created_at, updated_at`

func scanMedia(row pgx.CollectableRow) (Media, error) {
	var m Media
	var ms int64
	var subs, audio []byte
	err := row.Scan(&m.AssetID, &m.OriginID, &m.PlayableID, &m.PlayableKind, &ms, &m.Width, &m.Height, &m.MasterKey, &m.SpriteVTTKey, &m.PosterKey,
		&m.Placeholder, &m.Color, &subs, &audio, &m.Ready, &m.Complete, &m.Demo, &m.Version, &m.CreatedAt, &m.UpdatedAt)
	if err != nil {
		return Media{}, err
	}
	m.Duration = time.Duration(ms) * time.Millisecond
	return m, errors.Join(json.Unmarshal(subs, &m.Subtitles), json.Unmarshal(audio, &m.Audio))
}

// Library is what the worker has made: rows in Postgres, files in the object
// store.
type Library struct {
	pool  *pgxpool.Pool
	store blob.Store
}

// NewLibrary works on the catalog database and the object store.
func NewLibrary(pool *pgxpool.Pool, store blob.Store) (*Library, error) {
	if pool == nil || store == nil {
		return nil, errors.New("media: the library needs a pool and a store")
	}
	return &Library{pool, store}, nil
}

// MediaOf returns what can be played of each playable: its newest asset that
// is ready, else its newest. Playables without media are not in the map.
func (l *Library) MediaOf(ctx context.Context, playableIDs []uuid.UUID) (map[uuid.UUID]Media, error) {
	rows, err := l.pool.Query(ctx, `SELECT DISTINCT ON (playable_id) `+mediaColumns+` FROM media_asset
		WHERE playable_id = ANY($1) AND retired_at IS NULL ORDER BY playable_id, ready DESC, created_at DESC`, playableIDs)
	if err != nil {
		return nil, fmt.Errorf("media: %w", err)
	}
	ms, err := pgx.CollectRows(rows, scanMedia)
	if err != nil {
		return nil, fmt.Errorf("media: %w", err)
	}
	out := make(map[uuid.UUID]Media, len(ms))
	for _, m := range ms {
		out[m.PlayableID] = m
	}
	return out, nil
}

// Renditions returns the qualities of each origin (Media.OriginID), the
// largest first.
func (l *Library) Renditions(ctx context.Context, originIDs []uuid.UUID) (map[uuid.UUID][]Rendition, error) {
	rows, err := l.pool.Query(ctx, `SELECT asset_id, name, width, height, bitrate, avg_bitrate, codecs, frame_rate, path,
		(extract(epoch FROM ready_at) * 1000)::bigint FROM rendition WHERE asset_id = ANY($1) ORDER BY height * width DESC, bitrate DESC`, originIDs)
	if err != nil {
		return nil, fmt.Errorf("renditions: %w", err)
	}
	out := map[uuid.UUID][]Rendition{}
	var id uuid.UUID
	var r Rendition
	_, err = pgx.ForEachRow(rows, []any{&id, &r.Name, &r.Width, &r.Height, &r.Bitrate, &r.AvgBitrate, &r.Codecs, &r.FrameRate, &r.Path, &r.ReadyAtMilli}, func() error {
		out[id] = append(out[id], r)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("renditions: %w", err)
	}
	return out, nil
}

// Share lets another playable play the same files. The new row follows what
// its origin still gains. NotFound when there is no such asset.
func (l *Library) Share(ctx context.Context, fromAsset, toPlayable uuid.UUID, playableKind string) (Media, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return Media{}, fmt.Errorf("share: %w", err)
	}
	// FOR SHARE: the origin must not be removed, nor move on, between the read
	// and the insert.
	rows, err := l.pool.Query(ctx, `WITH origin AS (SELECT * FROM media_asset WHERE asset_id = $1 FOR SHARE)
		INSERT INTO media_asset (asset_id, origin_id, playable_id, playable_kind, duration_ms, width, height, master_key, sprite_vtt_key,
			poster_key, placeholder, color, subtitles, audio, ready, complete, demo)
		SELECT $2, origin_id, $3, $4, duration_ms, width, height, master_key, sprite_vtt_key,
			poster_key, placeholder, color, subtitles, audio, ready, complete, demo FROM origin
		RETURNING `+mediaColumns, fromAsset, id, toPlayable, playableKind)
	if err != nil {
		return Media{}, fmt.Errorf("share: %w", err)
	}
	m, err := pgx.CollectExactlyOneRow(rows, scanMedia)
	if errors.Is(err, pgx.ErrNoRows) {
		return Media{}, fault.New(fault.NotFound, "There is no such film file.")
	}
	if err != nil {
		return Media{}, fmt.Errorf("share: %w", err)
	}
	return m, nil
}

// Remove takes an asset out of the library and ends the work on it. Its files
// go when no other asset shares them. A missing asset is no error. The source
// stays: it is its uploader's.
func (l *Library) Remove(ctx context.Context, assetID uuid.UUID) error {
	var origin uuid.UUID
	last := false
	err := pgx.BeginFunc(ctx, l.pool, func(tx pgx.Tx) error {
		// Not cleaned: a worker that has yet to notice may still store a file;
		// the files are removed again when it has.
		if _, err := tx.Exec(ctx, `UPDATE media_job SET state = 'cancelled', finished_at = now(), updated_at = now(), cleaned = false
			WHERE asset_id = $1 AND state IN ('queued', 'probing', 'encoding')`, assetID); err != nil {
			return err
		}
		err := tx.QueryRow(ctx, `DELETE FROM media_asset WHERE asset_id = $1 RETURNING origin_id`, assetID).Scan(&origin)
		if errors.Is(err, pgx.ErrNoRows) {
			origin = assetID // a job that did not come to make a row yet
		} else if err != nil {
			return err
		}
		last, err = lastOf(ctx, tx, origin)
		return err
	})
	if err != nil {
		return fmt.Errorf("remove the film's files: %w", err)
	}
	if last {
		if err := l.store.DeletePrefix(ctx, prefixOf(origin)); err != nil {
			return fmt.Errorf("remove the film's files: %w", err)
		}
	}
	if _, err := l.pool.Exec(ctx, `SELECT pg_notify($1, '')`, channel); err != nil {
		return fmt.Errorf("remove the film's files: %w", err)
	}
	return nil
}

// lastOf drops the renditions of an origin that no row has any more, and
// reports whether there was none. Two removals of the last two rows wait for
// each other on the lock, so one of them sees that it is the last.
func lastOf(ctx context.Context, tx pgx.Tx, origin uuid.UUID) (bool, error) {
	if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock(hashtextextended($1::text, 0))`, origin.String()); err != nil {
		return false, err
	}
	var shared bool
	if err := tx.QueryRow(ctx, `SELECT EXISTS (SELECT FROM media_asset WHERE origin_id = $1)`, origin).Scan(&shared); err != nil || shared {
		return false, err
	}
	_, err := tx.Exec(ctx, `DELETE FROM rendition WHERE asset_id = $1`, origin)
	return true, err
}

// RemoveDemo removes every demo asset with its jobs and files; it returns how
// many assets went.
func (l *Library) RemoveDemo(ctx context.Context) (int, error) {
	rows, err := l.pool.Query(ctx, `SELECT asset_id FROM media_asset WHERE demo UNION SELECT asset_id FROM media_job WHERE demo`)
	if err != nil {
		return 0, fmt.Errorf("remove the demo's films: %w", err)
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
	if err != nil {
		return 0, fmt.Errorf("remove the demo's films: %w", err)
	}
	for _, id := range ids {
		if err := l.Remove(ctx, id); err != nil {
			return 0, err
		}
	}
	if _, err := l.pool.Exec(ctx, `DELETE FROM media_job WHERE demo AND (state IN ('ready', 'failed') OR state = 'cancelled' AND (cleaned OR worker = ''))`); err != nil {
		return 0, fmt.Errorf("remove the demo's jobs: %w", err)
	}
	return len(ids), nil
}

func prefixOf(origin uuid.UUID) string { return "renditions/" + origin.String() + "/" }
