-- Deletes tasks of a case: all of them or none, in one statement.
--
--   1, 2   the tenant and the case
--   3      the tasks
--   4      the times at which the tasks may have been changed last; null if that does not matter
--   5, 6   the API key and the request that delete them
--
-- The result is one row for each task, in the order given: case_exists, task_exists, is_stale and
-- is_raced, as update.sql describes them.
--
-- Tasks are locked in the order of their ids, so that no two transactions wait for each other.

WITH wanted AS MATERIALIZED (
    SELECT w.no, w.id FROM unnest($3::bigint[]) WITH ORDINALITY AS w (id, no)
),

-- The tasks as they are now that they are locked, but those that another transaction has locked.
locked AS MATERIALIZED (
    SELECT w.no, t.id, t.updated_at
    FROM wanted AS w
    JOIN tasks AS t ON t.tenant_id = $1 AND t.case_id = $2 AND t.id = w.id
    ORDER BY t.id
    FOR UPDATE OF t SKIP LOCKED
),

-- The tasks as they were when the statement began.
seen AS MATERIALIZED (
    SELECT w.no, t.updated_at
    FROM wanted AS w
    JOIN tasks AS t ON t.tenant_id = $1 AND t.case_id = $2 AND t.id = w.id
),

state AS MATERIALIZED (
    SELECT
        w.no, l.id,
        l.updated_at IS DISTINCT FROM s.updated_at AS is_raced,
        l.id IS NOT NULL AND $4::timestamptz[] IS NOT NULL AND NOT l.updated_at = ANY ($4)
            AS is_stale
    FROM wanted AS w
    LEFT JOIN locked AS l ON l.no = w.no
    LEFT JOIN seen AS s ON s.no = w.no
),

verdict AS MATERIALIZED (
    SELECT
        EXISTS (SELECT FROM cases AS c WHERE c.tenant_id = $1 AND c.id = $2) AS case_exists,
        bool_or(s.is_raced) AS is_raced,
        bool_and(s.id IS NOT NULL) AND NOT bool_or(s.is_raced OR s.is_stale) AS is_applied
    FROM state AS s
),

unassigned AS (
    DELETE FROM task_assignees AS ta
    USING state AS s
    WHERE (SELECT v.is_applied FROM verdict AS v) AND ta.tenant_id = $1 AND ta.task_id = s.id
),

deleted AS (
    DELETE FROM tasks AS t
    USING state AS s
    WHERE (SELECT v.is_applied FROM verdict AS v) AND t.tenant_id = $1 AND t.id = s.id
    RETURNING s.no, t.id, t.updated_at, t.creation_event_id
),

event AS (
    INSERT INTO task_events
        (
            tenant_id, kind, case_id, task_id, creation_event_id, api_key_id, request_id,
            created_at
        )
    SELECT
        $1, 'deleted', $2, d.id, d.creation_event_id, $5::bigint, $6::text,
        greatest(now(), d.updated_at)
    FROM deleted AS d
    ORDER BY d.no
)

SELECT v.case_exists, s.id IS NOT NULL AS task_exists, s.is_stale, v.is_raced
FROM state AS s
CROSS JOIN verdict AS v
ORDER BY s.no
