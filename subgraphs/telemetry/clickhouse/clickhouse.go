// Package clickhouse reads the statistics from the rollups that the activity
// collector keeps. The tables are described in internal/ch/migrations.
package clickhouse

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/google/uuid"

	"github.com/netflixathome/cinema/internal/ch"
	"github.com/netflixathome/cinema/internal/gid"
	"github.com/netflixathome/cinema/subgraphs/telemetry"
)

// Stats answers from ClickHouse.
type Stats struct{ db *ch.DB }

// New makes Stats; db is required.
func New(db *ch.DB) (*Stats, error) {
	if db == nil {
		return nil, errors.New("telemetry/clickhouse: a database is required")
	}
	return &Stats{db: db}, nil
}

const period = ` day BETWEEN toDate(@from) AND toDate(@to) AND with_demo = @scope `

func params(from, to time.Time, demo bool, more ...any) []any {
	scope := uint8(0)
	if demo {
		scope = 1
	}
	return append([]any{
		ch.Named("from", from.Format(time.DateOnly)),
		ch.Named("to", to.Format(time.DateOnly)),
		ch.Named("scope", scope),
	}, more...)
}

// ActivityByDay returns the days that have any activity.
func (s *Stats) ActivityByDay(ctx context.Context, from, to time.Time, demo bool) ([]*telemetry.ActivityDay, error) {
	var rows []struct {
		Day       time.Time `ch:"day"`
		Events    uint64    `ch:"events"`
		Active    uint64    `ch:"active_profiles"`
		Views     uint64    `ch:"views"`
		Playables uint64    `ch:"playables_viewed"`
		Watched   uint64    `ch:"watched_ms"`
		SignUps   uint64    `ch:"sign_ups"`
	}
	if err := s.db.Select(ctx, &rows, `SELECT day, events, active_profiles, views, playables_viewed, watched_ms, sign_ups
		FROM activity_day FINAL WHERE`+period+`AND events > 0 ORDER BY day`, params(from, to, demo)...); err != nil {
		return nil, fmt.Errorf("activity by day: %w", err)
	}
	out := make([]*telemetry.ActivityDay, len(rows))
	for i, r := range rows {
		d := &telemetry.ActivityDay{
			Day: r.Day.UTC(), Events: int64(r.Events), ActiveProfiles: int(r.Active), Views: int(r.Views),
			PlayablesViewed: int(r.Playables), WatchedMs: int64(r.Watched), SignUps: int(r.SignUps),
		}
		if r.Playables > 0 {
			d.MeanViewsPerPlayable = float64(r.Views) / float64(r.Playables)
		}
		out[i] = d
	}
	return out, nil
}

// TopTitles returns the most viewed titles.
func (s *Stats) TopTitles(ctx context.Context, from, to time.Time, first int, demo bool) ([]*telemetry.TopTitle, error) {
	var rows []struct {
		Kind    string    `ch:"title_kind"`
		ID      uuid.UUID `ch:"title_id"`
		Views   uint64    `ch:"seen"`
		Viewers uint64    `ch:"people"`
		Watched uint64    `ch:"watched"`
	}
	if err := s.db.Select(ctx, &rows, `SELECT title_kind, title_id, sum(views) AS seen, uniqExactMerge(viewers) AS people, sum(watched_ms) AS watched
		FROM title_day FINAL WHERE`+period+`
		GROUP BY title_kind, title_id HAVING seen > 0 ORDER BY seen DESC, watched DESC, title_id LIMIT @first`,
		params(from, to, demo, ch.Named("first", first))...); err != nil {
		return nil, fmt.Errorf("top titles: %w", err)
	}
	out := make([]*telemetry.TopTitle, len(rows))
	for i, r := range rows {
		out[i] = &telemetry.TopTitle{
			Title: telemetry.TitleOf(gid.Of(gid.Kind(r.Kind), r.ID)), Views: int(r.Views), Viewers: int(r.Viewers), WatchedMs: int64(r.Watched),
		}
	}
	return out, nil
}

// PlaybackQuality returns how well films played.
func (s *Stats) PlaybackQuality(ctx context.Context, from, to time.Time, demo bool) (*telemetry.PlaybackQuality, error) {
	var started, stalled, failures, views, watched uint64
	var frames []float32
	if err := s.db.Row(ctx, []any{&started, &stalled, &failures, &frames},
		`SELECT sum(started), sum(stalled_ms), sum(failures), quantilesTDigestMerge(0.5, 0.95)(first_frame) FROM quality_day FINAL WHERE`+period,
		params(from, to, demo)...); err != nil {
		return nil, fmt.Errorf("playback quality: %w", err)
	}
	if err := s.db.Row(ctx, []any{&views, &watched}, `SELECT sum(views), sum(watched_ms) FROM activity_day FINAL WHERE`+period, params(from, to, demo)...); err != nil {
		return nil, fmt.Errorf("playback quality: %w", err)
	}
	out := &telemetry.PlaybackQuality{Plays: int(views), Failures: int(failures)}
	if stalled+watched > 0 {
		out.RebufferRatio = float64(stalled) / float64(stalled+watched)
	}
	if started > 0 && len(frames) == 2 {
		p50, p95 := int(math.Round(float64(frames[0]))), int(math.Round(float64(frames[1])))
		out.FirstFrameP50Ms, out.FirstFrameP95Ms = &p50, &p95
	}
	return out, nil
}

// SearchTerms returns what was searched, or what was searched in vain.
func (s *Stats) SearchTerms(ctx context.Context, from, to time.Time, withoutResults bool, first int, demo bool) ([]*telemetry.SearchTerm, error) {
	times := "sum(count)"
	if withoutResults {
		times = "sum(empty)"
	}
	var rows []struct {
		Query   string  `ch:"query"`
		Count   uint64  `ch:"times"`
		Results float64 `ch:"mean"`
	}
	if err := s.db.Select(ctx, &rows, `SELECT query, `+times+` AS times, sum(results) / greatest(sum(count), 1) AS mean
		FROM search_day FINAL WHERE`+period+`GROUP BY query HAVING times > 0 ORDER BY times DESC, query LIMIT @first`,
		params(from, to, demo, ch.Named("first", first))...); err != nil {
		return nil, fmt.Errorf("search terms: %w", err)
	}
	out := make([]*telemetry.SearchTerm, len(rows))
	for i, r := range rows {
		out[i] = &telemetry.SearchTerm{Query: r.Query, Count: int(r.Count), MeanResults: r.Results}
	}
	return out, nil
}
