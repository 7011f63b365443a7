-- +goose Up

CREATE EXTENSION IF NOT EXISTS pg_trgm;

-- A film or a series. Whatever changes below it (words, genres, credits,
-- seasons, episodes) raises its version.
CREATE TABLE title (
    id                uuid PRIMARY KEY,
    kind              text NOT NULL CHECK (kind IN ('film', 'series')),
    status            text NOT NULL CHECK (status IN ('draft', 'published', 'deleted')),
    -- What a deleted title was before, so that it comes back as it was.
    restore_status    text CHECK (restore_status IN ('draft', 'published')),
    version           bigint NOT NULL DEFAULT 1 CHECK (version > 0),
    original_name     text NOT NULL CHECK (char_length(original_name) BETWEEN 1 AND 300),
    original_language text CHECK (char_length(original_language) BETWEEN 2 AND 35),
    year              integer CHECK (year BETWEEN 1870 AND 2100),
    end_year          integer CHECK (end_year BETWEEN 1870 AND 2100),
    duration_ms       integer CHECK (duration_ms > 0),
    age_rating        integer CHECK (age_rating BETWEEN 0 AND 21),
    countries         text[] NOT NULL DEFAULT '{}' CHECK (cardinality(countries) <= 50 AND array_position(countries, NULL) IS NULL),
    poster            jsonb CHECK (jsonb_typeof(poster) = 'object' AND poster ? 'prefix'),
    still             jsonb CHECK (jsonb_typeof(still) = 'object' AND still ? 'prefix'),
    demo              boolean NOT NULL DEFAULT false,
    published_at      timestamptz, -- the first time
    deleted_at        timestamptz,
    created_at        timestamptz NOT NULL DEFAULT now(),
    updated_at        timestamptz NOT NULL DEFAULT now(),
    UNIQUE (id, kind),
    CHECK (end_year IS NULL OR kind = 'series'),
    CHECK (end_year IS NULL OR year IS NULL OR end_year >= year),
    CHECK (duration_ms IS NULL OR kind = 'film'),
    CHECK ((status = 'deleted') = (deleted_at IS NOT NULL)),
    CHECK ((status = 'deleted') = (restore_status IS NOT NULL)),
    CHECK (published_at IS NOT NULL OR (status <> 'published' AND restore_status IS DISTINCT FROM 'published'))
);
-- The old row tells the ETL that a title left the catalogue or entered it.
ALTER TABLE title REPLICA IDENTITY FULL;
CREATE INDEX title_updated ON title (updated_at DESC, id DESC);
CREATE INDEX title_name ON title (lower(original_name), id);
CREATE INDEX title_year ON title ((coalesce(year, 0)) DESC, id DESC);
CREATE INDEX title_deleted ON title (deleted_at) WHERE status = 'deleted';
CREATE INDEX title_demo ON title (id) WHERE demo;
CREATE INDEX title_name_part ON title USING gin (original_name gin_trgm_ops);

CREATE TABLE title_translation (
    title_id    uuid NOT NULL REFERENCES title ON DELETE CASCADE,
    locale      text NOT NULL CHECK (char_length(locale) BETWEEN 2 AND 35),
    name        text NOT NULL CHECK (char_length(name) BETWEEN 1 AND 300),
    tagline     text NOT NULL DEFAULT '' CHECK (char_length(tagline) <= 300),
    description text NOT NULL DEFAULT '' CHECK (char_length(description) <= 10000),
    PRIMARY KEY (title_id, locale)
);
CREATE INDEX title_translation_name_part ON title_translation USING gin (name gin_trgm_ops);

CREATE TABLE season (
    id         uuid PRIMARY KEY,
    title_id   uuid NOT NULL,
    -- Lets the foreign key say that only a series has seasons.
    title_kind text NOT NULL DEFAULT 'series' CHECK (title_kind = 'series'),
    number     integer NOT NULL CHECK (number BETWEEN 0 AND 1000),
    UNIQUE (title_id, number),
    UNIQUE (id, title_id),
    FOREIGN KEY (title_id, title_kind) REFERENCES title (id, kind) ON DELETE CASCADE
);
ALTER TABLE season REPLICA IDENTITY FULL;

CREATE TABLE episode (
    id            uuid PRIMARY KEY,
    season_id     uuid NOT NULL,
    -- The season's: an episode that is gone must still say whose it was.
    title_id      uuid NOT NULL,
    number        integer NOT NULL CHECK (number BETWEEN 1 AND 10000),
    original_name text NOT NULL CHECK (char_length(original_name) BETWEEN 1 AND 300),
    duration_ms   integer CHECK (duration_ms > 0),
    CONSTRAINT episode_number UNIQUE (season_id, number),
    FOREIGN KEY (season_id, title_id) REFERENCES season (id, title_id) ON DELETE CASCADE
);
ALTER TABLE episode REPLICA IDENTITY FULL;
CREATE INDEX episode_title ON episode (title_id);

CREATE TABLE episode_translation (
    episode_id  uuid NOT NULL REFERENCES episode ON DELETE CASCADE,
    locale      text NOT NULL CHECK (char_length(locale) BETWEEN 2 AND 35),
    name        text NOT NULL CHECK (char_length(name) BETWEEN 1 AND 300),
    description text NOT NULL DEFAULT '' CHECK (char_length(description) <= 10000),
    PRIMARY KEY (episode_id, locale)
);

