-- Apart from the migration before: this one reads the table, while everybody goes on. Only a user whose
-- email looks like the placeholder of one who was erased, which no mail can reach, gets another one.
--
-- That is one with the user's id, so no two of these users get the same. If another user has it already, it
-- gets a random part, as a unique constraint that is violated would keep the release from being deployed.
UPDATE users AS u
    SET email = 'former-' || u.id::text
        || CASE
            WHEN EXISTS (
                SELECT FROM users AS o
                WHERE o.tenant_id = u.tenant_id
                    AND o.email = 'former-' || u.id::text || '@erased.invalid'
            ) THEN '-' || gen_random_uuid()::text
            ELSE ''
        END
        || '@erased.invalid'
    WHERE u.erased_at IS NULL AND u.email LIKE 'erased-%@erased.invalid';

ALTER TABLE users VALIDATE CONSTRAINT users_erased_check;
