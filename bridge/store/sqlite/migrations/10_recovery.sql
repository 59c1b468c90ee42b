-- Stores of versions 1 to 9 that the first commit made lack this index. The rest of the step is `recovery.py`.
CREATE INDEX IF NOT EXISTS webhooks_body ON webhooks (body);
