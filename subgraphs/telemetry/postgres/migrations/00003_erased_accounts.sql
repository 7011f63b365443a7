-- +goose Up
-- A profile that went with its account. Events of both are made nobody's, and
-- again twice later for what was on its way then: in some minutes and in a day.
ALTER TABLE profile_erased
    ADD COLUMN account_id uuid, -- null where the account stays
    ADD COLUMN passes     smallint NOT NULL DEFAULT 0,
    ADD COLUMN due_at     timestamptz; -- null when it is done, or there is nothing to do
CREATE INDEX profile_erased_due ON profile_erased (due_at) WHERE due_at IS NOT NULL;
