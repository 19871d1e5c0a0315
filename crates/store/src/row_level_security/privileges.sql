-- Returns a table or sequence on which caseload_tenant lacks a privilege that caseload_service has, or has on a column;
-- null if there is none. deploy/row_level_security.sql copies them.
--
--   1  the tables that queries of tenants use
--
-- Of api_keys, such queries read only the names of keys.

WITH related AS (
    SELECT c.oid, c.relname::text AS name, c.relkind, c.relacl
    FROM pg_class AS c
    WHERE c.relnamespace = (SELECT s.relnamespace FROM pg_class AS s WHERE s.oid = 'tasks'::regclass)
        AND (c.relkind = 'S' OR (c.relname::text = ANY ($1) AND c.relname <> 'api_keys'))
),

granted AS (
    SELECT r.oid, r.name, r.relkind, NULL::smallint AS attribute, p.privilege_type AS privilege
    FROM related AS r
    CROSS JOIN aclexplode(r.relacl) AS p
    WHERE p.grantee = to_regrole('caseload_service')
    UNION ALL
    SELECT r.oid, r.name, r.relkind, a.attnum, p.privilege_type
    FROM related AS r
    JOIN pg_attribute AS a ON a.attrelid = r.oid AND NOT a.attisdropped
    CROSS JOIN aclexplode(a.attacl) AS p
    WHERE p.grantee = to_regrole('caseload_service')
)

SELECT min(name) AS name
FROM granted
WHERE NOT CASE
    WHEN relkind = 'S' THEN has_sequence_privilege('caseload_tenant', oid, privilege)
    WHEN attribute IS NULL THEN has_table_privilege('caseload_tenant', oid, privilege)
    ELSE has_column_privilege('caseload_tenant', oid, attribute, privilege)
END
