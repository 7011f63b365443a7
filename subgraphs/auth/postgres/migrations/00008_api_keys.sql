-- +goose Up
-- Keys by which programs act for an account, as one of its profiles. Neither
-- outlives the other.
CREATE TABLE api_key (
    id         uuid PRIMARY KEY,
    account_id uuid NOT NULL REFERENCES account ON DELETE CASCADE,
    profile_id uuid NOT NULL REFERENCES profile ON DELETE CASCADE,
    -- SHA-256 of the key. It has 32 random bytes, so that no slower hash is
    -- wanted: there is nothing to guess.
    hash       bytea NOT NULL CONSTRAINT api_key_known UNIQUE CHECK (octet_length(hash) = 32),
    name       text NOT NULL,
    -- How the key begins, for its owner to know it by.
    hint       text NOT NULL,
    -- The most that it may; what the account may not, it may not either.
    scopes     text[] NOT NULL,
    -- What its tokens are revoked by; null is the key's own number.
    seat       uuid,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL CHECK (expires_at > created_at),
    -- To a minute; null if never.
    used_at    timestamptz
);
CREATE INDEX api_key_of_account ON api_key (account_id, created_at DESC, id DESC);
CREATE INDEX api_key_of_profile ON api_key (profile_id);
CREATE INDEX api_key_expires ON api_key (expires_at);
