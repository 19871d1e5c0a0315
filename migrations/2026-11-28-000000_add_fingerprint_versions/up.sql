-- How the fingerprint was made. Rows that were written before this migration, and those that servers
-- of the release before go on to write, have fingerprints of version 1.
--
-- A column with a constant default is added without rewriting or reading the table. A check constraint
-- would read it while nobody can write to it, so there is none.
ALTER TABLE idempotency_keys ADD COLUMN fingerprint_version smallint NOT NULL DEFAULT 1;
