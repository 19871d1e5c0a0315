-- Changes tasks of a case: all of them or none, in one statement.
--
--   1, 2      the tenant and the case
--   3 to 6    for each change, numbered from 1: the task, its new description and whether it is
--             completed (null: as it is), and whether its assignees are replaced
--   7, 8      for each state that a change may be made to, the number of the change, and the time at
--             which the task was last changed; a change without any may be made to every state
--   9 to 11   for each email, the number of its change, its position among the assignees (from 0),
--             and the address in lower case
--   12        whether to find out only what would happen
--   13, 14    the API key and the request that change them
--
-- The result is one row for each change:
--
--   case_exists, task_exists, is_stale
--             whether the tenant has the case, the case the task, and whether the task is in none of
--             the states given
--   is_raced  whether another transaction has locked one of the tasks, or has changed or deleted one
--             since the statement began: the statement sees the rest of the data as it was before.
--             Nothing was changed, and it is to be run again, in a transaction that has locked the
--             tasks
--   unknown, deactivated
--             the positions of the emails that no user has, and of those of deactivated users who are
--             not assigned already
--   the task's columns as they are now, null if it does not exist
--   user_ids, emails, first_names, last_names
--             its assignees, in the order of their positions
--
-- Tasks are locked in the order of their ids, so that no two transactions wait for each other.

WITH change AS MATERIALIZED (
    SELECT c.no, c.id, c.description, c.completed, c.replaces_assignees
    FROM unnest($3::bigint[], $4::text[], $5::boolean[], $6::boolean[])
        WITH ORDINALITY AS c (id, description, completed, replaces_assignees, no)
),

precondition AS MATERIALIZED (
    SELECT p.change_no, p.updated_at
    FROM unnest($7::integer[], $8::timestamptz[]) AS p (change_no, updated_at)
),

-- The tasks as they are now that they are locked, but those that another transaction has locked.
locked AS MATERIALIZED (
    SELECT c.no, t.id, t.description, t.completed, t.created_at, t.updated_at
    FROM change AS c
    JOIN tasks AS t ON t.tenant_id = $1 AND t.case_id = $2 AND t.id = c.id
    ORDER BY t.id
    FOR UPDATE OF t SKIP LOCKED
),

-- The tasks as they were when the statement began.
seen AS MATERIALIZED (
    SELECT
        c.no, t.updated_at,
        (
            SELECT array_agg(ta.user_id ORDER BY ta.position)
            FROM task_assignees AS ta
            WHERE ta.tenant_id = $1 AND ta.task_id = t.id
        ) AS user_ids
    FROM change AS c
    JOIN tasks AS t ON t.tenant_id = $1 AND t.case_id = $2 AND t.id = c.id
),

email AS MATERIALIZED (
    SELECT
        e.change_no, e.position, u.id AS user_id,
        u.deactivated_at IS NOT NULL AND u.id <> ALL (coalesce(s.user_ids, '{}')) AS is_deactivated
    FROM unnest($9::integer[], $10::smallint[], $11::text[]) AS e (change_no, position, address)
    LEFT JOIN users AS u ON u.tenant_id = $1 AND u.email = e.address
    LEFT JOIN seen AS s ON s.no = e.change_no
),

wanted AS MATERIALIZED (
    SELECT
        c.no, l.id,
        coalesce(c.description, l.description) AS description,
        coalesce(c.completed, l.completed) AS completed,
        l.created_at, l.updated_at,
        CASE WHEN c.replaces_assignees THEN new.user_ids ELSE s.user_ids END AS user_ids,
        s.user_ids AS old_user_ids,
        c.replaces_assignees AND new.user_ids IS DISTINCT FROM s.user_ids AS is_reassigned,
        c.description IS DISTINCT FROM l.description AND c.description IS NOT NULL AS is_described,
        c.completed IS DISTINCT FROM l.completed AND c.completed IS NOT NULL AS is_completion_changed,
        l.updated_at IS DISTINCT FROM s.updated_at AS is_raced,
        l.id IS NOT NULL
            AND EXISTS (SELECT FROM precondition AS p WHERE p.change_no = c.no)
            AND NOT EXISTS (
                SELECT FROM precondition AS p
                WHERE p.change_no = c.no AND p.updated_at = l.updated_at
            ) AS is_stale
    FROM change AS c
    LEFT JOIN locked AS l ON l.no = c.no
    LEFT JOIN seen AS s ON s.no = c.no
    LEFT JOIN LATERAL (
        SELECT array_agg(e.user_id ORDER BY e.position) AS user_ids
        FROM email AS e
        WHERE e.change_no = c.no
    ) AS new ON true
),

verdict AS MATERIALIZED (
    SELECT
        EXISTS (SELECT FROM cases AS c WHERE c.tenant_id = $1 AND c.id = $2) AS case_exists,
        bool_or(w.is_raced) AS is_raced,
        NOT $12::boolean
            AND bool_and(w.id IS NOT NULL)
            AND NOT bool_or(w.is_raced OR w.is_stale)
            AND NOT EXISTS (
                SELECT FROM email AS e WHERE e.user_id IS NULL OR e.is_deactivated
            ) AS is_applied
    FROM wanted AS w
),

