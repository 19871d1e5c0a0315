ALTER TABLE users DROP COLUMN scrubbed_up_to;
