-- A server that does not know the operation can't repeat it.
DELETE FROM idempotency_keys WHERE operation = 'create_case';
ALTER TABLE idempotency_keys DROP COLUMN case_id;

-- Keys lose the scopes that there were not; a key that has no other one could do nothing.
DELETE FROM api_keys WHERE scopes <@ ARRAY['cases:read', 'cases:write'];
UPDATE api_keys SET scopes = array_remove(array_remove(scopes, 'cases:read'), 'cases:write')
    WHERE scopes && ARRAY['cases:read', 'cases:write'];
ALTER TABLE api_keys
    DROP CONSTRAINT api_keys_scopes_check,
    ADD CONSTRAINT api_keys_scopes_check CHECK (
        cardinality(scopes) > 0 AND scopes <@ ARRAY['tasks:read', 'tasks:write', 'admin']
    );

ALTER TABLE cases
    DROP COLUMN description,
    DROP COLUMN priority,
    DROP COLUMN status,
    DROP COLUMN team_id,
    DROP COLUMN external_id,
    DROP COLUMN updated_at;
