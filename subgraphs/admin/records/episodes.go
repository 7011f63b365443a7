package records

import (
	"context"
	"errors"
	"fmt"
	"reflect"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/netflixathome/cinema/internal/fault"
	"github.com/netflixathome/cinema/internal/gid"
	"github.com/netflixathome/cinema/internal/pg"
	"github.com/netflixathome/cinema/subgraphs/admin"
)

const episodeColumns = `e.id, e.title_id, n.number, e.number, e.original_name, e.duration_ms,
	coalesce((SELECT jsonb_agg(jsonb_build_object('locale', x.locale, 'name', x.name, 'tagline', '', 'description', x.description)
		ORDER BY x.locale) FROM episode_translation x WHERE x.episode_id = e.id), '[]')`

func scanEpisode(row pgx.CollectableRow) (*admin.EpisodeRecord, error) {
	var e admin.EpisodeRecord
	var id uuid.UUID
	err := row.Scan(&id, &e.SeriesID, &e.SeasonNumber, &e.Number, &e.OriginalName, &e.DurationMs, &e.Translations)
	e.ID = gid.Of(gid.Episode, id)
	return &e, err
}

func episodeByID(ctx context.Context, q querier, id uuid.UUID) (*admin.EpisodeRecord, error) {
	rows, err := q.Query(ctx, `SELECT `+episodeColumns+` FROM episode e JOIN season n ON n.id = e.season_id WHERE e.id = $1`, id)
	if err != nil {
		return nil, fmt.Errorf("read episode: %w", err)
	}
	e, err := pgx.CollectExactlyOneRow(rows, scanEpisode)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, notFound("episode").At("input.id")
	}
	return e, err
}

func numberTaken(err error, n int) error {
	if c, ok := pg.IsUnique(err); ok && c == "episode_number" {
		return fault.New(fault.Conflict, "The season has an episode %d already.", n).WithReason("NUMBER_TAKEN").At("input.number")
	}
	return fmt.Errorf("write episode: %w", err)
}

func putEpisodeTranslations(ctx context.Context, tx pgx.Tx, id uuid.UUID, in []*admin.TitleTranslationInput) error {
	locales, words, descriptions := make([]string, len(in)), make([]string, len(in)), make([]string, len(in))
	for i, t := range in {
		locales[i], words[i], descriptions[i] = t.Locale, t.Name, deref(t.Description)
	}
	_, err := tx.Exec(ctx, `INSERT INTO episode_translation (episode_id, locale, name, description)
		SELECT $1, * FROM unnest($2::text[], $3::text[], $4::text[])`, id, locales, words, descriptions)
	if err != nil {
		return fmt.Errorf("write translations: %w", err)
	}
	return nil
}

// CreateEpisode adds an episode, and its season if it is not there.
func (s *Service) CreateEpisode(ctx context.Context, in admin.CreateEpisodeInput) (*admin.EpisodeRecord, *admin.TitleRecord, error) {
	if !in.SeriesID.Is(gid.Series) {
		return nil, nil, notFound("series").At("input.seriesId")
	}
	if err := in.Validate(); err != nil {
		return nil, nil, err
	}
	id := uuid.Must(uuid.NewV7())
	return s.changeEpisode(ctx, in.SeriesID.UUID, id, "input.seriesId", func(tx pgx.Tx) (bool, error) {
		var season uuid.UUID
		if _, err := tx.Exec(ctx, `INSERT INTO season (id, title_id, number) VALUES ($1, $2, $3) ON CONFLICT (title_id, number) DO NOTHING`,
			uuid.Must(uuid.NewV7()), in.SeriesID.UUID, in.SeasonNumber); err != nil {
			return false, fmt.Errorf("write season: %w", err)
		}
		if err := tx.QueryRow(ctx, `SELECT id FROM season WHERE title_id = $1 AND number = $2`, in.SeriesID.UUID, in.SeasonNumber).Scan(&season); err != nil {
			return false, fmt.Errorf("read season: %w", err)
		}
		if _, err := tx.Exec(ctx, `INSERT INTO episode (id, season_id, title_id, number, original_name, duration_ms) VALUES ($1, $2, $3, $4, $5, $6)`,
			id, season, in.SeriesID.UUID, in.Number, in.OriginalName, in.DurationMs); err != nil {
			return false, numberTaken(err, in.Number)
		}
		return true, putEpisodeTranslations(ctx, tx, id, in.Translations)
	})
}

