-- Returns tasks with their assignees, for any number of callers at once.
--
--   1, 2, 3  for each task wanted: the tenant, the case and the task
--
-- The result is one row for each task wanted, in the order given:
--
--   no           its number in that order, from 1, by which the row finds its caller
--   case_exists  whether the tenant has the case
--   the task's columns, null if it does not exist
--   user_ids, emails, first_names, last_names
--                its assignees, in the order of their positions
--
-- Each row joins only what is of its own tenant. LIMIT makes each of these joins a look-up by index,
-- whatever the planner believes of the sizes of tables.

SELECT
    wanted.no, c.id IS NOT NULL AS case_exists,
    t.id, t.case_id, t.description, t.completed, t.created_at, t.updated_at,
    a.user_ids, a.emails, a.first_names, a.last_names
FROM unnest($1::bigint[], $2::bigint[], $3::bigint[])
    WITH ORDINALITY AS wanted (tenant_id, case_id, id, no)
LEFT JOIN LATERAL (
    SELECT c.id
    FROM cases AS c
    WHERE c.tenant_id = wanted.tenant_id AND c.id = wanted.case_id
    LIMIT 1
) AS c ON true
LEFT JOIN LATERAL (
    SELECT t.id, t.case_id, t.description, t.completed, t.created_at, t.updated_at
    FROM tasks AS t
    WHERE t.tenant_id = wanted.tenant_id AND t.id = wanted.id AND t.case_id = wanted.case_id
    LIMIT 1
) AS t ON true
LEFT JOIN LATERAL (
    SELECT
        array_agg(ordered.id) AS user_ids,
        array_agg(ordered.email) AS emails,
        array_agg(ordered.first_name) AS first_names,
        array_agg(ordered.last_name) AS last_names
    FROM (
        SELECT u.id, u.email, u.first_name, u.last_name
        FROM task_assignees AS ta
        JOIN users AS u ON u.tenant_id = ta.tenant_id AND u.id = ta.user_id
        WHERE ta.tenant_id = wanted.tenant_id AND ta.task_id = t.id
        ORDER BY ta.position
    ) AS ordered
) AS a ON true
ORDER BY wanted.no
