-- +goose Up
CREATE TABLE media_job (
    id            uuid PRIMARY KEY,
    asset_id      uuid        NOT NULL,
    playable_id   uuid        NOT NULL,
    playable_kind text        NOT NULL CHECK (playable_kind IN ('film', 'episode')),
    source_key    text        NOT NULL,
    state         text        NOT NULL DEFAULT 'queued'
        CHECK (state IN ('queued', 'probing', 'encoding', 'ready', 'failed', 'cancelled')),
    step          text        NOT NULL DEFAULT '',
    percent       real        NOT NULL DEFAULT 0, -- of the whole job, 0 to 100
    step_percent  real        NOT NULL DEFAULT 0, -- of the step, 0 to 100
    speed         real        NOT NULL DEFAULT 0, -- times real time; 0 when not known
    eta_ms        bigint,                         -- null when not known
    error_code    text        NOT NULL DEFAULT '',
    error         text        NOT NULL DEFAULT '',
    attempts      integer     NOT NULL DEFAULT 0,
    worker        text        NOT NULL DEFAULT '',
    heartbeat_at  timestamptz,
    run_after     timestamptz NOT NULL DEFAULT now(), -- back-off of a retried job
    probe         jsonb,                              -- what the source is, so that a resumed job plans the same steps
    steps_done    text[]      NOT NULL DEFAULT '{}',
    cleaned       boolean     NOT NULL DEFAULT false, -- the files of a cancelled job are gone
    priority      integer     NOT NULL DEFAULT 0,     -- higher goes first
    demo          boolean     NOT NULL DEFAULT false,
    created_at    timestamptz NOT NULL DEFAULT now(),
    started_at    timestamptz,
    finished_at   timestamptz,
    updated_at    timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE media_job IS 'The work of making a film watchable; owned by etl/media.';
-- One asset is worked on once at a time.
CREATE UNIQUE INDEX media_job_active ON media_job (asset_id) WHERE state IN ('queued', 'probing', 'encoding');
CREATE INDEX media_job_queue ON media_job (priority DESC, created_at) WHERE state IN ('queued', 'probing', 'encoding');
CREATE INDEX media_job_playable ON media_job (playable_id);
CREATE INDEX media_job_dirty ON media_job (id) WHERE state = 'cancelled' AND NOT cleaned;

CREATE TABLE rendition (
    asset_id    uuid        NOT NULL, -- media_asset.origin_id
    name        text        NOT NULL,
    width       integer     NOT NULL,
    height      integer     NOT NULL,
    bitrate     integer     NOT NULL, -- peak, bits a second
    avg_bitrate integer     NOT NULL,
    codecs      text        NOT NULL, -- RFC 6381
    frame_rate  real        NOT NULL DEFAULT 0,
    path        text        NOT NULL, -- relative to the master playlist
    ready_at    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (asset_id, name)
);
COMMENT ON TABLE rendition IS 'One quality of a film''s picture.';

CREATE TABLE media_asset (
    asset_id       uuid PRIMARY KEY,
    -- Whose files these are: asset_id itself, or another asset's whose files
    -- this row shares. Files live as long as one row has their origin.
    origin_id      uuid        NOT NULL,
    playable_id    uuid        NOT NULL,
    playable_kind  text        NOT NULL CHECK (playable_kind IN ('film', 'episode')),
    duration_ms    bigint      NOT NULL,
    width          integer     NOT NULL,
    height         integer     NOT NULL,
    master_key     text        NOT NULL,
    sprite_vtt_key text        NOT NULL DEFAULT '',
    poster_key     text        NOT NULL DEFAULT '',
    placeholder    text        NOT NULL DEFAULT '', -- data: URL of some pixels
    color          text        NOT NULL DEFAULT '', -- dominant, #rrggbb
    subtitles      jsonb       NOT NULL DEFAULT '[]',
    audio          jsonb       NOT NULL DEFAULT '[]',
    ready          boolean     NOT NULL DEFAULT false, -- at least one rendition plays
    complete       boolean     NOT NULL DEFAULT false, -- nothing more will come
    demo           boolean     NOT NULL DEFAULT false,
    version        bigint      NOT NULL DEFAULT 1,     -- grows with every change
    created_at     timestamptz NOT NULL DEFAULT now(),
    updated_at     timestamptz NOT NULL DEFAULT now(),
    retired_at     timestamptz                         -- replaced by a newer upload; files go some hours later
);
COMMENT ON TABLE media_asset IS 'What can be played of a playable: its newest row that is ready and not retired. Replicated to the search index.';
CREATE INDEX media_asset_playable ON media_asset (playable_id, created_at DESC);
CREATE INDEX media_asset_origin ON media_asset (origin_id);
CREATE INDEX media_asset_retired ON media_asset (retired_at) WHERE retired_at IS NOT NULL;

-- +goose Down
DROP TABLE media_asset;
DROP TABLE rendition;
DROP TABLE media_job;
