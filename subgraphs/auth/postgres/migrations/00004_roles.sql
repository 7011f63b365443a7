-- +goose Up
-- Roles are rows. account.roles stays what the program before this one reads
-- and writes; only its closed list of names goes. That program shows a role it
-- does not know as no permission at all.
CREATE TABLE role (
    name        text PRIMARY KEY CHECK (name ~ '^[A-Z][A-Z0-9_]{1,31}$'),
    title       text NOT NULL,
    description text NOT NULL,
    -- Of ADMIN nothing is kept: it has every permission that the program knows.
    permissions text[] NOT NULL,
    built_in    boolean NOT NULL DEFAULT false,
    created_at  timestamptz NOT NULL DEFAULT now(),
    updated_at  timestamptz NOT NULL DEFAULT now()
);
INSERT INTO role (name, title, description, permissions, built_in) VALUES
    ('VIEWER', 'Viewer', 'Browses and watches.', '{}', true),
    ('EDITOR', 'Editor', 'Manages titles, people, genres and uploads.', '{title:read,title:write,upload:write}', true),
    ('ANALYST', 'Analyst', 'Sees the statistics.', '{stats:read}', true),
    ('ADMIN', 'Admin', 'May do everything.', '{}', true);

ALTER TABLE account DROP CONSTRAINT account_roles_check;
ALTER TABLE account ADD CONSTRAINT account_has_role CHECK (cardinality(roles) > 0) NOT VALID;
ALTER TABLE account VALIDATE CONSTRAINT account_has_role;
CREATE INDEX account_role ON account USING gin (roles) WITH (fastupdate = off);

-- An array cannot refer to a table, so two triggers do: a role that an account
-- gets must be there when the transaction ends (later, so that a backup may be
-- filled in any order), and one that somebody holds cannot go. The lock on the
-- role's row lets neither slip past the other.
-- +goose StatementBegin
CREATE FUNCTION account_roles_exist() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE missing text;
BEGIN
    PERFORM FROM role WHERE name = ANY (NEW.roles) ORDER BY name FOR KEY SHARE;
    SELECT n INTO missing FROM unnest(NEW.roles) AS n WHERE NOT EXISTS (SELECT FROM role WHERE name = n) LIMIT 1;
    IF FOUND THEN
        RAISE foreign_key_violation USING MESSAGE = 'there is no role ' || missing, CONSTRAINT = 'account_roles_exist';
    END IF;
    RETURN NULL;
END $$;
-- +goose StatementEnd
CREATE CONSTRAINT TRIGGER account_roles_exist AFTER INSERT OR UPDATE OF roles ON account
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION account_roles_exist();

-- +goose StatementBegin
CREATE FUNCTION role_is_free() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.built_in OR EXISTS (SELECT FROM account WHERE roles @> ARRAY[OLD.name]) THEN
        RAISE foreign_key_violation USING MESSAGE = 'the role ' || OLD.name || ' is built in or in use', CONSTRAINT = 'role_is_free';
    END IF;
    RETURN OLD;
END $$;
-- +goose StatementEnd
CREATE TRIGGER role_is_free BEFORE DELETE ON role FOR EACH ROW EXECUTE FUNCTION role_is_free();

-- Each change of what an account (account_id) or a role's holders may do. Its
-- number is the state of all rights: a token says at which its permissions were
-- read, and is refused when they have changed since.
CREATE TABLE rights_change (
    number     bigint PRIMARY KEY,
    account_id uuid,
    role       text,
    lost       boolean NOT NULL,
    at         timestamptz NOT NULL,
    CHECK ((account_id IS NULL) <> (role IS NULL))
);
CREATE INDEX rights_change_at ON rights_change (at);

-- Who was last here, to a quarter of an hour. An account that is in use at this
-- moment by another transaction is left for the next time: nobody waits for it.
ALTER TABLE account ADD COLUMN last_seen_at timestamptz;
UPDATE account a SET last_seen_at = s.at
FROM (SELECT account_id, max(used_at) AS at FROM session GROUP BY account_id) s WHERE s.account_id = a.id;
CREATE INDEX account_seen ON account (coalesce(last_seen_at, created_at) DESC, id DESC);
CREATE INDEX account_blocked ON account (created_at DESC, id DESC) WHERE blocked;
-- +goose StatementBegin
CREATE FUNCTION session_seen() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE account SET last_seen_at = NEW.used_at WHERE id = (
        SELECT id FROM account
        WHERE id = NEW.account_id AND (last_seen_at IS NULL OR last_seen_at < NEW.used_at - interval '15 minutes')
        FOR NO KEY UPDATE SKIP LOCKED);
    RETURN NULL;
END $$;
-- +goose StatementEnd
CREATE TRIGGER session_opened AFTER INSERT ON session FOR EACH ROW EXECUTE FUNCTION session_seen();
CREATE TRIGGER session_used AFTER UPDATE OF used_at ON session
    FOR EACH ROW WHEN (NEW.used_at IS DISTINCT FROM OLD.used_at) EXECUTE FUNCTION session_seen();

-- What administrators did. Nothing here is ever changed or deleted; it names
-- accounts by their ids alone, so that one that is gone leaves no name behind.
CREATE TABLE audit (
    id         uuid PRIMARY KEY,
    at         timestamptz NOT NULL,
    -- Null for the operator, at the machine itself.
    actor_id   uuid,
    action     text NOT NULL,
    -- The account's id or the role's name.
    target     text NOT NULL,
    before     jsonb,
    after      jsonb,
    address    text NOT NULL,
    user_agent text NOT NULL
);
CREATE INDEX audit_newest ON audit (at DESC, id DESC);
CREATE INDEX audit_actor ON audit (actor_id, at DESC, id DESC);
CREATE INDEX audit_target ON audit (target, at DESC, id DESC);
CREATE INDEX audit_action ON audit (action text_pattern_ops, at DESC, id DESC);
-- +goose StatementBegin
CREATE FUNCTION audit_only_grows() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE insufficient_privilege USING MESSAGE = 'the audit log is only ever added to';
END $$;
-- +goose StatementEnd
CREATE TRIGGER audit_only_grows BEFORE UPDATE OR DELETE ON audit FOR EACH ROW EXECUTE FUNCTION audit_only_grows();

-- A profile that went with its account says of which it was: those who keep
-- something of the account forget that too. In a cascade the account's row is
-- not to be seen any more.
ALTER TABLE profile_gone ADD COLUMN account_id uuid;
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION note_profile_gone() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO profile_gone (id, at, account_id)
    SELECT g.id, clock_timestamp(), CASE WHEN NOT EXISTS (SELECT FROM account a WHERE a.id = g.account_id) THEN g.account_id END
    FROM gone g ON CONFLICT DO NOTHING;
    RETURN NULL;
END
$$;
-- +goose StatementEnd
