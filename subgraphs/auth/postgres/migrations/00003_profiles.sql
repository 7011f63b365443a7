-- +goose Up
ALTER TABLE profile
    -- What the picture shows, on the colour.
    ADD COLUMN avatar        text NOT NULL DEFAULT 'LETTER',
    -- The largest rating that a child's profile sees; null is the usual one.
    ADD COLUMN age_limit     smallint CHECK (age_limit IN (0, 6, 12, 16, 18)),
    -- PHC string; null without a PIN.
    ADD COLUMN pin_hash      text,
    -- Tries at the PIN that were wrong or are being compared.
    ADD COLUMN pin_tries     integer NOT NULL DEFAULT 0,
    ADD COLUMN pin_tried_at  timestamptz;
-- At the PINs of all its profiles.
ALTER TABLE account
    ADD COLUMN pin_tries     integer NOT NULL DEFAULT 0,
    ADD COLUMN pin_tried_at  timestamptz;

-- A session's stay with one profile; null is the first, which is the session.
ALTER TABLE session ADD COLUMN seat uuid;

-- Seats that were left for another: as long as a token of theirs may be about.
CREATE TABLE seat_left (
    seat uuid PRIMARY KEY,
    at   timestamptz NOT NULL
);
CREATE INDEX seat_left_at ON seat_left (at);

-- Profiles that were deleted, however it came about, for those who keep
-- something of them.
CREATE TABLE profile_gone (
    id uuid PRIMARY KEY,
    at timestamptz NOT NULL
);
CREATE INDEX profile_gone_at ON profile_gone (at, id);

-- +goose StatementBegin
CREATE FUNCTION note_profile_gone() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO profile_gone (id, at) SELECT id, clock_timestamp() FROM gone ON CONFLICT DO NOTHING;
    RETURN NULL;
END
$$;
-- +goose StatementEnd
CREATE TRIGGER profile_gone AFTER DELETE ON profile
    REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION note_profile_gone();
