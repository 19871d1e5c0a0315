-- Removes what row_level_security.sql has created. First restart all servers without --row-level-security.
--
-- Run it with psql, as the same role:
--
--   psql --no-psqlrc --file=deploy/drop_row_level_security.sql postgresql://postgres@db.example/caseload
--
-- It may run at any time, and again if it fails. Policies of others stay.

\set ON_ERROR_STOP on
SET client_min_messages = warning;

-- One table after the other, each in a transaction of its own: two exclusive locks at once could deadlock with a
-- call.
DO $$
DECLARE
    secured record;
    granted record;
BEGIN
    FOR secured IN
        SELECT c.oid, c.oid::regclass AS name
        FROM pg_class AS c
        WHERE c.relnamespace = 'public'::regnamespace
            AND EXISTS (
                SELECT FROM pg_policy AS p
                WHERE p.polrelid = c.oid AND p.polname IN ('caseload_all', 'caseload_tenants')
            )
        ORDER BY c.relname
    LOOP
        -- All calls on the table wait behind this one while it waits for its lock.
        SET LOCAL lock_timeout = '2s';
        -- The one that restricts first: nobody is to see less than before.
        EXECUTE format('DROP POLICY IF EXISTS caseload_tenants ON %s', secured.name);
        EXECUTE format('DROP POLICY IF EXISTS caseload_all ON %s', secured.name);
        IF NOT EXISTS (SELECT FROM pg_policy WHERE polrelid = secured.oid) THEN
            EXECUTE format('ALTER TABLE %s DISABLE ROW LEVEL SECURITY', secured.name);
        END IF;
        IF to_regrole('caseload_tenant') IS NOT NULL THEN
            EXECUTE format('REVOKE ALL ON TABLE %s FROM caseload_tenant', secured.name);
        END IF;
        COMMIT;
    END LOOP;

    FOR granted IN
        SELECT c.oid::regclass AS name
        FROM pg_class AS c CROSS JOIN aclexplode(c.relacl) AS p
        WHERE c.relnamespace = 'public'::regnamespace
            AND c.relkind = 'S'
            AND p.grantee = to_regrole('caseload_tenant')
    LOOP
        EXECUTE format('REVOKE ALL ON SEQUENCE %s FROM caseload_tenant', granted.name);
    END LOOP;
    DROP DOMAIN IF EXISTS public.caseload_tenants;
    IF to_regrole('caseload_tenant') IS NOT NULL THEN
        REVOKE ALL ON SCHEMA public FROM caseload_tenant;
    END IF;
END
$$;

-- The role belongs to all databases of this Postgres: it stays while another one uses it.
DO $$
BEGIN
    IF to_regrole('caseload_tenant') IS NOT NULL THEN
        DROP ROLE caseload_tenant;
        IF current_setting('server_version_num')::integer < 160000 THEN
            ALTER ROLE caseload_service INHERIT;
        END IF;
    END IF;
EXCEPTION
    WHEN dependent_objects_still_exist THEN
        RAISE INFO 'the role caseload_tenant stays: another database uses it';
END
$$;
