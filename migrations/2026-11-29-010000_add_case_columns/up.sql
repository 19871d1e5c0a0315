-- What cases are beyond their name, the scopes of the calls about them, and the idempotency records of
-- cases that were created.
--
-- Replicas of the release before insert cases without these columns, so each has a default. A column
-- with a constant default, as now() is within this statement, is added without rewriting the table. Cases
-- that exist get the time of this migration as that of their last change.
ALTER TABLE cases
    ADD COLUMN description text NOT NULL DEFAULT '',
    ADD COLUMN priority text NOT NULL DEFAULT 'LOW',
    ADD COLUMN status text NOT NULL DEFAULT 'OPEN',
    -- The team to which the case belongs, by the caller's own numbers.
    ADD COLUMN team_id bigint,
    -- How the service that feeds cases knows this one.
    ADD COLUMN external_id text,
    ADD COLUMN updated_at timestamptz NOT NULL DEFAULT now();

-- To check the constraints here would read the table while nobody can create tasks. The migration after
-- this one does so.
ALTER TABLE cases
    ADD CONSTRAINT cases_description_check CHECK (char_length(description) <= 10000) NOT VALID,
    ADD CONSTRAINT cases_priority_check
        CHECK (priority IN ('LOW', 'MEDIUM', 'HIGH', 'CRITICAL')) NOT VALID,
    ADD CONSTRAINT cases_status_check CHECK (status IN ('OPEN', 'CLOSED')) NOT VALID,
    -- JSON numbers are exact up to it.
    ADD CONSTRAINT cases_team_id_check CHECK (team_id BETWEEN 1 AND 9007199254740991) NOT VALID,
    ADD CONSTRAINT cases_external_id_check
        CHECK (char_length(external_id) BETWEEN 1 AND 200) NOT VALID;

-- The table is small. Servers of the release before do not know the new scopes, and fail to read a key
-- that has one.
ALTER TABLE api_keys
    DROP CONSTRAINT api_keys_scopes_check,
    ADD CONSTRAINT api_keys_scopes_check CHECK (
        cardinality(scopes) > 0
        AND scopes <@ ARRAY['tasks:read', 'tasks:write', 'cases:read', 'cases:write', 'admin']
    );

-- The case that the request created, if it created one.
ALTER TABLE idempotency_keys ADD COLUMN case_id bigint;
