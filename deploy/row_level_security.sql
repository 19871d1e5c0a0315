-- Row-level security, for servers with --row-level-security: whatever such a server does for a tenant, it does as
-- the role caseload_tenant, which sees and changes the rows of those tenants only that the setting
-- caseload.tenants names. docs/OPERATIONS.md says what that protects against, and what it costs.
--
-- Run it with psql after roles.sql, and after each migration and roles.sql again, as the same role:
--
--   psql --no-psqlrc --file=deploy/row_level_security.sql postgresql://postgres@db.example/caseload
--
-- It may run at any time, and changes all or nothing. Servers without the option, commands, and the owner of the
-- tables go on as before: the policy is about caseload_tenant alone.

\set ON_ERROR_STOP on

BEGIN;

DO $$
BEGIN
    IF to_regrole('caseload_service') IS NULL THEN
        RAISE EXCEPTION 'run deploy/roles.sql first';
    END IF;
    IF to_regrole('caseload_tenant') IS NULL THEN
        CREATE ROLE caseload_tenant NOLOGIN;
    END IF;
    -- The service may become it, but must not be restricted as it is, as whoever inherits from it.
    IF current_setting('server_version_num')::integer >= 160000 THEN
        EXECUTE 'GRANT caseload_tenant TO caseload_service WITH INHERIT FALSE, SET TRUE';
    ELSE
        ALTER ROLE caseload_service NOINHERIT;
        GRANT caseload_tenant TO caseload_service;
    END IF;
    GRANT USAGE ON SCHEMA public TO caseload_tenant;

    -- A parameter of this type sets whose rows the statement sees: its check runs when the parameter arrives. What is
    -- set ends with the transaction.
    IF to_regtype('public.caseload_tenants') IS NULL THEN
        CREATE DOMAIN public.caseload_tenants AS text
            CHECK (set_config('caseload.tenants', VALUE, true) IS NOT NULL);
    END IF;
END
$$;

DO $$
DECLARE
    protected record;
    granted record;
BEGIN
    -- The tables with rows of tenants. Their owner, as whom foreign keys are checked, is not restricted.
    FOR protected IN
        SELECT c.oid, c.oid::regclass AS name, c.relname
        FROM pg_class AS c
        JOIN pg_attribute AS a
            ON a.attrelid = c.oid AND a.attname = 'tenant_id' AND NOT a.attisdropped
        WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
        ORDER BY c.relname
    LOOP
        -- Each of them takes an exclusive lock, which all calls would wait behind.
        SET LOCAL lock_timeout = '2s';
        IF NOT (SELECT relrowsecurity FROM pg_class WHERE oid = protected.oid) THEN
            EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', protected.name);
        END IF;
        IF NOT EXISTS (
            SELECT FROM pg_policy WHERE polrelid = protected.oid AND polname = 'caseload_all'
        ) THEN
            EXECUTE format('CREATE POLICY caseload_all ON %s USING (true)', protected.name);
        END IF;
        IF NOT EXISTS (
            SELECT FROM pg_policy WHERE polrelid = protected.oid AND polname = 'caseload_tenants'
        ) THEN
            -- The setting is read once a statement. Adding 0 keeps the condition from being one for an index:
            -- plans stay those that they are without it.
            EXECUTE format(
                'CREATE POLICY caseload_tenants ON %s AS RESTRICTIVE TO caseload_tenant USING (
                    tenant_id + 0 = ANY (
                        (SELECT nullif(current_setting(''caseload.tenants'', true), '''')::bigint[])::bigint[]
                    )
                )',
                protected.name
            );
        END IF;

        EXECUTE format('REVOKE ALL ON TABLE %s FROM caseload_tenant', protected.name);
        -- What the service may, but for what it notes of keys by itself.
        FOR granted IN
            SELECT p.privilege_type AS privilege
            FROM pg_class AS c CROSS JOIN aclexplode(c.relacl) AS p
            WHERE c.oid = protected.oid AND p.grantee = 'caseload_service'::regrole
            UNION ALL
            SELECT format('%s (%I)', p.privilege_type, a.attname)
            FROM pg_attribute AS a CROSS JOIN aclexplode(a.attacl) AS p
            WHERE a.attrelid = protected.oid
                AND p.grantee = 'caseload_service'::regrole
                AND protected.relname <> 'api_keys'
        LOOP
            EXECUTE format('GRANT %s ON TABLE %s TO caseload_tenant', granted.privilege, protected.name);
        END LOOP;
    END LOOP;

    FOR granted IN
        SELECT c.oid::regclass AS name
        FROM pg_class AS c CROSS JOIN aclexplode(c.relacl) AS p
        WHERE c.relnamespace = 'public'::regnamespace
            AND c.relkind = 'S'
            AND p.grantee = 'caseload_service'::regrole
    LOOP
        EXECUTE format('GRANT USAGE ON SEQUENCE %s TO caseload_tenant', granted.name);
    END LOOP;

    FOR granted IN
        SELECT f.oid::regprocedure AS name
        FROM pg_proc AS f CROSS JOIN aclexplode(f.proacl) AS p
        WHERE f.pronamespace = 'public'::regnamespace
            AND p.grantee = 'caseload_service'::regrole
    LOOP
        EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO caseload_tenant', granted.name);
    END LOOP;
END
$$;

COMMIT;
