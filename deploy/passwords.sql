-- Sets the passwords of the roles that roles.sql creates, for docker-compose.yml. A password is read
-- from the file with the role's name in the directory $CREDENTIALS.
--
-- Elsewhere use psql's \password, which sends no password, only what is stored of it.

\set ON_ERROR_STOP on

-- The statements below contain passwords, so this session logs no statement, also if it fails.
SET log_statement = 'none';
SET log_min_error_statement = 'panic';
SET log_min_duration_statement = -1;
SET log_min_duration_sample = -1;
SET log_transaction_sample_rate = 0;
SET log_duration = off;

\set owner `cat "$CREDENTIALS/caseload_owner"`
\set service `cat "$CREDENTIALS/caseload_service"`
\set admin `cat "$CREDENTIALS/caseload_admin"`

BEGIN;
ALTER ROLE caseload_owner PASSWORD :'owner';
ALTER ROLE caseload_service PASSWORD :'service';
ALTER ROLE caseload_admin PASSWORD :'admin';
COMMIT;
