-- +goose Up

-- Profiles that are gone, with the account where all of it went. What they left
-- is erased at once and, for what was on its way then, twice more: after
-- some minutes and a day later.
CREATE TABLE erased (
    number     bigint PRIMARY KEY, -- the auth service's
    account_id uuid,
    profile_id uuid NOT NULL,
    at         timestamptz NOT NULL,
    passes     smallint NOT NULL DEFAULT 0,
    due_at     timestamptz -- null when it is done
);
CREATE INDEX erased_profile ON erased (profile_id);
CREATE INDEX erased_due ON erased (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX viewing_session_of_profile ON viewing_session (profile_id);

-- Events and requests of theirs may still be on their way; nothing of them is
-- written down again.
-- +goose StatementBegin
CREATE FUNCTION skip_erased() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM erased WHERE profile_id = NEW.profile_id) THEN
        RETURN NULL;
    END IF;
    RETURN NEW;
END $$;
-- +goose StatementEnd
CREATE TRIGGER skip_erased BEFORE INSERT ON watch_state FOR EACH ROW EXECUTE FUNCTION skip_erased();
CREATE TRIGGER skip_erased BEFORE INSERT ON viewing_session FOR EACH ROW EXECUTE FUNCTION skip_erased();
CREATE TRIGGER skip_erased BEFORE INSERT ON listed FOR EACH ROW EXECUTE FUNCTION skip_erased();
CREATE TRIGGER skip_erased BEFORE INSERT ON rating FOR EACH ROW EXECUTE FUNCTION skip_erased();
