-- Returns tasks of a case with their assignees.
--
--   1, 2, 3  the tenant, the case and the tasks
--
-- The result is one row for each task, in the order given:
--
--   case_exists  whether the tenant has the case
--   the task's columns, null if it does not exist
--   user_ids, emails, first_names, last_names
--                its assignees, in the order of their positions

SELECT
    c.id IS NOT NULL AS case_exists,
    t.id, t.case_id, t.description, t.completed, t.created_at, t.updated_at,
    a.user_ids, a.emails, a.first_names, a.last_names
FROM unnest($3::bigint[]) WITH ORDINALITY AS wanted (id, no)
LEFT JOIN cases AS c ON c.tenant_id = $1 AND c.id = $2
LEFT JOIN tasks AS t ON t.tenant_id = $1 AND t.id = wanted.id AND t.case_id = $2
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
        WHERE ta.tenant_id = t.tenant_id AND ta.task_id = t.id
        ORDER BY ta.position
    ) AS ordered
) AS a ON true
ORDER BY wanted.no
