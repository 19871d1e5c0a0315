-- Returns what is wrong with row-level security; null if nothing is. deploy/row_level_security.sql sets it up.

WITH tenant AS (
    SELECT r.oid, r.rolsuper, r.rolbypassrls FROM pg_roles AS r WHERE r.rolname = 'caseload_tenant'
),

-- The tables that have rows of tenants, in the schema that the service uses.
tables AS (
    SELECT
        c.relname::text, c.relrowsecurity, c.relowner,
        EXISTS (
            SELECT
            FROM pg_policy AS p, tenant AS t
            WHERE p.polrelid = c.oid
                AND p.polname = 'caseload_tenants'
                AND NOT p.polpermissive
                AND p.polcmd = '*'
                AND p.polroles = ARRAY[t.oid]
                AND pg_get_expr(p.polqual, p.polrelid) LIKE '%caseload.tenants%'
        )
        -- Without this one nobody but the owner has any rows.
        AND EXISTS (
            SELECT FROM pg_policy AS p
            WHERE p.polrelid = c.oid AND p.polname = 'caseload_all' AND p.polpermissive
        ) AS has_policies
    FROM pg_class AS c
    JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attname = 'tenant_id' AND NOT a.attisdropped
    WHERE c.relkind IN ('r', 'p')
        AND c.relnamespace = (SELECT s.relnamespace FROM pg_class AS s WHERE s.oid = 'tasks'::regclass)
)

SELECT CASE
    WHEN NOT EXISTS (SELECT FROM tenant)
        THEN 'there is no role caseload_tenant: run deploy/row_level_security.sql'
    WHEN (SELECT rolsuper OR rolbypassrls FROM tenant)
        THEN 'the role caseload_tenant bypasses it, as a superuser or by BYPASSRLS: ALTER ROLE '
            || 'caseload_tenant NOSUPERUSER NOBYPASSRLS'
    WHEN EXISTS (
        SELECT FROM tables, tenant WHERE pg_has_role(tenant.oid, tables.relowner, 'USAGE')
    )
        THEN format(
            'the role caseload_tenant bypasses it, as an owner of the table %s: give the table to another role',
            (
                SELECT min(tables.relname) FROM tables, tenant
                WHERE pg_has_role(tenant.oid, tables.relowner, 'USAGE')
            )
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
    WHEN to_regtype('caseload_tenants') IS NULL
        THEN 'there is no domain caseload_tenants: run deploy/row_level_security.sql'
    WHEN EXISTS (SELECT FROM tables WHERE NOT (relrowsecurity AND has_policies))
        THEN format(
            'the table %s lacks its policies, or they are not on: run deploy/row_level_security.sql',
            (SELECT min(relname) FROM tables WHERE NOT (relrowsecurity AND has_policies))
        )
END AS flaw
