-- The version of trackbridge that each process of `serve` is; empty for one that did not write it yet.
ALTER TABLE heartbeats ADD COLUMN version text NOT NULL DEFAULT '';