// changeEpisode does f under the lock of the series and raises its version if
// f changed something.
func (s *Service) changeEpisode(ctx context.Context, series, episode uuid.UUID, field string, f func(pgx.Tx) (changed bool, err error)) (*admin.EpisodeRecord, *admin.TitleRecord, error) {
	var e *admin.EpisodeRecord
	var t *admin.TitleRecord
	err := s.tx(ctx, func(tx pgx.Tx) error {
		if _, err := lockTitle(ctx, tx, gid.Of(gid.Series, series), nil); err != nil {
			var fe *fault.Error
			if errors.As(err, &fe) {
				return fe.At(field)
			}
			return err
		}
		changed, err := f(tx)
		if err != nil {
			return err
		}
		if changed {
			if err := s.touched(ctx, tx, []uuid.UUID{series}, "seasons"); err != nil {
				return err
			}
		}
		if episode != uuid.Nil {
			if e, err = episodeByID(ctx, tx, episode); err != nil {
				return err
			}
		}
		found, err := titlesByID(ctx, tx, []uuid.UUID{series})
		t = found[series]
		return err
	})
	return e, t, err
}

// seriesOf finds the series of an episode.
func (s *Service) seriesOf(ctx context.Context, id gid.ID) (uuid.UUID, error) {
	if !id.Is(gid.Episode) {
		return uuid.Nil, notFound("episode").At("input.id")
	}
	var series uuid.UUID
	err := s.pool.QueryRow(ctx, `SELECT title_id FROM episode WHERE id = $1`, id.UUID).Scan(&series)
	if errors.Is(err, pgx.ErrNoRows) {
		return uuid.Nil, notFound("episode").At("input.id")
	}
	return series, err
}

// UpdateEpisode changes what is given.
func (s *Service) UpdateEpisode(ctx context.Context, in admin.UpdateEpisodeInput) (*admin.EpisodeRecord, *admin.TitleRecord, error) {
	if err := in.Validate(); err != nil {
		return nil, nil, err
	}
	series, err := s.seriesOf(ctx, in.ID)
	if err != nil {
		return nil, nil, err
	}
	return s.changeEpisode(ctx, series, in.ID.UUID, "input.id", func(tx pgx.Tx) (bool, error) {
		old, err := episodeByID(ctx, tx, in.ID.UUID)
		if err != nil {
			return false, err
		}
		next := *old
		if in.Number.IsSet() {
			next.Number = *in.Number.Value()
		}
		if in.OriginalName.IsSet() {
			next.OriginalName = *in.OriginalName.Value()
		}
		if in.DurationMs.IsSet() {
			next.DurationMs = in.DurationMs.Value()
		}
		translated := in.Translations.IsSet() && !sameTranslations(old.Translations, in.Translations.Value())
		if !translated && reflect.DeepEqual(&next, old) {
			return false, nil
		}
		if _, err := tx.Exec(ctx, `UPDATE episode SET number = $2, original_name = $3, duration_ms = $4 WHERE id = $1`,
			in.ID.UUID, next.Number, next.OriginalName, next.DurationMs); err != nil {
			return false, numberTaken(err, next.Number)
		}
		if !translated {
			return true, nil
		}
		if _, err := tx.Exec(ctx, `DELETE FROM episode_translation WHERE episode_id = $1`, in.ID.UUID); err != nil {
			return false, fmt.Errorf("write translations: %w", err)
		}
		return true, putEpisodeTranslations(ctx, tx, in.ID.UUID, in.Translations.Value())
	})
}

// DeleteEpisode removes an episode with its media; an empty season goes too.
func (s *Service) DeleteEpisode(ctx context.Context, id gid.ID) (*admin.TitleRecord, error) {
	series, err := s.seriesOf(ctx, id)
	if err != nil {
		return nil, err
	}
	_, t, err := s.changeEpisode(ctx, series, uuid.Nil, "input.id", func(tx pgx.Tx) (bool, error) {
		if err := s.discardMedia(ctx, tx, []uuid.UUID{id.UUID}); err != nil {
			return false, err
		}
		rows, err := tx.Query(ctx, `SELECT 'sources/' || id FROM asset WHERE episode_id = $1 AND state = 'ready'`, id.UUID)
		if err != nil {
			return false, err
		}
		keys, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			return false, err
		}
		if err := s.discard(ctx, tx, keys); err != nil {
			return false, err
		}
		var season uuid.UUID
		err = tx.QueryRow(ctx, `DELETE FROM episode WHERE id = $1 RETURNING season_id`, id.UUID).Scan(&season)
		if errors.Is(err, pgx.ErrNoRows) {
			return false, notFound("episode").At("input.id")
		} else if err != nil {
			return false, fmt.Errorf("delete episode: %w", err)
		}
		_, err = tx.Exec(ctx, `DELETE FROM season n WHERE n.id = $1 AND NOT EXISTS (SELECT FROM episode e WHERE e.season_id = n.id)`, season)
		return true, err
	})
	return t, err
}
