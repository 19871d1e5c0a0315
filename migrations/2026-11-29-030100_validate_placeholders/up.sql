-- Apart from the migration before: this one reads the table, while everybody goes on. Only a user whose
-- email looks like the placeholder of one who was erased, which no mail can reach, gets another one.
UPDATE users SET email = regexp_replace(email, '^erased-', 'former-')
    WHERE erased_at IS NULL AND email LIKE 'erased-%@erased.invalid';

ALTER TABLE users VALIDATE CONSTRAINT users_erased_check;
