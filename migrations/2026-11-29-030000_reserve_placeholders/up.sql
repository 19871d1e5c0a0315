-- Any email of the domain erased.invalid was forbidden to users who are not erased. Rows from before were
-- not checked, but each change of a row is: users who had such an email could be neither deactivated nor
-- erased, nor get another one. What has to be kept from others are the placeholders alone; that nobody gets
-- any email of the domain from now on is checked where emails come in.
--
-- Rows are checked by the migration after this one: this one keeps everybody from the table until it ends.
ALTER TABLE users
    DROP CONSTRAINT users_erased_check,
    ADD CONSTRAINT users_erased_check CHECK (
        CASE
            WHEN erased_at IS NULL
                THEN email NOT LIKE 'erased-%@erased.invalid' AND scrubbed_at IS NULL
            ELSE email = 'erased-' || id::text || '@erased.invalid'
                AND first_name = '' AND last_name = ''
                AND external_id IS NULL AND deactivated_at IS NOT NULL
        END
    ) NOT VALID;
