-- Erased users stay erased: the migration knows them by their placeholders when it is run again.
ALTER TABLE users
    DROP COLUMN external_id,
    DROP COLUMN deactivated_at,
    DROP COLUMN erased_at,
    DROP COLUMN scrubbed_at;
