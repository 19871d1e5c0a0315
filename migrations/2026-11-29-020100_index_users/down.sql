DROP INDEX users_email_key;
ALTER TABLE users ADD CONSTRAINT users_email_key UNIQUE (tenant_id, email);
DROP INDEX users_unscrubbed_idx;
DROP INDEX users_external_id_key;
