-- +goose Up

-- One sitting of one profile with one film or episode on one device.
CREATE TABLE viewing_session (
    id                uuid PRIMARY KEY,
    user_id           uuid        NOT NULL,
    profile_id        uuid        NOT NULL,
    playable_kind     text        NOT NULL,
    playable_id       uuid        NOT NULL,
    title_kind        text        NOT NULL,
    title_id          uuid        NOT NULL,
    device_kind       text        NOT NULL,
    device_system     text        NOT NULL,
    device_browser    text        NOT NULL,
    locale            text        NOT NULL DEFAULT '',
    started_at        timestamptz NOT NULL,
    last_heartbeat_at timestamptz NOT NULL,
    position_ms       integer     NOT NULL DEFAULT 0,
    duration_ms       integer     NOT NULL DEFAULT 0,
    playing           boolean     NOT NULL DEFAULT false,
    -- Server's clock minus the client's, measured when the session opened.
    clock_offset_ms   bigint      NOT NULL DEFAULT 0,
    -- The subscription that holds the session; a reconnect takes it over.
    connection        uuid,
    ended_at          timestamptz,
    end_reason        text,
    demo              boolean     NOT NULL DEFAULT false
);
-- Who is watching, and who has fallen silent.
CREATE INDEX viewing_session_open ON viewing_session (last_heartbeat_at) WHERE ended_at IS NULL AND NOT demo;

-- Where a profile stands in a film or episode. A row moves only forward in
-- last_seen_at, so that events may be read again and out of order. What was
-- forgotten stays as a marker: older events must not bring it back.
CREATE TABLE watch_state (
    profile_id    uuid        NOT NULL,
    playable_kind text        NOT NULL,
    playable_id   uuid        NOT NULL,
    title_kind    text        NOT NULL,
    title_id      uuid        NOT NULL,
    position_ms   integer     NOT NULL,
    duration_ms   integer     NOT NULL,
    finished      boolean     NOT NULL,
    forgotten     boolean     NOT NULL DEFAULT false,
    last_seen_at  timestamptz NOT NULL,
    demo          boolean     NOT NULL DEFAULT false,
    PRIMARY KEY (profile_id, playable_id)
);
CREATE INDEX watch_state_unfinished ON watch_state (profile_id, last_seen_at DESC) WHERE NOT finished AND NOT forgotten;

CREATE TABLE listed (
    profile_id uuid        NOT NULL,
    title_kind text        NOT NULL,
    title_id   uuid        NOT NULL,
    listed_at  timestamptz NOT NULL DEFAULT now(),
    demo       boolean     NOT NULL DEFAULT false,
    PRIMARY KEY (profile_id, title_id)
);
CREATE INDEX listed_newest ON listed (profile_id, listed_at DESC);

CREATE TABLE rating (
    profile_id uuid        NOT NULL,
    title_kind text        NOT NULL,
    title_id   uuid        NOT NULL,
    rating     smallint    NOT NULL CHECK (rating BETWEEN 1 AND 10),
    rated_at   timestamptz NOT NULL DEFAULT now(),
    demo       boolean     NOT NULL DEFAULT false,
    PRIMARY KEY (profile_id, title_id)
);
