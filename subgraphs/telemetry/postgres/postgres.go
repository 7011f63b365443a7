// Package postgres keeps what each profile has seen, lists and ratings, and the
// viewing sessions. The telemetry subgraph and the watch collector share it.
package postgres

import (
	"cmp"
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/netflixathome/cinema/internal/events"
	"github.com/netflixathome/cinema/internal/gid"
	"github.com/netflixathome/cinema/internal/pg"
	"github.com/netflixathome/cinema/subgraphs/telemetry"
)

//go:embed migrations/*.sql
var files embed.FS

// Store is the telemetry database.
type Store struct{ pool *pgxpool.Pool }

// New makes a Store; pool is required.
func New(pool *pgxpool.Pool) (*Store, error) {
	if pool == nil {
		return nil, errors.New("telemetry/postgres: a pool is required")
	}
	return &Store{pool: pool}, nil
}

// Table records which migrations were applied.
const Table = "goose_telemetry"

// Migrate brings the tables up to date.
func Migrate(ctx context.Context, pool *pgxpool.Pool) error {
	dir, err := Migrations()
	if err != nil {
		return err
	}
	return pg.Migrate(ctx, pool, dir, Table)
}

// Migrations are the tables, in goose's format.
func Migrations() (fs.FS, error) { return fs.Sub(files, "migrations") }

const finishedPercent = 95

// Apply takes playback events, in any order and as often as they come, and
// reports whether a session was changed by them.
func (s *Store) Apply(ctx context.Context, list []events.Event) (changed bool, err error) {
	if len(list) == 0 {
		return false, nil
	}
	err = pg.Tx(ctx, s.pool, func(tx pgx.Tx) error {
		list, err := living(ctx, tx, list)
		if err != nil || len(list) == 0 {
			return err
		}
		order := sittings(list)
		// Rows are locked in one order by all writers.
		ids := make([]uuid.UUID, len(order))
		for i, st := range order {
			ids[i] = st.first.SessionID
		}
		durations, err := lockSessions(ctx, tx, ids)
		if err != nil {
			return err
		}
		n, err := upsertSessions(ctx, tx, order)
		if err != nil {
			return err
		}
		changed = n > 0
		return upsertStates(ctx, tx, order, durations)
	})
	if err != nil {
		return false, fmt.Errorf("apply %d playback events: %w", len(list), err)
	}
	return changed, nil
}

// sittings are what the events say, by session in the order of their first.
func sittings(list []events.Event) (order []*sitting) {
	sessions := map[uuid.UUID]*sitting{}
	for i := range list {
		e := &list[i]
		st := sessions[e.SessionID]
		if st == nil {
			st = &sitting{first: e, start: e.At}
			sessions[e.SessionID] = st
			order = append(order, st)
		}
		st.add(e)
	}
	return order
}

// sitting is what a batch says about one session.
type sitting struct {
	first    *events.Event
	start    time.Time
	last     *events.Event // the latest sign of life
	place    *events.Event // the latest that says where in the film
	ended    *events.Event // the latest PLAY_ENDED
	duration int
}

// arrival orders signs of life by the server's clock, since a client's may be
// off by what is not corrected; what came together goes by the client's.
func arrival(a, b *events.Event) int {
	return cmp.Or(a.ReceivedAt.Compare(b.ReceivedAt), a.At.Compare(b.At), cmp.Compare(a.ID.String(), b.ID.String()))
}

func later(a, b *events.Event) *events.Event {
	if a == nil || arrival(b, a) > 0 {
		return b
	}
	return a
}

func (st *sitting) add(e *events.Event) {
	if e.At.Before(st.start) {
		st.start = e.At
	}
	st.last = later(st.last, e)
	if e.Name.HasPosition() && !e.IsOwnEnd() && (st.place == nil || e.At.After(st.place.At) || e.At.Equal(st.place.At) && arrival(e, st.place) > 0) {
		st.place = e
	}
	if e.Name == events.PlayEnded {
		st.ended = later(st.ended, e)
	}
	st.duration = max(st.duration, e.DurationMs)
}

func lockSessions(ctx context.Context, tx pgx.Tx, ids []uuid.UUID) (map[uuid.UUID]int, error) {
	rows, err := tx.Query(ctx, `SELECT id, duration_ms FROM viewing_session WHERE id = ANY($1) ORDER BY id FOR UPDATE`, ids)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	out := map[uuid.UUID]int{}
	for rows.Next() {
		var id uuid.UUID
		var ms int
		if err := rows.Scan(&id, &ms); err != nil {
			return nil, err
		}
		out[id] = ms
	}
	return out, rows.Err()
}

