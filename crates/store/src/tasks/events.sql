-- Returns a page of what was done to a task.
--
--   1 to 3  the tenant, the case and the task
--   4       the id of the event after which the page begins
--   5, 6    how many events to skip from there, and how many to return at most; may be one more
--   7       whether to count all
--
-- The result is one row for each event, or one without an event:
--
--   case_exists  whether the tenant has the case
--   task_exists  whether the case has the task, or had it and there is still an event of its deletion
--   total        how many events there are in all; null if that was not asked for
--   the event's columns, null if the page is empty: id, kind, description, API key and its name,
--                request, time, and all assignees after the change
--   user_ids, emails, first_names, last_names
--                the users whom the event is about, in order
--
-- The event of the task's creation is found by the task or by the event of its deletion, which is the
-- last one; all others by the index of the task's events. The event of the creation comes before them.
--
-- LIMIT makes joins look-ups by index, whatever the planner believes of the sizes of tables.

WITH task AS MATERIALIZED (
    SELECT t.creation_event_id
    FROM tasks AS t
    WHERE t.tenant_id = $1 AND t.id = $3 AND t.case_id = $2
    UNION ALL
    SELECT last.creation_event_id
    FROM (
        SELECT e.case_id, e.kind, e.creation_event_id
        FROM task_events AS e
        WHERE e.tenant_id = $1 AND e.task_id = $3
        ORDER BY e.id DESC
        LIMIT 1
    ) AS last
    WHERE last.case_id = $2 AND last.kind = 'deleted'
),

-- Unless it is too old to be kept. Servers from before there was creation_events write it into task_events.
creation AS MATERIALIZED (
    SELECT e.id, e.api_key_id, e.request_id, e.created_at, e.task_ids, e.user_ends, e.user_ids
    FROM task AS t
    CROSS JOIN LATERAL (
        (
            SELECT
                e.id, e.api_key_id, e.request_id, e.created_at, e.task_ids, e.user_ends, e.user_ids
            FROM creation_events AS e
            WHERE e.id = t.creation_event_id AND e.tenant_id = $1
            LIMIT 1
        )
        UNION ALL
        (
            SELECT
                e.id, e.api_key_id, e.request_id, e.created_at, e.task_ids, e.user_ends, e.user_ids
            FROM task_events AS e
            WHERE e.tenant_id = $1 AND e.id = t.creation_event_id
            LIMIT 1
        )
        LIMIT 1
    ) AS e
),

head AS MATERIALIZED (
    SELECT
        EXISTS (SELECT FROM cases AS c WHERE c.tenant_id = $1 AND c.id = $2) AS case_exists,
        EXISTS (SELECT FROM task) AS task_exists,
        CASE WHEN $7::boolean AND EXISTS (SELECT FROM task) THEN
            (SELECT count(*) FROM creation)
                + (SELECT count(*) FROM task_events AS e WHERE e.tenant_id = $1 AND e.task_id = $3)
        END AS total
),

page AS MATERIALIZED (
    SELECT c.id FROM creation AS c WHERE c.id > $4::bigint AND $5::bigint = 0
    UNION ALL
    (
        SELECT e.id
        FROM task_events AS e
        WHERE e.tenant_id = $1 AND e.task_id = $3 AND e.id > $4
            AND (SELECT h.task_exists FROM head AS h)
        ORDER BY e.id
        OFFSET greatest($5 - (SELECT count(*) FROM creation AS c WHERE c.id > $4), 0)
        LIMIT $6::bigint
    )
)

SELECT
    head.case_exists, head.task_exists, head.total,
    e.id, e.kind, e.description, e.api_key_id, e.key_name, e.request_id, e.created_at,
    e.assignee_ids, a.user_ids, a.emails, a.first_names, a.last_names
FROM head
LEFT JOIN (
    page
    CROSS JOIN LATERAL (
        SELECT
            e.id, e.kind, e.description, e.api_key_id, e.request_id, e.created_at,
            users.ids AS user_ids,
            (
                SELECT k.name
                FROM api_keys AS k
                WHERE k.tenant_id = $1 AND k.id = e.api_key_id
                LIMIT 1
            ) AS key_name,
            CASE WHEN e.kind = 'created' THEN users.ids ELSE e.assignee_ids END AS assignee_ids
        FROM (
            SELECT
                c.id, 'created' AS kind, NULL AS description, c.api_key_id, c.request_id, c.created_at,
                c.task_ids, c.user_ends, c.user_ids, NULL::bigint[] AS assignee_ids
            FROM creation AS c
            WHERE c.id = page.id
            UNION ALL
            SELECT
                e.id, e.kind, e.description, e.api_key_id, e.request_id, e.created_at,
                e.task_ids, e.user_ends, e.user_ids, e.assignee_ids
            FROM task_events AS e
            WHERE e.tenant_id = $1 AND e.id = page.id AND e.task_id = $3
        ) AS e
        CROSS JOIN LATERAL (SELECT array_position(e.task_ids, $3) AS no) AS place
        CROSS JOIN LATERAL (
            SELECT
                CASE WHEN e.kind = 'created' THEN
                    e.user_ids[coalesce(e.user_ends[place.no - 1], 0) + 1 : e.user_ends[place.no]]
                ELSE e.user_ids
                END AS ids
        ) AS users
        LIMIT 1
    ) AS e
    CROSS JOIN LATERAL (
        SELECT
            array_agg(ordered.id) AS user_ids,
            array_agg(ordered.email) AS emails,
            array_agg(ordered.first_name) AS first_names,
            array_agg(ordered.last_name) AS last_names
        FROM (
            SELECT u.id, u.email, u.first_name, u.last_name
            FROM unnest(e.user_ids) WITH ORDINALITY AS involved (id, position)
            CROSS JOIN LATERAL (
                SELECT u.id, u.email, u.first_name, u.last_name
                FROM users AS u
                WHERE u.tenant_id = $1 AND u.id = involved.id
                LIMIT 1
            ) AS u
            ORDER BY involved.position
        ) AS ordered
    ) AS a
) ON true
ORDER BY e.id
