-- Returns a page of a list of tasks, with their assignees. The names in braces stand for one of the
-- sources in list.rs: which tasks are listed, and the column that orders them.
--
--   1, 2     the tenant; the case, or null for all cases
--   3        the email of the assignee, or null for all tasks
--   4, 5     whether they are completed, and after when they were changed; null for all
--   6        the id of the task after which the page begins
--   7, 8     how many tasks to skip from there, and how many to return at most
--   9        whether to count all
--
-- The result is one row for each task, or one without a task:
--
--   case_exists, user_exists
--            whether the tenant has the case and the user; true if the list is of none
--   total    how many tasks there are in all; null if that was not asked for
--   the task's columns, null if the page is empty
--   user_ids, emails, first_names, last_names
--            its assignees, in the order of their positions
--
-- How many rows a page has is not known when the statement is planned, and estimated as a tenth of the
-- list. So rows are looked up by themselves (LIMIT 1), or a page of a long list would be joined with all
-- tasks of the tenant.
--
-- If the total is known, a page in the second half is read from the end, so that a late page takes
-- no longer than an early one.

WITH head AS MATERIALIZED (
    SELECT
        $2::bigint IS NULL
            OR EXISTS (SELECT FROM cases AS c WHERE c.tenant_id = $1 AND c.id = $2) AS case_exists,
        $3::text IS NULL
            OR EXISTS (SELECT FROM users AS u WHERE u.tenant_id = $1 AND u.email = $3)
            AS user_exists,
        CASE WHEN $9::boolean THEN (SELECT count(*) FROM {source}) END AS total
),

page AS MATERIALIZED (
    (
        SELECT {id} AS id
        FROM {source} AND {id} > $6::bigint
        ORDER BY {id}
        OFFSET $7::bigint
        LIMIT (
            SELECT CASE WHEN $6 = 0 AND $7 > total / 2 THEN 0 ELSE $8::bigint END FROM head
        )
    )
    UNION ALL
    (
        SELECT {id} AS id
        FROM {source}
        ORDER BY {id} DESC
        OFFSET (
            SELECT greatest(coalesce(total, 0) - least($7, coalesce(total, 0)) - $8, 0) FROM head
        )
        LIMIT (
            SELECT
                CASE WHEN $6 = 0 AND $7 > total / 2 THEN greatest(least($8, total - $7), 0) ELSE 0 END
            FROM head
        )
    )
)

SELECT
    head.case_exists, head.user_exists, head.total,
    t.id, t.case_id, t.description, t.completed, t.created_at, t.updated_at,
    a.user_ids, a.emails, a.first_names, a.last_names
FROM head
LEFT JOIN (
    page
    CROSS JOIN LATERAL (
        SELECT t.tenant_id, t.id, t.case_id, t.description, t.completed, t.created_at, t.updated_at
        FROM tasks AS t
        WHERE t.tenant_id = $1 AND t.id = page.id
        LIMIT 1
    ) AS t
    CROSS JOIN LATERAL (
        SELECT
            array_agg(ordered.id) AS user_ids,
            array_agg(ordered.email) AS emails,
            array_agg(ordered.first_name) AS first_names,
            array_agg(ordered.last_name) AS last_names
        FROM (
            SELECT u.id, u.email, u.first_name, u.last_name
            FROM task_assignees AS ta
            CROSS JOIN LATERAL (
                SELECT u.id, u.email, u.first_name, u.last_name
                FROM users AS u
                WHERE u.tenant_id = ta.tenant_id AND u.id = ta.user_id
                LIMIT 1
            ) AS u
            WHERE ta.tenant_id = t.tenant_id AND ta.task_id = t.id
            ORDER BY ta.position
        ) AS ordered
    ) AS a
) ON true
ORDER BY t.id