func upsertSessions(ctx context.Context, tx pgx.Tx, order []*sitting) (int64, error) {
	var (
		id, user, profile, playable, title             []uuid.UUID
		playableKind, titleKind, kind, system, browser []string
		locale                                         []string
		started, last                                  []time.Time
		position                                       []*int
		duration                                       []int
		playing                                        []bool
		ended                                          []*time.Time
		reason                                         []*string
		demo                                           []bool
	)
	for _, st := range order {
		e := st.last
		id, user, profile = append(id, e.SessionID), append(user, e.UserID), append(profile, e.ProfileID)
		playable, playableKind = append(playable, e.Playable.UUID), append(playableKind, string(e.Playable.Kind))
		title, titleKind = append(title, e.Title.UUID), append(titleKind, string(e.Title.Kind))
		kind, system, browser = append(kind, e.Device.Kind), append(system, e.Device.System), append(browser, e.Device.Browser)
		locale, demo = append(locale, e.Locale), append(demo, e.Demo)
		started, last = append(started, st.start), append(last, e.ReceivedAt)
		var at *int
		plays := false
		if st.place != nil {
			at = &st.place.PositionMs
			plays = st.place.Name == events.PlayStarted || st.place.Name == events.Seeked || st.place.Name == events.Heartbeat && st.place.Playing
		}
		position, duration, playing = append(position, at), append(duration, st.duration), append(playing, plays)
		// An end counts unless there is a later sign of life.
		if st.ended != nil && st.last == st.ended {
			ended, reason = append(ended, &st.ended.At), append(reason, &st.ended.Reason)
			playing[len(playing)-1] = false
		} else {
			ended, reason = append(ended, nil), append(reason, nil)
		}
	}
	tag, err := tx.Exec(ctx, `
		INSERT INTO viewing_session AS s (id, user_id, profile_id, playable_kind, playable_id, title_kind, title_id,
			device_kind, device_system, device_browser, locale, started_at, last_heartbeat_at, position_ms, duration_ms,
			playing, ended_at, end_reason, demo)
		SELECT id, u, p, pk, pid, tk, tid, dk, ds, db, lo, st, la, coalesce(po, 0), du, pl, en, re, de
		FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::uuid[], $6::text[], $7::uuid[], $8::text[], $9::text[], $10::text[],
			$11::text[], $12::timestamptz[], $13::timestamptz[], $14::int[], $15::int[], $16::bool[], $17::timestamptz[], $18::text[], $19::bool[])
			AS n(id, u, p, pk, pid, tk, tid, dk, ds, db, lo, st, la, po, du, pl, en, re, de)
		ORDER BY id
		ON CONFLICT (id) DO UPDATE SET
			started_at = least(s.started_at, excluded.started_at),
			last_heartbeat_at = excluded.last_heartbeat_at,
			position_ms = CASE WHEN excluded.position_ms > 0 OR excluded.playing THEN excluded.position_ms ELSE s.position_ms END,
			duration_ms = greatest(s.duration_ms, excluded.duration_ms),
			playing = excluded.playing,
			-- A sign of life after the end goes on with the session.
			ended_at = excluded.ended_at,
			end_reason = excluded.end_reason
		-- Older news change nothing; a session is only its own profile's. At the
		-- same moment an end beats a beat.
		WHERE s.profile_id = excluded.profile_id
			AND (excluded.last_heartbeat_at > s.last_heartbeat_at
				OR excluded.last_heartbeat_at = s.last_heartbeat_at AND (s.ended_at IS NULL OR excluded.ended_at IS NOT NULL))`,
		id, user, profile, playableKind, playable, titleKind, title, kind, system, browser, locale, started, last, position, duration, playing, ended, reason, demo)
	if err != nil {
		return 0, err
	}
	return tag.RowsAffected(), nil
}

