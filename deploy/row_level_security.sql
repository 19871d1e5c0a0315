-- Row-level security, for servers with --row-level-security. What such a server does for a tenant, it does as the
-- role caseload_tenant, which sees and changes only rows of the tenants in the setting caseload.tenants.
-- docs/OPERATIONS.md says what that protects against, and what it costs.
--
-- Run it with psql after roles.sql, and again after each migration and roles.sql, as the same role:
--
--   psql --no-psqlrc --file=deploy/row_level_security.sql postgresql://postgres@db.example/caseload
--
-- It may run at any time, and again if it fails. Servers without the option, commands, and the owner of the tables
-- are not restricted: the policy that restricts is for caseload_tenant alone.

\set ON_ERROR_STOP on
SET client_min_messages = warning;

BEGIN;

DO $$
BEGIN
    IF to_regrole('caseload_service') IS NULL THEN
        RAISE EXCEPTION 'run deploy/roles.sql first';
    END IF;
    IF to_regrole('caseload_tenant') IS NULL THEN
        CREATE ROLE caseload_tenant NOLOGIN;
    END IF;
    -- The service may SET ROLE to it. It must not inherit from it: policies for a role hold for those who inherit.
    IF current_setting('server_version_num')::integer >= 160000 THEN
        EXECUTE 'GRANT caseload_tenant TO caseload_service WITH INHERIT FALSE, SET TRUE';
    ELSE
        ALTER ROLE caseload_service NOINHERIT;
        GRANT caseload_tenant TO caseload_service;
    END IF;
    GRANT USAGE ON SCHEMA public TO caseload_tenant;

    -- A parameter of this type sets the tenants for its statement: Postgres checks a parameter when it receives it,
    -- before it plans and runs the statement. The setting ends with the transaction.
    IF to_regtype('public.caseload_tenants') IS NULL THEN
        CREATE DOMAIN public.caseload_tenants AS text
            CONSTRAINT caseload_tenants_check CHECK (set_config('caseload.tenants', VALUE, true) IS NOT NULL);
    END IF;
END
$$;

COMMIT;

-- One table after the other, each in a transaction of its own: two exclusive locks at once could deadlock with a
-- call. caseload_tenant gets privileges on a table together with the policies, never before them.
DO $$
DECLARE
    secured record;
    granted record;
BEGIN
    -- All tables with rows of tenants. Foreign keys are checked as the owner, who is not restricted.
    FOR secured IN
        SELECT c.oid, c.oid::regclass AS name, c.relname
        FROM pg_class AS c
        JOIN pg_attribute AS a
            ON a.attrelid = c.oid AND a.attname = 'tenant_id' AND NOT a.attisdropped
        WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
        ORDER BY c.relname
    LOOP
        -- All calls on the table wait behind this one while it waits for its lock.
        SET LOCAL lock_timeout = '2s';
        IF NOT (SELECT relrowsecurity FROM pg_class WHERE oid = secured.oid) THEN
            EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', secured.name);
        END IF;
        -- Without this one, nobody but the owner would see any row.
        IF NOT EXISTS (
            SELECT FROM pg_policy
            WHERE polrelid = secured.oid AND polname = 'caseload_all' AND polpermissive
                AND polcmd = '*' AND polroles = '{0}' AND polwithcheck IS NULL
                AND pg_get_expr(polqual, polrelid) = 'true'
        ) THEN
            EXECUTE format('DROP POLICY IF EXISTS caseload_all ON %s', secured.name);
            EXECUTE format('CREATE POLICY caseload_all ON %s USING (true)', secured.name);
        END IF;
        IF NOT EXISTS (
            SELECT FROM pg_policy
            WHERE polrelid = secured.oid AND polname = 'caseload_tenants' AND NOT polpermissive
                AND polcmd = '*' AND polroles = ARRAY[to_regrole('caseload_tenant')::oid]
                AND polwithcheck IS NULL
                AND pg_get_expr(polqual, polrelid) LIKE '%caseload.tenants%'
        ) THEN
            EXECUTE format('DROP POLICY IF EXISTS caseload_tenants ON %s', secured.name);
            -- The sub-select reads the setting once in a statement. The planner assumes that nearly all rows meet
            -- IS NOT NULL, and can use no index for it, so plans stay as they are without the policy.
            EXECUTE format(
                'CREATE POLICY caseload_tenants ON %s AS RESTRICTIVE TO caseload_tenant USING (
                    array_position(
                        (SELECT nullif(current_setting(''caseload.tenants'', true), '''')::bigint[]),
                        tenant_id
                    ) IS NOT NULL
                )',
                secured.name
            );
        END IF;

        -- The privileges of the service, except on the tables that it reads before it knows the tenant: of those,
        -- calls read only the names of keys.
        EXECUTE format('REVOKE ALL ON TABLE %s FROM caseload_tenant', secured.name);
        FOR granted IN
            SELECT p.privilege_type AS privilege
            FROM pg_class AS c CROSS JOIN aclexplode(c.relacl) AS p
            WHERE c.oid = secured.oid
                AND p.grantee = 'caseload_service'::regrole
                AND secured.relname NOT IN ('api_keys', 'tenant_hosts')
            UNION ALL
            SELECT format('%s (%I)', p.privilege_type, a.attname)
            FROM pg_attribute AS a CROSS JOIN aclexplode(a.attacl) AS p
            WHERE a.attrelid = secured.oid
                AND p.grantee = 'caseload_service'::regrole
                AND secured.relname NOT IN ('api_keys', 'tenant_hosts')
        LOOP
            EXECUTE format('GRANT %s ON TABLE %s TO caseload_tenant', granted.privilege, secured.name);
        END LOOP;
        IF secured.relname = 'api_keys' THEN
            GRANT SELECT (tenant_id, id, name) ON TABLE public.api_keys TO caseload_tenant;
        END IF;
        COMMIT;
    END LOOP;

    FOR granted IN
        SELECT c.oid::regclass AS name, p.privilege_type AS privilege
        FROM pg_class AS c CROSS JOIN aclexplode(c.relacl) AS p
        WHERE c.relnamespace = 'public'::regnamespace
            AND c.relkind = 'S'
            AND p.grantee = 'caseload_service'::regrole
    LOOP
        EXECUTE format('GRANT %s ON SEQUENCE %s TO caseload_tenant', granted.privilege, granted.name);
    END LOOP;
END
$$;
