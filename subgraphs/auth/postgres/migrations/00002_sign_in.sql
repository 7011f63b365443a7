-- +goose Up
-- Sign-ins and attempts on an account, for its owner to look through.
CREATE TABLE sign_in (
    id         uuid PRIMARY KEY,
    account_id uuid NOT NULL REFERENCES account ON DELETE CASCADE,
    -- The session that it opened; null when it opened none.
    session_id uuid,
    at         timestamptz NOT NULL,
    method     text NOT NULL CHECK (method IN ('PASSWORD', 'SIGN_UP')),
    outcome    text NOT NULL CHECK (outcome IN ('SUCCEEDED', 'WRONG_PASSWORD', 'BLOCKED')),
    user_agent text NOT NULL,
    address    text NOT NULL
);
CREATE INDEX sign_in_of_account ON sign_in (account_id, at DESC, id DESC);
CREATE INDEX sign_in_at ON sign_in (at);

INSERT INTO sign_in (id, account_id, session_id, at, method, outcome, user_agent, address)
SELECT id, account_id, id, created_at, 'PASSWORD', 'SUCCEEDED', user_agent, address FROM session;
