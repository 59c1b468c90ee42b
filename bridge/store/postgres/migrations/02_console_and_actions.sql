-- What sessions of the web console are signed with, and codes that log in once: the SHA-256 of each, that of the key that
-- it stands for, and until when.
CREATE TABLE console_secrets (name text PRIMARY KEY, value bytea NOT NULL);
CREATE TABLE login_codes (digest bytea PRIMARY KEY, key bytea NOT NULL, until bigint NOT NULL);
-- What people did by hand: who, when, what, with what, how many.
CREATE TABLE actions (
    number bigint PRIMARY KEY, at bigint NOT NULL, who text NOT NULL, what text NOT NULL, subject text NOT NULL,
    n bigint NOT NULL
);
CREATE INDEX actions_subject ON actions (subject, number);
-- When a destination was last asked without an event, and why that failed; NULL where it did not.
ALTER TABLE standings ADD COLUMN checked_at bigint;
ALTER TABLE standings ADD COLUMN check_failed text;
