-- +goose Up
-- Finding accounts by a part of the login or name.
CREATE EXTENSION IF NOT EXISTS pg_trgm;

CREATE TABLE account (
    id            uuid PRIMARY KEY,
    -- Normalised by the program, so equal means the same to people.
    login         text NOT NULL CONSTRAINT account_login_taken UNIQUE,
    name          text NOT NULL,
    roles         text[] NOT NULL CHECK (cardinality(roles) > 0 AND roles <@ ARRAY['VIEWER', 'EDITOR', 'ANALYST', 'ADMIN']),
    -- PHC string; null for an account without a password.
    password_hash text,
    blocked       boolean NOT NULL DEFAULT false,
    demo          boolean NOT NULL DEFAULT false,
    created_at    timestamptz NOT NULL
);
CREATE INDEX account_newest ON account (created_at DESC, id DESC);
-- Accounts come one by one; a pending list would only slow the search.
CREATE INDEX account_find ON account USING gin ((login || ' ' || lower(name)) gin_trgm_ops) WITH (fastupdate = off);
CREATE INDEX account_admin ON account (id) WHERE 'ADMIN' = ANY (roles) AND NOT blocked;
CREATE INDEX account_demo ON account (id) WHERE demo;

CREATE TABLE profile (
    id         uuid PRIMARY KEY,
    account_id uuid NOT NULL REFERENCES account ON DELETE CASCADE,
    name       text NOT NULL,
    colour     text NOT NULL CHECK (colour ~ '^#[0-9a-f]{6}$'),
    locale     text,
    child      boolean NOT NULL,
    created_at timestamptz NOT NULL
);
CREATE INDEX profile_of_account ON profile (account_id, created_at, id);

CREATE TABLE session (
    id         uuid PRIMARY KEY,
    account_id uuid NOT NULL REFERENCES account ON DELETE CASCADE,
    profile_id uuid REFERENCES profile ON DELETE SET NULL,
    created_at timestamptz NOT NULL,
    used_at    timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    ended_at   timestamptz,
    end_reason text,
    user_agent text NOT NULL,
    address    text NOT NULL,
    -- The refresh token's state; the token itself is kept nowhere.
    seed       bytea NOT NULL,
    generation integer NOT NULL,
    token_hash bytea NOT NULL,
    rotated_at timestamptz NOT NULL
);
CREATE INDEX session_live ON session (account_id) WHERE ended_at IS NULL;
CREATE INDEX session_of_account ON session (account_id, created_at DESC);
CREATE INDEX session_of_profile ON session (profile_id);
CREATE INDEX session_ended ON session (ended_at) WHERE ended_at IS NOT NULL;
CREATE INDEX session_expires ON session (expires_at);

CREATE TABLE signing_key (
    id          text PRIMARY KEY,
    -- Encrypted under the program's secret.
    sealed      bytea NOT NULL,
    active_from timestamptz NOT NULL
);
