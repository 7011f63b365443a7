-- +goose Up
-- The e-mail address of an account whose login is none. Where the login is one,
-- it is that: the two together belong to one account at most.
ALTER TABLE account ADD COLUMN email text;
ALTER TABLE account ADD CONSTRAINT account_one_address
    CHECK (email IS NULL OR position('@' IN login) = 0 AND position('@' IN email) > 1) NOT VALID;
ALTER TABLE account VALIDATE CONSTRAINT account_one_address;
CREATE UNIQUE INDEX account_address_taken ON account (coalesce(email, CASE WHEN position('@' IN login) > 0 THEN login END));

-- Links that were handed out. What stands in a link is kept nowhere; it is good
-- once, for one purpose, and until its end.
CREATE TABLE link (
    hash       bytea PRIMARY KEY,
    purpose    text NOT NULL CHECK (purpose IN ('PASSWORD', 'EMAIL', 'UNDO')),
    account_id uuid NOT NULL REFERENCES account ON DELETE CASCADE,
    -- The address that the account gets, or gets back.
    email      text,
    made_at    timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    CHECK ((email IS NULL) = (purpose = 'PASSWORD'))
);
-- The newest takes the place of the one before. Each address that was left has
-- its own way back, or whoever took an account over would only change it twice.
CREATE UNIQUE INDEX link_newest ON link (account_id, purpose) WHERE purpose <> 'UNDO';
CREATE INDEX link_of_account ON link (account_id);
CREATE INDEX link_back ON link (email) WHERE purpose = 'UNDO';
CREATE INDEX link_expires ON link (expires_at);

-- As long as an account can have an address back, no other gets it. After the
-- row, so that one which waited for that address sees the link.
-- +goose StatementBegin
CREATE FUNCTION account_address_free() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM FROM link WHERE purpose = 'UNDO' AND email = coalesce(NEW.email, NEW.login) AND account_id <> NEW.id AND expires_at > now();
    IF FOUND THEN
        RAISE unique_violation USING MESSAGE = 'another account can have this address back', CONSTRAINT = 'account_address_taken';
    END IF;
    RETURN NULL;
END $$;
-- +goose StatementEnd
CREATE TRIGGER account_address_free AFTER INSERT OR UPDATE OF login, email ON account
    FOR EACH ROW EXECUTE FUNCTION account_address_free();

-- Invitations that are open: one that was accepted or withdrawn is gone, and the
-- audit log tells of it. They go with the account that made them.
CREATE TABLE invitation (
    id         uuid PRIMARY KEY,
    hash       bytea NOT NULL CONSTRAINT invitation_known UNIQUE,
    roles      text[] NOT NULL CHECK (cardinality(roles) > 0),
    -- The login of the account that it makes; null leaves it to whoever is invited.
    email      text,
    note       text NOT NULL,
    made_by    uuid NOT NULL REFERENCES account ON DELETE CASCADE,
    made_at    timestamptz NOT NULL,
    expires_at timestamptz NOT NULL
);
CREATE INDEX invitation_of_account ON invitation (made_by);
CREATE INDEX invitation_expires ON invitation (expires_at);
