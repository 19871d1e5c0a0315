-- Creates a case with tasks: all of it or nothing, in one statement.
--
--   1         the tenant
--   2 to 6    the case's name, description, priority, status and team (null for none)
--   7, 8      for each task, its description, and how many assignees it and the tasks before it have
--   9 to 11   for each email, the number of its task (from 1), its position among the task's assignees
--             (from 0), and the address in lower case
--   12 to 15  the idempotency key, or null; the operation, the fingerprint and its version
--   16, 17    the API key and the request that create the case
--   18        how long to wait for locks; null for as long as the session does
--   19        the client's address; null if it is unknown
--
-- The result is one row:
--
--   created_at  the time of all that was created
--   case_id     the case; null if nothing was created, as users do not exist, or the key was used before
--   task_ids    for each task
--   user_ids, first_names, last_names
--               for each email; null if no user has it. Of a deactivated user only the id is null
--
-- Whoever creates a case can wait for the same idempotency key, and for users whom somebody has locked.

WITH patience AS MATERIALIZED (
    SELECT set_config('lock_timeout', coalesce($18::text, current_setting('lock_timeout')), true)
),

email AS MATERIALIZED (
    SELECT
        e.no, e.task_no, e.position, u.first_name, u.last_name,
        CASE WHEN u.deactivated_at IS NULL THEN u.id END AS user_id
    FROM unnest($9::integer[], $10::smallint[], $11::text[])
        WITH ORDINALITY AS e (task_no, position, address, no)
    -- LIMIT makes this a look-up by index, whatever the planner believes of the size of the table.
    LEFT JOIN LATERAL (
        SELECT u.id, u.first_name, u.last_name, u.deactivated_at
        FROM users AS u
        WHERE u.tenant_id = $1 AND u.email = e.address
        LIMIT 1
    ) AS u ON true
),

-- The case, if all users exist.
valid AS MATERIALIZED (
    SELECT nextval('cases_id_seq') AS id, nextval('task_events_id_seq') AS event_id
    FROM patience
    WHERE NOT EXISTS (SELECT FROM email AS e WHERE e.user_id IS NULL)
),

-- Its tasks, with ids that ascend in the order of the request.
task AS MATERIALIZED (
    SELECT ordered.no, ordered.description, ordered.user_end, nextval('tasks_id_seq') AS id
    FROM (
        SELECT t.no, t.description, t.user_end
        FROM valid AS v
        CROSS JOIN unnest($7::text[], $8::smallint[])
            WITH ORDINALITY AS t (description, user_end, no)
        ORDER BY t.no
    ) AS ordered
),

-- A record for the idempotency key, if it is new. This waits for a transaction that is about to write
-- the same key.
recorded AS (
    INSERT INTO idempotency_keys
        (
            tenant_id, key, operation, fingerprint, fingerprint_version,
            case_id, task_ids, user_ids, first_names, last_names
        )
    SELECT
        $1, $12, $13::text, $14::bytea, $15::smallint,
        v.id,
        (SELECT coalesce(array_agg(t.id ORDER BY t.no), '{}') FROM task AS t),
        (SELECT coalesce(array_agg(e.user_id ORDER BY e.no), '{}') FROM email AS e),
        (SELECT coalesce(array_agg(e.first_name ORDER BY e.no), '{}') FROM email AS e),
        (SELECT coalesce(array_agg(e.last_name ORDER BY e.no), '{}') FROM email AS e)
    FROM valid AS v
    WHERE $12::text IS NOT NULL
    ON CONFLICT (tenant_id, key) DO NOTHING
    RETURNING case_id
),

accepted AS MATERIALIZED (
    SELECT v.id, v.event_id
    FROM valid AS v
    WHERE $12::text IS NULL OR EXISTS (SELECT FROM recorded AS r)
),

created AS (
    INSERT INTO cases (tenant_id, id, name, description, priority, status, team_id)
    SELECT $1, a.id, $2::text, $3::text, $4::text, $5::text, $6::bigint
    FROM accepted AS a
),

created_task AS (
    INSERT INTO tasks
        (tenant_id, id, case_id, description, created_by, updated_by, creation_event_id)
    SELECT $1, t.id, a.id, t.description, $16::bigint, $16::bigint, a.event_id
    FROM accepted AS a
    CROSS JOIN task AS t
),

assigned AS (
    INSERT INTO task_assignees (tenant_id, task_id, user_id, position)
    SELECT $1, t.id, e.user_id, e.position
    FROM accepted AS a
    CROSS JOIN email AS e
    JOIN task AS t ON t.no = e.task_no
),

-- One event for all tasks.
event AS (
    INSERT INTO creation_events
        (id, tenant_id, case_id, api_key_id, task_ids, user_ends, user_ids, request_id)
    SELECT
        a.event_id, $1, a.id, $16,
        (SELECT array_agg(t.id ORDER BY t.no) FROM task AS t),
        (SELECT array_agg(t.user_end ORDER BY t.no) FROM task AS t),
        (SELECT array_agg(e.user_id ORDER BY e.no) FROM email AS e),
        $17::text
    FROM accepted AS a
    WHERE EXISTS (SELECT FROM task AS t)
),

-- For the audit log.
audited AS (
    INSERT INTO audit_outbox
        (tenant_id, event, api_key_id, address, request_id, subject_id, details)
    SELECT
        $1, 'case.created', $16, $19::text, $17, a.id, 'tasks=' || (SELECT count(*) FROM task AS t)
    FROM accepted AS a
)

SELECT
    now() AS created_at,
    (SELECT a.id FROM accepted AS a) AS case_id,
    (SELECT coalesce(array_agg(t.id ORDER BY t.no), '{}') FROM task AS t) AS task_ids,
    coalesce(array_agg(e.user_id ORDER BY e.no), '{}') AS user_ids,
    coalesce(array_agg(e.first_name ORDER BY e.no), '{}') AS first_names,
    coalesce(array_agg(e.last_name ORDER BY e.no), '{}') AS last_names
FROM email AS e