func upsertStates(ctx context.Context, tx pgx.Tx, order []*sitting, durations map[uuid.UUID]int) error {
	type key struct{ profile, playable uuid.UUID }
	newest := map[key]*sitting{}
	for _, st := range order {
		if st.place == nil {
			continue
		}
		k := key{st.place.ProfileID, st.place.Playable.UUID}
		if old := newest[k]; old == nil || st.place.At.After(old.place.At) {
			newest[k] = st
		}
	}
	var (
		profile, playable, title []uuid.UUID
		playableKind, titleKind  []string
		position, duration       []int
		finished, demo           []bool
		seen                     []time.Time
	)
	for _, st := range newest {
		e := st.place
		length := max(st.duration, durations[e.SessionID])
		done := length > 0 && e.PositionMs >= length*finishedPercent/100 || e.Name == events.PlayEnded && e.Reason == "end"
		profile, playable, title = append(profile, e.ProfileID), append(playable, e.Playable.UUID), append(title, e.Title.UUID)
		playableKind, titleKind = append(playableKind, string(e.Playable.Kind)), append(titleKind, string(e.Title.Kind))
		position, duration = append(position, e.PositionMs), append(duration, length)
		finished, demo, seen = append(finished, done), append(demo, e.Demo), append(seen, e.At)
	}
	_, err := tx.Exec(ctx, `
		INSERT INTO watch_state AS w (profile_id, playable_kind, playable_id, title_kind, title_id, position_ms, duration_ms, finished, last_seen_at, demo)
		SELECT * FROM unnest($1::uuid[], $2::text[], $3::uuid[], $4::text[], $5::uuid[], $6::int[], $7::int[], $8::bool[], $9::timestamptz[], $10::bool[]) AS n(p, pk, pid, tk, tid, po, du, fi, se, de)
		ORDER BY p, pid
		ON CONFLICT (profile_id, playable_id) DO UPDATE SET
			position_ms = excluded.position_ms, duration_ms = greatest(excluded.duration_ms, w.duration_ms),
			finished = excluded.finished, forgotten = false, last_seen_at = excluded.last_seen_at,
			title_kind = excluded.title_kind, title_id = excluded.title_id
		WHERE excluded.last_seen_at > w.last_seen_at`,
		profile, playableKind, playable, titleKind, title, position, duration, finished, seen, demo)
	return err
}

const sessionColumns = `id, user_id, profile_id, playable_kind, playable_id, title_kind, title_id,
	device_kind, device_system, device_browser, locale, started_at, last_heartbeat_at, position_ms, duration_ms, playing, clock_offset_ms, ended_at, coalesce(end_reason, ''), demo`

func scanSessions(rows pgx.Rows, err error) ([]telemetry.Session, error) {
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (telemetry.Session, error) {
		var s telemetry.Session
		var offset int64
		var playable, title gid.Kind
		err := row.Scan(&s.ID, &s.UserID, &s.ProfileID, &playable, &s.Playable.UUID, &title, &s.Title.UUID,
			&s.Device.Kind, &s.Device.System, &s.Device.Browser, &s.Locale, &s.StartedAt, &s.LastSeenAt, &s.PositionMs, &s.DurationMs, &s.Playing, &offset, &s.EndedAt, &s.EndReason, &s.Demo)
		s.Playable.Kind, s.Title.Kind = playable, title
		s.ClockOffset = time.Duration(offset) * time.Millisecond
		return s, err
	})
}

// OpenSession registers a session for a connection, or goes on with it. The
// session of another profile is not found, and nothing is changed.
func (s *Store) OpenSession(ctx context.Context, in telemetry.Session, connection uuid.UUID) (telemetry.Session, error) {
	list, err := scanSessions(s.pool.Query(ctx, `
		INSERT INTO viewing_session AS s (id, user_id, profile_id, playable_kind, playable_id, title_kind, title_id,
			device_kind, device_system, device_browser, locale, started_at, last_heartbeat_at, duration_ms, clock_offset_ms, connection, demo)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $12, $13, $14, $15, $16)
		ON CONFLICT (id) DO UPDATE SET connection = excluded.connection, ended_at = NULL, end_reason = NULL,
			last_heartbeat_at = greatest(s.last_heartbeat_at, excluded.last_heartbeat_at),
			duration_ms = greatest(s.duration_ms, excluded.duration_ms)
		WHERE s.profile_id = excluded.profile_id AND s.playable_id = excluded.playable_id
		RETURNING `+sessionColumns,
		in.ID, in.UserID, in.ProfileID, string(in.Playable.Kind), in.Playable.UUID, string(in.Title.Kind), in.Title.UUID,
		in.Device.Kind, in.Device.System, in.Device.Browser, in.Locale, in.StartedAt, in.DurationMs, in.ClockOffset.Milliseconds(), connection, in.Demo))
	if err != nil {
		return telemetry.Session{}, fmt.Errorf("open session: %w", err)
	}
	if len(list) == 0 {
		return telemetry.Session{}, telemetry.ErrForeignSession
	}
	return list[0], nil
}

