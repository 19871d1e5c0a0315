-- How far the erasure of a user has come, so that whoever goes on with it goes on there: a repeat of the call,
-- or a server, also one that was started since.
--
-- The column has no default, so the table is not rewritten. Replicas of the release before don't know it: they
-- begin with the first record, as before, and may leave it behind when they are done, where it has no meaning.
ALTER TABLE users
    -- The key of the last idempotency record that the names were removed from, in the order of keys; empty
    -- before the first one. Null while a transaction may still write the names, and once all is done.
    ADD COLUMN scrubbed_up_to text COLLATE "C";
