-- +goose Up
-- When whoever holds the session last proved to be its owner; null, as the
-- version before leaves it: when it was opened.
ALTER TABLE session ADD COLUMN authenticated_at timestamptz;

-- The shared secret of an authenticator app.
CREATE TABLE totp (
    account_id uuid PRIMARY KEY REFERENCES account ON DELETE CASCADE,
    -- Encrypted under the program's secret.
    sealed     bytea NOT NULL,
    -- The time step of the last code that was accepted: none is, of it or before.
    last_step  bigint NOT NULL,
    created_at timestamptz NOT NULL
);

-- Codes for when the other factors are lost. Keyed hashes; a used one is gone.
CREATE TABLE recovery_code (
    account_id uuid NOT NULL REFERENCES account ON DELETE CASCADE,
    hash       bytea NOT NULL,
    PRIMARY KEY (account_id, hash)
);

CREATE TABLE passkey (
    id            uuid PRIMARY KEY,
    account_id    uuid NOT NULL REFERENCES account ON DELETE CASCADE,
    credential_id bytea NOT NULL CONSTRAINT passkey_known UNIQUE,
    -- COSE key, as the authenticator gave it.
    public_key    bytea NOT NULL,
    aaguid        bytea NOT NULL,
    -- Flags of the authenticator data, one byte.
    flags         smallint NOT NULL,
    sign_count    bigint NOT NULL,
    transports    text[] NOT NULL,
    -- The domain that it was made for; it is of no use at another.
    rp_id         text NOT NULL,
    name          text NOT NULL,
    created_at    timestamptz NOT NULL,
    used_at       timestamptz
);
CREATE INDEX passkey_of_account ON passkey (account_id, created_at, id);

-- Tickets and challenges that were used, until they would end by themselves.
CREATE TABLE spent_ticket (
    id    uuid PRIMARY KEY,
    until timestamptz NOT NULL
);
CREATE INDEX spent_ticket_until ON spent_ticket (until);

ALTER TABLE sign_in DROP CONSTRAINT sign_in_method_check, DROP CONSTRAINT sign_in_outcome_check;
ALTER TABLE sign_in
    ADD CHECK (method IN ('PASSWORD', 'SIGN_UP', 'PASSKEY', 'PASSWORD_AND_CODE', 'PASSWORD_AND_RECOVERY_CODE', 'PASSWORD_AND_PASSKEY', 'PASSWORD_AND_SET_UP')),
    ADD CHECK (outcome IN ('SUCCEEDED', 'WRONG_PASSWORD', 'BLOCKED', 'SECOND_FACTOR_DUE', 'WRONG_FACTOR'));