// Left returns the session that the connection held, if it is still its own
// and has not ended.
func (s *Store) Left(ctx context.Context, id, connection uuid.UUID) (telemetry.Session, bool, error) {
	list, err := scanSessions(s.pool.Query(ctx, `SELECT `+sessionColumns+` FROM viewing_session
		WHERE id = $1 AND connection = $2 AND ended_at IS NULL`, id, connection))
	if err != nil {
		return telemetry.Session{}, false, fmt.Errorf("session: %w", err)
	}
	if len(list) == 0 {
		return telemetry.Session{}, false, nil
	}
	return list[0], true, nil
}

// Sessions returns those of the ids that there are.
func (s *Store) Sessions(ctx context.Context, ids []uuid.UUID) ([]telemetry.Session, error) {
	list, err := scanSessions(s.pool.Query(ctx, `SELECT `+sessionColumns+` FROM viewing_session WHERE id = ANY($1)`, ids))
	if err != nil {
		return nil, fmt.Errorf("sessions: %w", err)
	}
	return list, nil
}

// Silent returns open sessions without a sign of life since before, the
// longest silent first.
func (s *Store) Silent(ctx context.Context, before time.Time, limit int) ([]telemetry.Session, error) {
	list, err := scanSessions(s.pool.Query(ctx, `SELECT `+sessionColumns+` FROM viewing_session
		WHERE ended_at IS NULL AND NOT demo AND last_heartbeat_at < $1 ORDER BY last_heartbeat_at LIMIT $2`, before, limit))
	if err != nil {
		return nil, fmt.Errorf("silent sessions: %w", err)
	}
	return list, nil
}

// Watching returns open sessions with a sign of life since after, the newest first.
func (s *Store) Watching(ctx context.Context, after time.Time, limit int) ([]telemetry.Session, error) {
	list, err := scanSessions(s.pool.Query(ctx, `SELECT `+sessionColumns+` FROM viewing_session
		WHERE ended_at IS NULL AND NOT demo AND last_heartbeat_at >= $1 ORDER BY started_at DESC, id LIMIT $2`, after, limit))
	if err != nil {
		return nil, fmt.Errorf("watching now: %w", err)
	}
	return list, nil
}

// WatchStates returns where the profile stands in those of the playables that it began.
func (s *Store) WatchStates(ctx context.Context, profile uuid.UUID, playables []uuid.UUID) (map[uuid.UUID]*telemetry.WatchState, error) {
	rows, err := s.pool.Query(ctx, `SELECT playable_id, position_ms, duration_ms, finished, last_seen_at FROM watch_state
		WHERE profile_id = $1 AND playable_id = ANY($2) AND NOT forgotten`, profile, playables)
	if err != nil {
		return nil, fmt.Errorf("watch states: %w", err)
	}
	defer rows.Close()
	out := map[uuid.UUID]*telemetry.WatchState{}
	for rows.Next() {
		var id uuid.UUID
		w := &telemetry.WatchState{}
		if err := rows.Scan(&id, &w.PositionMs, &w.DurationMs, &w.Finished, &w.LastSeenAt); err != nil {
			return nil, fmt.Errorf("watch states: %w", err)
		}
		if w.Finished {
			w.PositionMs = 0
		}
		out[id] = w
	}
	return out, rows.Err()
}

// Unfinished returns what the profile began and did not finish, the newest
// first: more than 30 s or 1 % in.
func (s *Store) Unfinished(ctx context.Context, profile uuid.UUID, limit int) ([]*telemetry.ContinueWatching, error) {
	rows, err := s.pool.Query(ctx, `SELECT playable_kind, playable_id, title_kind, title_id, position_ms, duration_ms, last_seen_at FROM watch_state
		WHERE profile_id = $1 AND NOT finished AND NOT forgotten
			AND (position_ms > 30000 OR duration_ms > 0 AND position_ms > duration_ms / 100)
		ORDER BY last_seen_at DESC, playable_id LIMIT $2`, profile, limit)
	if err != nil {
		return nil, fmt.Errorf("continue watching: %w", err)
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (*telemetry.ContinueWatching, error) {
		var playable, title gid.ID
		w := &telemetry.WatchState{}
		err := row.Scan(&playable.Kind, &playable.UUID, &title.Kind, &title.UUID, &w.PositionMs, &w.DurationMs, &w.LastSeenAt)
		return &telemetry.ContinueWatching{Playable: telemetry.PlayableOf(playable), Title: telemetry.TitleOf(title), WatchState: w}, err
	})
	if err != nil {
		return nil, fmt.Errorf("continue watching: %w", err)
	}
	return list, nil
}

