-- What the directory knows of users beyond their names and emails. Replicas of the release before
-- insert users without these columns, and read them as if all were active.
--
-- The columns have no defaults, so no table is rewritten, and the constraints are not checked here, so
-- none is read: every new task locks the rows of its assignees, and waits for this. The migration after
-- this one reads the table.
ALTER TABLE users
    -- How the service that feeds users knows this one.
    ADD COLUMN external_id text,
    -- Since when no task is newly assigned to the user.
    ADD COLUMN deactivated_at timestamptz,
    -- When name, email and external id were erased here. The row stays, for the assignments.
    ADD COLUMN erased_at timestamptz,
    -- When the names were gone from the records of idempotency keys, too.
    ADD COLUMN scrubbed_at timestamptz;

ALTER TABLE users
    ADD CONSTRAINT users_external_id_check
        CHECK (char_length(external_id) BETWEEN 1 AND 200) NOT VALID,
    -- An erased user has a placeholder for an email, which nobody else can get. Rows from before are not
    -- checked: nothing kept them from having any email.
    ADD CONSTRAINT users_erased_check CHECK (
        CASE
            WHEN erased_at IS NULL THEN email NOT LIKE '%@erased.invalid' AND scrubbed_at IS NULL
            ELSE email = 'erased-' || id::text || '@erased.invalid'
                AND first_name = '' AND last_name = ''
                AND external_id IS NULL AND deactivated_at IS NOT NULL
        END
    ) NOT VALID;