updated AS (
    UPDATE tasks AS t
    SET
        description = w.description,
        completed = w.completed,
        updated_by = $13,
        -- Forward in any case: this is what tells one state of a task from another.
        updated_at = greatest(now(), t.updated_at + interval '1 microsecond')
    FROM wanted AS w
    WHERE (SELECT v.is_applied FROM verdict AS v)
        AND (w.is_described OR w.is_completion_changed OR w.is_reassigned)
        AND t.tenant_id = $1 AND t.id = w.id
    RETURNING w.no, t.id, t.updated_at
),

unassigned AS (
    DELETE FROM task_assignees AS ta
    USING wanted AS w
    WHERE (SELECT v.is_applied FROM verdict AS v)
        AND w.is_reassigned
        AND ta.tenant_id = $1 AND ta.task_id = w.id
    RETURNING ta.position
),

assigned AS (
    INSERT INTO task_assignees (tenant_id, task_id, user_id, position)
    SELECT $1, w.id, e.user_id, e.position
    FROM email AS e
    JOIN wanted AS w ON w.no = e.change_no
    WHERE (SELECT v.is_applied FROM verdict AS v)
        AND w.is_reassigned
        -- After all of those deletions: new rows may have the keys of old ones.
        AND (SELECT count(*) FROM unassigned) >= 0
),

-- An event for each change of each task.
event AS (
    INSERT INTO task_events
        (
            tenant_id, kind, case_id, task_id, user_ids, assignee_ids, description, api_key_id,
            request_id, created_at
        )
    SELECT
        $1, e.kind, $2, w.id,
        CASE e.kind WHEN 'unassigned' THEN lost.user_ids WHEN 'assigned' THEN won.user_ids END,
        CASE WHEN e.kind IN ('unassigned', 'assigned') THEN coalesce(w.user_ids, '{}') END,
        CASE WHEN e.kind = 'described' THEN w.description END,
        $13::bigint, $14::text, u.updated_at
    FROM updated AS u
    JOIN wanted AS w ON w.no = u.no
    CROSS JOIN LATERAL (
        SELECT coalesce(array_agg(old.id ORDER BY old.position), '{}') AS user_ids
        FROM unnest(w.old_user_ids) WITH ORDINALITY AS old (id, position)
        WHERE w.is_reassigned AND old.id <> ALL (coalesce(w.user_ids, '{}'))
    ) AS lost
    CROSS JOIN LATERAL (
        SELECT coalesce(array_agg(new.id ORDER BY new.position), '{}') AS user_ids
        FROM unnest(w.user_ids) WITH ORDINALITY AS new (id, position)
        WHERE w.is_reassigned AND new.id <> ALL (coalesce(w.old_user_ids, '{}'))
    ) AS won
    CROSS JOIN LATERAL (
        VALUES
            (1, 'described', w.is_described),
            (2, CASE WHEN w.completed THEN 'completed' ELSE 'reopened' END, w.is_completion_changed),
            (3, 'unassigned', lost.user_ids <> '{}'),
            -- Also if only the order of the assignees was changed.
            (4, 'assigned', won.user_ids <> '{}' OR w.is_reassigned AND lost.user_ids = '{}')
    ) AS e (no, kind, is_true)
    WHERE e.is_true
    ORDER BY w.no, e.no
)

SELECT
    v.case_exists, w.id IS NOT NULL AS task_exists, w.is_stale, v.is_raced,
    (
        SELECT coalesce(array_agg(e.position ORDER BY e.position), '{}')
        FROM email AS e
        WHERE e.change_no = w.no AND e.user_id IS NULL
    ) AS unknown,
    (
        SELECT coalesce(array_agg(e.position ORDER BY e.position), '{}')
        FROM email AS e
        WHERE e.change_no = w.no AND e.is_deactivated
    ) AS deactivated,
    w.id, CASE WHEN w.id IS NOT NULL THEN $2::bigint END AS case_id,
    w.description, w.completed, w.created_at, coalesce(u.updated_at, w.updated_at) AS updated_at,
    a.user_ids, a.emails, a.first_names, a.last_names
FROM wanted AS w
CROSS JOIN verdict AS v
LEFT JOIN updated AS u ON u.id = w.id
LEFT JOIN LATERAL (
    SELECT
        array_agg(ordered.id) AS user_ids,
        array_agg(ordered.email) AS emails,
        array_agg(ordered.first_name) AS first_names,
        array_agg(ordered.last_name) AS last_names
    FROM (
        SELECT u.id, u.email, u.first_name, u.last_name
        FROM unnest(w.user_ids) WITH ORDINALITY AS assignee (id, position)
        JOIN users AS u ON u.tenant_id = $1 AND u.id = assignee.id
        ORDER BY assignee.position
    ) AS ordered
) AS a ON true
ORDER BY w.no
