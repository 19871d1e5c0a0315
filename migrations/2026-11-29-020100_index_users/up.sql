-- Apart from the migration that adds the columns: that one keeps everybody from the table until it ends.
-- Meanwhile nobody can create or change users. Everybody else goes on until the last statement, which
-- takes a moment: those who assign tasks read and lock users, which the others don't prevent.
ALTER TABLE users VALIDATE CONSTRAINT users_external_id_check;

-- Users who were erased before these migrations were reverted, and run again.
UPDATE users SET deactivated_at = now(), erased_at = now()
    WHERE email = 'erased-' || id::text || '@erased.invalid' AND first_name = '' AND last_name = '';

-- Partial, so that users who were not fed have no entry.
CREATE UNIQUE INDEX users_external_id_key ON users (tenant_id, external_id)
    WHERE external_id IS NOT NULL;

-- For those who go on with erasures that were interrupted. It is empty at most times.
CREATE INDEX users_unscrubbed_idx ON users (tenant_id, id)
    WHERE erased_at IS NOT NULL AND scrubbed_at IS NULL;

-- Emails change from now on. An update of a column in a unique index that a foreign key could refer to
-- waits for all transactions that assign tasks to the user, and they wait for it. A foreign key can't
-- refer to a partial index; this one has every row all the same.
CREATE UNIQUE INDEX users_email_new_key ON users (tenant_id, email) WHERE email IS NOT NULL;
ALTER TABLE users DROP CONSTRAINT users_email_key;
ALTER INDEX users_email_new_key RENAME TO users_email_key;