// Forget makes the profile stand nowhere in the playable; events older than at
// do not bring it back.
func (s *Store) Forget(ctx context.Context, profile uuid.UUID, playable gid.ID, at time.Time) error {
	_, err := s.pool.Exec(ctx, `UPDATE watch_state SET forgotten = true, finished = false, position_ms = 0, last_seen_at = greatest(last_seen_at, $3)
		WHERE profile_id = $1 AND playable_id = $2`, profile, playable.UUID, at)
	if err != nil {
		return fmt.Errorf("forget progress: %w", err)
	}
	return nil
}

// SetListed puts the title on the profile's list or takes it off.
func (s *Store) SetListed(ctx context.Context, profile uuid.UUID, title gid.ID, on bool) error {
	q := `DELETE FROM listed WHERE profile_id = $1 AND title_id = $2 AND title_kind = $3`
	if on {
		q = `INSERT INTO listed (profile_id, title_id, title_kind) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`
	}
	if _, err := s.pool.Exec(ctx, q, profile, title.UUID, string(title.Kind)); err != nil {
		return fmt.Errorf("set listed: %w", err)
	}
	return nil
}

// SetRating rates the title; nil takes the rating back.
func (s *Store) SetRating(ctx context.Context, profile uuid.UUID, title gid.ID, rating *int) error {
	var err error
	if rating == nil {
		_, err = s.pool.Exec(ctx, `DELETE FROM rating WHERE profile_id = $1 AND title_id = $2`, profile, title.UUID)
	} else {
		_, err = s.pool.Exec(ctx, `INSERT INTO rating (profile_id, title_id, title_kind, rating) VALUES ($1, $2, $3, $4)
			ON CONFLICT (profile_id, title_id) DO UPDATE SET rating = excluded.rating, rated_at = now()`, profile, title.UUID, string(title.Kind), *rating)
	}
	if err != nil {
		return fmt.Errorf("set rating: %w", err)
	}
	return nil
}

// List returns the profile's list, the newest first.
func (s *Store) List(ctx context.Context, profile uuid.UUID, limit int) ([]gid.ID, error) {
	rows, err := s.pool.Query(ctx, `SELECT title_kind, title_id FROM listed WHERE profile_id = $1 ORDER BY listed_at DESC, title_id LIMIT $2`, profile, limit)
	if err != nil {
		return nil, fmt.Errorf("list: %w", err)
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (id gid.ID, err error) {
		err = row.Scan(&id.Kind, &id.UUID)
		return id, err
	})
	if err != nil {
		return nil, fmt.Errorf("list: %w", err)
	}
	return list, nil
}

// Marks returns whether the profile listed the titles, and its ratings.
func (s *Store) Marks(ctx context.Context, profile uuid.UUID, titles []uuid.UUID) (map[uuid.UUID]telemetry.Mark, error) {
	rows, err := s.pool.Query(ctx, `
		SELECT t.id, l.title_id IS NOT NULL, r.rating
		FROM unnest($2::uuid[]) AS t(id)
		LEFT JOIN listed l ON l.profile_id = $1 AND l.title_id = t.id
		LEFT JOIN rating r ON r.profile_id = $1 AND r.title_id = t.id`, profile, titles)
	if err != nil {
		return nil, fmt.Errorf("lists and ratings: %w", err)
	}
	defer rows.Close()
	out := map[uuid.UUID]telemetry.Mark{}
	for rows.Next() {
		var id uuid.UUID
		var m telemetry.Mark
		if err := rows.Scan(&id, &m.Listed, &m.Rating); err != nil {
			return nil, fmt.Errorf("lists and ratings: %w", err)
		}
		out[id] = m
	}
	return out, rows.Err()
}

// RemoveDemo forgets the synthetic viewers.
func (s *Store) RemoveDemo(ctx context.Context) error {
	for _, table := range []string{"watch_state", "viewing_session", "listed", "rating"} {
		if _, err := s.pool.Exec(ctx, "DELETE FROM "+table+" WHERE demo"); err != nil {
			return fmt.Errorf("remove demo: %s: %w", table, err)
		}
	}
	return nil
}
