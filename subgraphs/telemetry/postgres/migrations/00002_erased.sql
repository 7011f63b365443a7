-- +goose Up
-- Profiles of which nothing is kept any more: an event of theirs that is read
-- late must not bring it back.
CREATE TABLE profile_erased (
    profile_id uuid PRIMARY KEY,
    gone_at    timestamptz NOT NULL
);
CREATE INDEX profile_erased_at ON profile_erased (gone_at);
CREATE INDEX viewing_session_profile ON viewing_session (profile_id);
