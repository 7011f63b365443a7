package collectors

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/uuid"

	"github.com/netflixathome/cinema/internal/ch"
	"github.com/netflixathome/cinema/internal/events"
)

const (
	// rollEvery is how often dirty days are looked for.
	rollEvery = time.Second
	// rollRest is the rest after a round, in times of what the round took, and
	// rollRestMost its bound: the rollups of a busy day must not take the store
	// from those who ask, nor keep them waiting.
	rollRest     = 5
	rollRestMost = 15 * time.Second
	// maxGap is the longest interval that may cross midnight: three beats of
	// the slowest cadence that events allow.
	maxGap = 3 * time.Minute
)

// Roller keeps the daily rollups equal to the raw events. It recomputes whole
// days from raw, so doing it twice, or in two programs at once, changes nothing.
type Roller struct {
	db  *ch.DB
	log *slog.Logger
}

// NewRoller makes a Roller; both arguments are required.
func NewRoller(db *ch.DB, log *slog.Logger) (*Roller, error) {
	if db == nil || log == nil {
		return nil, errors.New("collectors: Roller needs ClickHouse and a logger")
	}
	return &Roller{db: db, log: log}, nil
}

// Run rolls up until ctx ends.
func (r *Roller) Run(ctx context.Context) {
	for {
		started := time.Now()
		if _, err := r.Roll(ctx); err != nil && ctx.Err() == nil {
			r.log.WarnContext(ctx, "rollups could not be recomputed; tried again", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(max(rollEvery, min(rollRest*time.Since(started), rollRestMost))):
		}
	}
}

type dirtyDay struct {
	Day    time.Time   `ch:"day"`
	Tokens []uuid.UUID `ch:"tokens"`
}

// Roll recomputes the days that are dirty now and returns how many there were.
func (r *Roller) Roll(ctx context.Context) (int, error) {
	var days []dirtyDay
	if err := r.db.Select(ctx, &days, `
		SELECT day, groupArray(token) AS tokens
		FROM (SELECT day, token FROM dirty_day GROUP BY day, token HAVING sum(sign) > 0)
		GROUP BY day ORDER BY day DESC`); err != nil {
		return 0, fmt.Errorf("dirty days: %w", err)
	}
	if len(days) == 0 {
		return 0, nil
	}
	settle, err := r.db.Settle(ctx)
	if err != nil {
		return 0, fmt.Errorf("dirty days: %w", err)
	}
	for _, d := range days {
		began := time.Now()
		if err := r.Recompute(ctx, d.Day); err != nil {
			return 0, err
		}
		// Only the marks seen before the day was read are taken back: one set
		// meanwhile stays for the next round. So does one that was set so lately
		// that its events may not have been read, see Settle.
		settled := d.Tokens
		if settle > 0 {
			settled = setBefore(settled, began.Add(-settle))
		}
		if len(settled) == 0 {
			continue
		}
		if err := r.db.Insert(ctx, "INSERT INTO dirty_day (day, token, sign)", func(b driver.Batch) error {
			for _, token := range settled {
				if err := b.Append(d.Day, token, int8(-1)); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			return 0, fmt.Errorf("unmark %s: %w", d.Day.Format(time.DateOnly), err)
		}
	}
	return len(days), nil
}

// setBefore keeps the marks that were set before a moment. A mark that does not
// tell its moment is of a program that knew of no replicas.
func setBefore(tokens []uuid.UUID, moment time.Time) []uuid.UUID {
	return slices.DeleteFunc(tokens, func(token uuid.UUID) bool { return !events.TimeOf(token).Before(moment) })
}

// Recompute works out the rollups of one day from raw.
func (r *Roller) Recompute(ctx context.Context, day time.Time) error {
	// The version is of the moment before reading: whoever read later wins.
	version := uint64(time.Now().UnixMicro())
	for _, q := range []struct{ name, sql string }{
		{"title_day", titleDay}, {"activity_day", activityDay}, {"quality_day", qualityDay}, {"search_day", searchDay},
	} {
		if err := r.db.Exec(ctx, q.sql, ch.Named("day", day.Format(time.DateOnly)), ch.Named("version", version)); err != nil {
			return fmt.Errorf("recompute %s of %s: %w", q.name, day.Format(time.DateOnly), err)
		}
	}
	return nil
}

// Each query below reads the day's events and gives each the scopes it counts
// in: an event of a synthetic viewer only in 1 (everything), others in 0 too.
// What the rollup already holds is read along as empty rows, so that a title
// or a search term that is no more is overwritten by zeros.
//
// The bound on id_day prunes parts; it is events.MaxOffset and MaxIDSkew wide.
const (
	ofDay = `day = toDate(@day) AND id_day BETWEEN toDate(@day) - 32 AND toDate(@day) + 32`

	// watched is events.Watched in SQL: one row for each interval that ends on
	// the day, with its milliseconds. Ids are compared as text, as Go does.
	watched = `
		SELECT title_kind, title_id, demo, toUInt64(ms) AS watched FROM (
			SELECT title_kind, title_id, demo, day, nth,
				toInt64(toUnixTimestamp64Milli(at)) - toInt64(toUnixTimestamp64Milli(before_at)) AS gap,
				toInt64(if(name = 'seeked', from_ms, position_ms)) - toInt64(before_position) AS film,
				if(greatest(rate, before_rate) = 0, 1, greatest(rate, before_rate)) AS speed,
				multiIf(gap <= 0 OR gap > 3 * if(every_ms = 0, 10000, every_ms), 0,
					film <= 0 OR film > gap * speed + 2000, 0,
					least(gap, toInt64(film / speed))) AS ms
			FROM (
				SELECT name, title_kind, title_id, demo, day, at, position_ms, from_ms, rate, every_ms,
					row_number() OVER beats AS nth,
					lagInFrame(at) OVER beats AS before_at,
					lagInFrame(position_ms) OVER beats AS before_position,
					lagInFrame(rate) OVER beats AS before_rate
				FROM activity_event FINAL
				WHERE day IN (toDate(@day) - 1, toDate(@day)) AND id_day BETWEEN toDate(@day) - 33 AND toDate(@day) + 32
					AND at >= toDateTime64(toDate(@day), 3, 'UTC') - INTERVAL 180 SECOND
					AND name IN ('play_started', 'heartbeat', 'paused', 'seeked', 'play_ended')
				WINDOW beats AS (PARTITION BY session_id ORDER BY at, toString(id) ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)
			)
		) WHERE nth > 1 AND day = toDate(@day) AND ms > 0`

	// activityDay takes what was watched from the titles' rollup, which was
	// recomputed just before: to read the intervals again would cost as much again.
	activityDay = `
		INSERT INTO activity_day (day, with_demo, events, active_profiles, views, playables_viewed, watched_ms, sign_ups, version)
		SELECT toDate(@day), with_demo,
			countIf(name != ''),
			uniqExactIf(profile_id, name != ''),
			uniqExactIf(session_id, name = 'play_started'),
			uniqExactIf(playable_id, name = 'play_started'),
			sum(watched),
			uniqExactIf(user_id, name = 'signed_up'),
			@version
		FROM (
			SELECT if(demo, [1], [0, 1]) AS scopes, toString(name) AS name, profile_id, session_id, playable_id, user_id, toUInt64(0) AS watched
			FROM activity_event FINAL WHERE ` + ofDay + `
			UNION ALL
			SELECT [with_demo], '', toUUID('00000000-0000-0000-0000-000000000000') AS none, none, none, none, watched_ms
			FROM title_day FINAL WHERE day = toDate(@day)
			UNION ALL
			SELECT [0, 1], '', toUUID('00000000-0000-0000-0000-000000000000') AS none, none, none, none, toUInt64(0)
		) ARRAY JOIN scopes AS with_demo
		GROUP BY with_demo`

	titleDay = `
		INSERT INTO title_day (day, with_demo, title_kind, title_id, views, viewers, watched_ms, version)
		SELECT toDate(@day), with_demo, title_kind, title_id,
			uniqExactIf(session_id, started),
			uniqExactStateIf(profile_id, started),
			sum(watched),
			@version
		FROM (
			SELECT if(demo, [1], [0, 1]) AS scopes, toString(title_kind) AS title_kind, title_id, true AS started, session_id, profile_id, toUInt64(0) AS watched
			FROM activity_event FINAL WHERE ` + ofDay + ` AND name = 'play_started'
			UNION ALL
			SELECT if(demo, [1], [0, 1]), toString(title_kind), title_id, false, toUUID('00000000-0000-0000-0000-000000000000') AS none, none, watched FROM (` + watched + `)
			UNION ALL
			SELECT [with_demo], toString(title_kind), title_id, false, toUUID('00000000-0000-0000-0000-000000000000') AS none, none, toUInt64(0)
			FROM title_day WHERE day = toDate(@day)
		) ARRAY JOIN scopes AS with_demo
		GROUP BY with_demo, title_kind, title_id`

	qualityDay = `
		INSERT INTO quality_day (day, with_demo, first_frame, started, stalled_ms, failures, version)
		SELECT toDate(@day), with_demo,
			quantilesTDigestStateIf(0.5, 0.95)(first_frame_ms, name = 'play_started' AND first_frame_ms > 0),
			countIf(name = 'play_started' AND first_frame_ms > 0),
			sumIf(stalled_ms, name = 'stalled'),
			uniqExactIf(session_id, name = 'play_failed'),
			@version
		FROM (
			SELECT if(demo, [1], [0, 1]) AS scopes, toString(name) AS name, first_frame_ms, stalled_ms, session_id
			FROM activity_event FINAL WHERE ` + ofDay + ` AND name IN ('play_started', 'stalled', 'play_failed')
			UNION ALL
			SELECT [0, 1], '', toUInt32(0), toUInt32(0), toUUID('00000000-0000-0000-0000-000000000000')
		) ARRAY JOIN scopes AS with_demo
		GROUP BY with_demo`

	searchDay = `
		INSERT INTO search_day (day, with_demo, query, count, results, empty, version)
		SELECT toDate(@day), with_demo, term, sum(n), sum(found), sum(nothing), @version
		FROM (
			SELECT if(demo, [1], [0, 1]) AS scopes, lowerUTF8(trimBoth(query)) AS term, toUInt64(1) AS n, toUInt64(results) AS found, toUInt64(results = 0) AS nothing
			FROM activity_event FINAL WHERE ` + ofDay + ` AND name = 'searched' AND query != ''
			UNION ALL
			SELECT [with_demo], query, toUInt64(0), toUInt64(0), toUInt64(0)
			FROM search_day WHERE day = toDate(@day)
		) ARRAY JOIN scopes AS with_demo
		GROUP BY with_demo, term`
)

// RemoveDemo forgets the synthetic viewers: their events, and what the rollups
// made of them. It can be repeated, and goes on where a kill left it.
func (r *Roller) RemoveDemo(ctx context.Context) error {
	// The days first: once the events are gone nobody knows which they were.
	if err := r.db.Exec(ctx, `INSERT INTO dirty_day (day, token, sign)
		SELECT day, generateUUIDv7(), 1 FROM (SELECT DISTINCT day FROM activity_event WHERE demo)`); err != nil {
		return fmt.Errorf("remove demo: mark days: %w", err)
	}
	if err := r.db.Everywhere(ctx, "ALTER TABLE "+r.db.Local("activity_event")+" DELETE WHERE demo SETTINGS mutations_sync = 2"); err != nil {
		return fmt.Errorf("remove demo: events: %w", err)
	}
	// The marks may have been taken back before the events were gone.
	if err := r.db.Exec(ctx, `INSERT INTO dirty_day (day, token, sign)
		SELECT day, generateUUIDv7(), 1 FROM (SELECT DISTINCT day FROM activity_day)`); err != nil {
		return fmt.Errorf("remove demo: mark days: %w", err)
	}
	if _, err := r.Roll(ctx); err != nil {
		return fmt.Errorf("remove demo: %w", err)
	}
	return nil
}

// Anonymise gives the events of profiles and accounts that are gone the
// identifiers of the maps: what was watched stays, and no longer by whom. The
// days are rolled up anew, for their rollups count viewers by identifier. Events
// of synthetic viewers stay; they go by their mark. The profiles come first: each
// stays one viewer, and what is left of an account is of profiles that went before.
func (r *Roller) Anonymise(ctx context.Context, profiles, accounts map[uuid.UUID]uuid.UUID) error {
	for _, p := range []struct {
		column string
		ids    map[uuid.UUID]uuid.UUID
		set    []string
	}{
		{"profile_id", profiles, []string{"user_id", "profile_id"}},
		{"user_id", accounts, []string{"user_id"}},
	} {
		if len(p.ids) == 0 {
			continue
		}
		// Written out, for they are ours and in hexadecimal; transform knows no UUIDs.
		var old, fresh []string
		for from, to := range p.ids {
			old, fresh = append(old, "'"+from.String()+"'"), append(fresh, "'"+to.String()+"'")
		}
		from, to := strings.Join(old, ", "), strings.Join(fresh, ", ")
		var set []string
		for _, column := range p.set {
			set = append(set, fmt.Sprintf("%s = toUUID(transform(toString(%s), [%s], [%s], toString(%s)))", column, p.column, from, to, p.column))
		}
		var there uint64
		if err := r.db.Row(ctx, []any{&there}, fmt.Sprintf("SELECT count() FROM activity_event WHERE NOT demo AND %s IN (%s)", p.column, from)); err != nil {
			return fmt.Errorf("anonymise: %w", err)
		}
		if there == 0 {
			continue
		}
		// Now too, or nobody knew which days they were if this were killed.
		if err := r.markDaysOf(ctx, p.column, from); err != nil {
			return err
		}
		if err := r.db.Everywhere(ctx, fmt.Sprintf("ALTER TABLE %s UPDATE %s WHERE NOT demo AND %s IN (%s) SETTINGS mutations_sync = 2",
			r.db.Local("activity_event"), strings.Join(set, ", "), p.column, from)); err != nil {
			return fmt.Errorf("anonymise: events: %w", err)
		}
		// The mark may have been taken back before the events were others'.
		if err := r.markDaysOf(ctx, p.column, to); err != nil {
			return err
		}
	}
	return nil
}

// markDaysOf has the days rolled up anew on which something was done by these.
func (r *Roller) markDaysOf(ctx context.Context, column, ids string) error {
	if err := r.db.Exec(ctx, fmt.Sprintf(`INSERT INTO dirty_day (day, token, sign)
		SELECT day, generateUUIDv7(), 1 FROM (SELECT DISTINCT day FROM activity_event WHERE %s IN (%s))`, column, ids)); err != nil {
		return fmt.Errorf("anonymise: mark days: %w", err)
	}
	return nil
}
