-- The constraint from before, with its defect: users who have any email of the domain can be neither changed
-- nor erased, unless they get another email first.
ALTER TABLE users
    DROP CONSTRAINT users_erased_check,
    ADD CONSTRAINT users_erased_check CHECK (
        CASE
            WHEN erased_at IS NULL THEN email NOT LIKE '%@erased.invalid' AND scrubbed_at IS NULL
            ELSE email = 'erased-' || id::text || '@erased.invalid'
                AND first_name = '' AND last_name = ''
                AND external_id IS NULL AND deactivated_at IS NOT NULL
        END
    ) NOT VALID;