CREATE TABLE person (
    id         uuid PRIMARY KEY,
    version    bigint NOT NULL DEFAULT 1 CHECK (version > 0),
    name       text NOT NULL CHECK (char_length(name) BETWEEN 1 AND 300),
    demo       boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX person_name ON person (lower(name), id);
CREATE INDEX person_name_part ON person USING gin (name gin_trgm_ops);

CREATE TABLE person_translation (
    person_id uuid NOT NULL REFERENCES person ON DELETE CASCADE,
    locale    text NOT NULL CHECK (char_length(locale) BETWEEN 2 AND 35),
    name      text NOT NULL CHECK (char_length(name) BETWEEN 1 AND 300),
    PRIMARY KEY (person_id, locale)
);
CREATE INDEX person_translation_name_part ON person_translation USING gin (name gin_trgm_ops);

CREATE TABLE genre (
    id         uuid PRIMARY KEY,
    version    bigint NOT NULL DEFAULT 1 CHECK (version > 0),
    slug       text NOT NULL CONSTRAINT genre_slug UNIQUE CHECK (slug ~ '^[a-z0-9-]{2,40}$'),
    demo       boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE genre_translation (
    genre_id uuid NOT NULL REFERENCES genre ON DELETE CASCADE,
    locale   text NOT NULL CHECK (char_length(locale) BETWEEN 2 AND 35),
    name     text NOT NULL CHECK (char_length(name) BETWEEN 1 AND 300),
    PRIMARY KEY (genre_id, locale)
);

CREATE TABLE title_genre (
    title_id uuid NOT NULL REFERENCES title ON DELETE CASCADE,
    genre_id uuid NOT NULL REFERENCES genre ON DELETE CASCADE,
    position integer NOT NULL CHECK (position >= 0),
    PRIMARY KEY (title_id, genre_id)
);
CREATE INDEX title_genre_genre ON title_genre (genre_id);

CREATE TABLE credit (
    title_id   uuid NOT NULL REFERENCES title ON DELETE CASCADE,
    position   integer NOT NULL CHECK (position >= 0),
    person_id  uuid NOT NULL REFERENCES person ON DELETE CASCADE,
    kind       text NOT NULL CHECK (kind IN ('director', 'writer', 'actor', 'composer', 'producer', 'cinematographer')),
    characters jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(characters) = 'object'), -- locale to name
    PRIMARY KEY (title_id, position)
);
-- The old row tells whose last credit in a published title may have gone.
ALTER TABLE credit REPLICA IDENTITY FULL;
CREATE INDEX credit_person ON credit (person_id);

-- An uploaded file.
CREATE TABLE asset (
    id          uuid PRIMARY KEY,
    kind        text NOT NULL CHECK (kind IN ('poster', 'still', 'source')),
    title_id    uuid NOT NULL REFERENCES title ON DELETE CASCADE,
    episode_id  uuid REFERENCES episode ON DELETE CASCADE,
    filename    text NOT NULL CHECK (char_length(filename) BETWEEN 1 AND 255), -- to be read by people only
    size        bigint NOT NULL CHECK (size > 0),
    state       text NOT NULL CHECK (state IN ('uploading', 'checking', 'ready', 'refused', 'cancelled')),
    refusal     text,
    sha256      text CHECK (sha256 ~ '^[0-9a-f]{64}$'),
    uploaded_by uuid NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now(),
    updated_at  timestamptz NOT NULL DEFAULT now(),
    CHECK ((state = 'refused') = (refusal IS NOT NULL)),
    CHECK (state <> 'ready' OR sha256 IS NOT NULL)
);
CREATE INDEX asset_title ON asset (title_id, created_at DESC);
CREATE INDEX asset_open ON asset (created_at) WHERE state IN ('uploading', 'checking');

-- Who changed what; rows are only ever added, and go with their title.
CREATE TABLE title_change (
    title_id uuid NOT NULL REFERENCES title ON DELETE CASCADE,
    version  bigint NOT NULL,
    at       timestamptz NOT NULL DEFAULT now(),
    user_id  uuid, -- null: the program itself
    fields   text[] NOT NULL,
    PRIMARY KEY (title_id, version)
);

-- +goose StatementBegin
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME;
END $$;
-- +goose StatementEnd
CREATE TRIGGER title_change_append_only BEFORE UPDATE ON title_change
    FOR EACH ROW EXECUTE FUNCTION refuse_change();

-- What nothing refers to any more and lies outside this database: stored
-- objects, and the media of a film or an episode. It is removed after the
-- transaction that gave it up; objects some time later, so that whoever still
-- shows the old record finds them.
CREATE TABLE garbage (
    kind   text NOT NULL CHECK (kind IN ('object', 'media')),
    key    text NOT NULL, -- of an object, a folder if it ends with a slash; or a playable's id
    due_at timestamptz NOT NULL,
    PRIMARY KEY (kind, key)
);
CREATE INDEX garbage_due ON garbage (due_at);

-- +goose Down
DROP TABLE garbage, title_change, asset, credit, title_genre, genre_translation, genre,
    person_translation, person, episode_translation, episode, season, title_translation, title;
DROP FUNCTION refuse_change();
