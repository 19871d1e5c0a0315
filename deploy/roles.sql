-- The roles of Caseload's database, and what each of them may do. docs/OPERATIONS.md has the same as
-- a table; a test compares the two with the database, and checks that each privilege is needed.
--
--   caseload_owner    owns the tables:  caseload migrate, caseload admin audit prune, caseload admin verify
--   caseload_service  reads and writes: caseload serve
--   caseload_admin    administers:      caseload admin
--
-- Run it with psql, on the database, before the first `caseload migrate` and after each: a table
-- without grants is of no use to the service. Before the first one it creates the roles, which have
-- no passwords yet, and can't log in with one.
--
--   psql --no-psqlrc --file=deploy/roles.sql postgresql://postgres@db.example/caseload
--
-- It needs a superuser, or a role with CREATEROLE that owns the database. It may run at any time,
-- also while the service runs: it changes all or nothing, and what it has changed before stays. It
-- takes tables that another role created before there was an owner, as a superuser did.
--
-- The replicas of the last release run while a new one is deployed, so a privilege that they need
-- must stay for one release.

\set ON_ERROR_STOP on

BEGIN;

DO $$
DECLARE
    role text;
BEGIN
    FOREACH role IN ARRAY ARRAY['caseload_owner', 'caseload_service', 'caseload_admin'] LOOP
        IF to_regrole(role) IS NULL THEN
            EXECUTE format('CREATE ROLE %I LOGIN', role);
        END IF;
    END LOOP;
    -- Only a member of the owner, or a superuser, may grant privileges on its tables.
    IF NOT pg_has_role(current_user, 'caseload_owner', 'USAGE') THEN
        GRANT caseload_owner TO CURRENT_USER;
    END IF;

    -- The service knows errors by their English texts. Only a superuser may set this.
    IF (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN
        ALTER ROLE caseload_service SET lc_messages = 'C';
    END IF;

    -- Every role could create temporary tables. Up to Postgres 14, also tables in the schema.
    EXECUTE format('REVOKE TEMPORARY ON DATABASE %I FROM PUBLIC', current_database());
    EXECUTE format(
        'GRANT CONNECT ON DATABASE %I TO caseload_owner, caseload_service, caseload_admin',
        current_database()
    );
    REVOKE CREATE ON SCHEMA public FROM PUBLIC;
    GRANT USAGE, CREATE ON SCHEMA public TO caseload_owner;
    GRANT USAGE ON SCHEMA public TO caseload_service, caseload_admin;
END
$$;

DO $$
DECLARE
    granted record;
BEGIN
    FOR granted IN
        SELECT c.oid::regclass AS relation, c.relowner, p.kind, p.service, p.admin
        FROM (
            VALUES
                ('TABLE', 'tenants', NULL, 'SELECT, INSERT'),
                ('TABLE', 'api_keys',
                    'SELECT, UPDATE (last_used_at)',
                    'SELECT, INSERT, UPDATE (revoked_at), UPDATE (expires_at), UPDATE (replaced_by), UPDATE (allowed_networks)'),
                ('TABLE', 'tenant_hosts', 'SELECT', 'SELECT, INSERT, DELETE, UPDATE (exclusive)'),
                -- Entries are neither changed nor deleted by either.
                ('TABLE', 'audit_heads',
                    'SELECT, INSERT, UPDATE (last_number), UPDATE (last_hash)',
                    'SELECT, INSERT, UPDATE (last_number), UPDATE (last_hash)'),
                ('TABLE', 'audit_entries', 'INSERT', 'SELECT, INSERT'),
                ('TABLE', 'audit_outbox', 'SELECT, INSERT, DELETE', NULL),
                ('TABLE', 'users',
                    'SELECT, INSERT, UPDATE (external_id), UPDATE (email), UPDATE (first_name), UPDATE (last_name), UPDATE (deactivated_at), UPDATE (erased_at), UPDATE (scrubbed_at), UPDATE (scrubbed_up_to)',
                    'SELECT, INSERT'),
                ('TABLE', 'cases',
                    'SELECT, INSERT, DELETE, UPDATE (name), UPDATE (description), UPDATE (priority), UPDATE (status), UPDATE (team_id), UPDATE (updated_at), UPDATE (deletion_until)',
                    'SELECT, INSERT'),
                ('SEQUENCE', 'cases_id_seq', 'USAGE', NULL),
                ('TABLE', 'tasks',
                    'SELECT, INSERT, DELETE, UPDATE (description), UPDATE (completed), UPDATE (updated_at), UPDATE (updated_by)', NULL),
                ('SEQUENCE', 'tasks_id_seq', 'USAGE', NULL),
                ('TABLE', 'task_assignees', 'SELECT, INSERT, DELETE', NULL),
                -- Events are never changed; those that have expired are deleted.
                ('TABLE', 'task_events', 'SELECT, INSERT, DELETE', NULL),
                ('SEQUENCE', 'task_events_id_seq', 'USAGE', NULL),
                ('TABLE', 'creation_events', 'SELECT, INSERT, DELETE', NULL),
                ('TABLE', 'idempotency_keys',
                    'SELECT, INSERT, DELETE, UPDATE (first_names), UPDATE (last_names)', NULL),
                -- Which migrations were run: without it the service does not become ready.
                ('TABLE', '__diesel_schema_migrations', 'SELECT', NULL)
        ) AS p (kind, name, service, admin)
        JOIN pg_class AS c ON c.oid = to_regclass(format('public.%I', p.name))
    LOOP
        -- A sequence of an identity column follows its table.
        IF granted.kind = 'TABLE' AND granted.relowner <> 'caseload_owner'::regrole THEN
            EXECUTE format('ALTER TABLE %s OWNER TO caseload_owner', granted.relation);
        END IF;
        EXECUTE format(
            'REVOKE ALL ON %s %s FROM PUBLIC, caseload_service, caseload_admin',
            granted.kind, granted.relation
        );
        IF granted.service IS NOT NULL THEN
            EXECUTE format(
                'GRANT %s ON %s %s TO caseload_service',
                granted.service, granted.kind, granted.relation
            );
        END IF;
        IF granted.admin IS NOT NULL THEN
            EXECUTE format(
                'GRANT %s ON %s %s TO caseload_admin',
                granted.admin, granted.kind, granted.relation
            );
        END IF;
    END LOOP;

    -- So that later migrations may replace them. Triggers call them, which needs no privilege.
    FOR granted IN
        SELECT p.oid::regprocedure AS function
        FROM pg_proc AS p
        WHERE p.pronamespace = 'public'::regnamespace
            AND p.proname IN (
                'notify_api_key_change', 'notify_tenant_host_change', 'check_event_of_one_task'
            )
    LOOP
        EXECUTE format('ALTER FUNCTION %s OWNER TO caseload_owner', granted.function);
        EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', granted.function);
    END LOOP;

    -- So that a later migration may drop it. To send a value of it needs no privilege.
    IF to_regtype('public.task_batch') IS NOT NULL THEN
        ALTER TYPE public.task_batch OWNER TO caseload_owner;
    END IF;
END
$$;

COMMIT;
