-- Drafts of mappings that people work on in the console, one for each person and mapping; `mapping` is the file's name
-- without `.yaml`, `begun_from` the digest of the file's text that the draft began with. `form` is that of a body.
CREATE TABLE mapping_drafts (
    mapping text NOT NULL, who text NOT NULL, at bigint NOT NULL, begun_from bytea NOT NULL, bytes bytea NOT NULL,
    form smallint NOT NULL, PRIMARY KEY (mapping, who)
);
