-- +goose Up
-- Who a provider of sign-ins says that someone is. Nothing of the provider's
-- tokens is kept.
CREATE TABLE identity (
    id         uuid PRIMARY KEY,
    account_id uuid NOT NULL REFERENCES account ON DELETE CASCADE,
    -- The provider's own name, an address, and what it calls its user.
    issuer     text NOT NULL,
    subject    text NOT NULL,
    -- For its owner to know it by: the e-mail address or the name there.
    label      text NOT NULL,
    created_at timestamptz NOT NULL,
    used_at    timestamptz,
    CONSTRAINT identity_known UNIQUE (issuer, subject)
);
CREATE INDEX identity_of_account ON identity (account_id, created_at, id);

-- Through which provider a sign-in came; null where it came through none.
ALTER TABLE sign_in ADD COLUMN provider text;
ALTER TABLE sign_in DROP CONSTRAINT sign_in_method_check;
ALTER TABLE sign_in ADD CONSTRAINT sign_in_method_check CHECK (method IN (
    'PASSWORD', 'SIGN_UP', 'PASSKEY', 'PASSWORD_AND_CODE', 'PASSWORD_AND_RECOVERY_CODE', 'PASSWORD_AND_PASSKEY', 'PASSWORD_AND_SET_UP',
    'PROVIDER', 'PROVIDER_AND_CODE', 'PROVIDER_AND_RECOVERY_CODE', 'PROVIDER_AND_PASSKEY', 'PROVIDER_AND_SET_UP'));
