-- Every activity event once. The key is a function of the event's id alone, so
-- that a copy of an event, whenever and however it comes, falls on the same row;
-- of several copies the first received stays (keep falls with time). Read FINAL.
CREATE TABLE IF NOT EXISTS {{table "activity_event"}} (
    id             UUID,
    id_day         Date COMMENT 'day inside the id',
    name           LowCardinality(String),
    at             DateTime64(3, 'UTC') COMMENT 'when, corrected by the offset of the client''s clock',
    day            Date COMMENT 'day of at',
    client_at      DateTime64(3, 'UTC'),
    received_at    DateTime64(3, 'UTC'),
    session_id     UUID,
    user_id        UUID,
    profile_id     UUID,
    playable_kind  LowCardinality(String),
    playable_id    UUID,
    title_kind     LowCardinality(String),
    title_id       UUID,
    device_kind    LowCardinality(String),
    device_system  LowCardinality(String),
    device_browser LowCardinality(String),
    locale         LowCardinality(String),
    demo           Bool,
    position_ms    UInt32,
    duration_ms    UInt32,
    from_ms        UInt32,
    first_frame_ms UInt32,
    stalled_ms     UInt32,
    watched_ms     UInt32,
    buffered_ms    UInt32,
    playing        Bool,
    rate           Float64,
    rendition      LowCardinality(String),
    subtitle       LowCardinality(String),
    reason         LowCardinality(String),
    code           LowCardinality(String),
    page           String,
    origin         LowCardinality(String) COMMENT 'from in the API',
    listed         Bool COMMENT 'on in the API',
    rating         UInt8,
    query          String,
    filters        String,
    results        UInt32,
    elapsed_ms     UInt32,
    rank           UInt32,
    every_ms       UInt32 COMMENT 'cadence of heartbeats; 0 is 10 s',
    version        UInt16,
    keep           UInt64 COMMENT 'the greatest stays: 2^63 less received_at in microseconds',
    INDEX day_index day TYPE minmax GRANULARITY 1
)
ENGINE = {{engine "ReplacingMergeTree" "keep"}}
PARTITION BY toYYYYMM(id_day)
ORDER BY (id_day, id);

-- Days whose rollups are behind: a mark (+1) is set after each insert and taken
-- back (-1) by whoever recomputed the day after seeing it.
CREATE TABLE IF NOT EXISTS {{table "dirty_day"}} (
    day   Date,
    token UUID,
    sign  Int8
)
ENGINE = {{engine "CollapsingMergeTree" "sign"}}
ORDER BY (day, token);

-- Rollups. with_demo = 0 leaves synthetic viewers out, 1 is everything. Each
-- recomputation of a day writes all its rows anew with a higher version, rows
-- that are no more as zeros. Read FINAL.
CREATE TABLE IF NOT EXISTS {{table "activity_day"}} (
    day              Date,
    with_demo        UInt8,
    events           UInt64,
    active_profiles  UInt64,
    views            UInt64,
    playables_viewed UInt64,
    watched_ms       UInt64,
    sign_ups         UInt64,
    version          UInt64
)
ENGINE = {{engine "ReplacingMergeTree" "version"}}
ORDER BY (day, with_demo);

CREATE TABLE IF NOT EXISTS {{table "title_day"}} (
    day        Date,
    with_demo  UInt8,
    title_kind LowCardinality(String),
    title_id   UUID,
    views      UInt64,
    viewers    AggregateFunction(uniqExact, UUID),
    watched_ms UInt64,
    version    UInt64
)
ENGINE = {{engine "ReplacingMergeTree" "version"}}
ORDER BY (day, with_demo, title_kind, title_id);

CREATE TABLE IF NOT EXISTS {{table "quality_day"}} (
    day         Date,
    with_demo   UInt8,
    first_frame AggregateFunction(quantilesTDigest(0.5, 0.95), UInt32),
    started     UInt64,
    stalled_ms  UInt64,
    failures    UInt64,
    version     UInt64
)
ENGINE = {{engine "ReplacingMergeTree" "version"}}
ORDER BY (day, with_demo);

CREATE TABLE IF NOT EXISTS {{table "search_day"}} (
    day       Date,
    with_demo UInt8,
    query     String,
    count     UInt64,
    results   UInt64,
    empty     UInt64,
    version   UInt64
)
ENGINE = {{engine "ReplacingMergeTree" "version"}}
ORDER BY (day, with_demo, query);
