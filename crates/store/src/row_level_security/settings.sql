-- Returns why row-level security would not restrict queries of tenants, or why they would fail; null if it works.
-- deploy/row_level_security.sql sets it up.
--
--   1  the tables that queries of tenants use
--
-- A table that is not one of these may lack policies as long as caseload_tenant has no privilege on it: a
-- later release may have created it just now.
--
-- Runs twice a second, so it reads catalogs only, and waits for no lock of a table. The conditions of the policies are
-- not looked at: `policies` changes with them, and policies.sql reads them then.

WITH tenant AS (
    SELECT r.oid, r.rolsuper, r.rolbypassrls FROM pg_roles AS r WHERE r.rolname = 'caseload_tenant'
),

-- The tables that have rows of tenants, in the schema that the service uses.
tables AS (
    SELECT
        c.oid, c.relname::text AS name, c.relowner,
        has_any_column_privilege(t.oid, c.oid, 'SELECT, INSERT, UPDATE')
        OR has_table_privilege(t.oid, c.oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE') AS is_granted,
        c.relrowsecurity
        AND EXISTS (
            SELECT
            FROM pg_policy AS p
            WHERE p.polrelid = c.oid
                AND p.polname = 'caseload_tenants'
                AND NOT p.polpermissive
                AND p.polcmd = '*'
                AND p.polroles = ARRAY[t.oid]
                AND p.polwithcheck IS NULL
        )
        -- Without this one, nobody but the owner sees any row.
        AND EXISTS (
            SELECT
            FROM pg_policy AS p
            WHERE p.polrelid = c.oid
                AND p.polname = 'caseload_all'
                AND p.polpermissive
                AND p.polcmd = '*'
                AND p.polroles = '{0}'
                AND p.polwithcheck IS NULL
        ) AS has_policies
    FROM tenant AS t
    CROSS JOIN pg_class AS c
    JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attname = 'tenant_id' AND NOT a.attisdropped
    WHERE c.relkind IN ('r', 'p')
        AND c.relnamespace = (SELECT s.relnamespace FROM pg_class AS s WHERE s.oid = 'tasks'::regclass)
),

found AS (
    SELECT
        (
            SELECT min(tables.name) FROM tables, tenant
            WHERE pg_has_role(tenant.oid, tables.relowner, 'USAGE')
        ) AS owned,
        (SELECT min(name) FROM tables WHERE is_granted AND NOT has_policies) AS unrestricted,
        (
            SELECT min(used.name) FROM unnest($1) AS used (name)
            WHERE NOT EXISTS (SELECT FROM tables WHERE tables.name = used.name AND is_granted)
        ) AS unusable
)

SELECT CASE
    WHEN NOT EXISTS (SELECT FROM tenant)
        THEN 'there is no role caseload_tenant: run deploy/row_level_security.sql'
    WHEN (SELECT rolsuper OR rolbypassrls FROM tenant)
        THEN 'the role caseload_tenant bypasses it, as a superuser or by BYPASSRLS: ALTER ROLE '
            || 'caseload_tenant NOSUPERUSER NOBYPASSRLS'
    WHEN found.owned IS NOT NULL
        THEN format(
            'the role caseload_tenant bypasses it, as an owner of the table %s: give the table to another role',
            found.owned
        )
    WHEN NOT (
        SELECT pg_has_role(
            session_user, tenant.oid,
            CASE
                WHEN current_setting('server_version_num')::integer >= 160000 THEN 'SET'
                ELSE 'MEMBER'
            END
        )
        FROM tenant
    )
        THEN format(
            'the role %s may not become caseload_tenant: run deploy/row_level_security.sql, or GRANT it',
            session_user
        )
    WHEN NOT (SELECT rolsuper FROM pg_roles WHERE rolname = session_user)
        AND (SELECT pg_has_role(session_user, tenant.oid, 'USAGE') FROM tenant)
        THEN format(
            'the role %s inherits from caseload_tenant, so it could not write for all tenants: run '
                || 'deploy/row_level_security.sql',
            session_user
        )
    WHEN NOT EXISTS (
        SELECT FROM pg_constraint
        WHERE contypid = to_regtype('caseload_tenants')
            AND pg_get_constraintdef(oid) LIKE '%set_config(%caseload.tenants%'
    )
        THEN 'there is no domain caseload_tenants with its check: run deploy/row_level_security.sql'
    WHEN found.unrestricted IS NOT NULL
        THEN format(
            'the table %s lacks its policies, or they are not on: run deploy/row_level_security.sql',
            found.unrestricted
        )
    WHEN found.unusable IS NOT NULL
        THEN format(
            'the role caseload_tenant has no privilege on the table %s: run deploy/row_level_security.sql',
            found.unusable
        )
END AS flaw,
-- A policy that is created anew has another OID, and one that is altered another xmin.
coalesce(
    (
        SELECT string_agg(format('%s %s', p.oid, p.xmin), ',' ORDER BY p.oid)
        FROM pg_policy AS p JOIN tables ON tables.oid = p.polrelid
    ),
    ''
) AS policies
FROM found
