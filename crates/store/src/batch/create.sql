-- Creates the tasks of one or more batches, each of them all or none, in one statement.
--
-- What comes in are parallel arrays. Batches, tasks and emails are numbered from 1 through the
-- whole statement; a task names its batch and an email its task by that number. Every row and
-- every look-up names the tenant of its own batch, so none can see or touch another's.
--
--   1, 2      for each batch its tenant and its case
--   3, 4      for each task the number of its batch, and its description
--   5 to 9    for each email its tenant, the number of its batch, the number of its task, its
--             place among the task's assignees (from 0), and the address in lower case
--   10 to 12  for each batch that has a request id: its number, the id, and its fingerprint
--
-- What goes out is one row of arrays in the same numbering:
--
--   created_at   the time of all that was created
--   case_exists  for each batch
--   task_ids     for each task; null where its batch was not created
--   user_ids, first_names, last_names
--                for each email; null where no user has it
--
-- A batch is created exactly where its case exists, each of its emails has a user, and its tenant
-- has created no other under its request id. The caller draws the same conclusion from the same
-- arrays.
--
-- There are two texts in this file, since what isn't needed costs time all the same: a line that
-- begins with --? tells whether what follows is for statements with request ids, for those
-- without, or for both.

WITH batch AS MATERIALIZED (
    SELECT b.no, b.tenant_id, b.case_id, c.id IS NOT NULL AS case_exists
    FROM unnest($1::bigint[], $2::bigint[]) WITH ORDINALITY AS b (tenant_id, case_id, no)
    LEFT JOIN cases AS c ON c.tenant_id = b.tenant_id AND c.id = b.case_id
),

task AS MATERIALIZED (
    SELECT t.no, t.batch_no, t.description
    FROM unnest($3::integer[], $4::text[]) WITH ORDINALITY AS t (batch_no, description, no)
),

email AS MATERIALIZED (
    SELECT e.no, e.batch_no, e.task_no, e.position, u.id AS user_id, u.first_name, u.last_name
    FROM unnest($5::bigint[], $6::integer[], $7::integer[], $8::smallint[], $9::text[])
        WITH ORDINALITY AS e (tenant_id, batch_no, task_no, position, address, no)
    LEFT JOIN users AS u ON u.tenant_id = e.tenant_id AND u.email = e.address
),

--? with
request AS MATERIALIZED (
    SELECT r.batch_no, r.request_id, r.fingerprint
    FROM unnest($10::integer[], $11::text[], $12::bytea[]) AS r (batch_no, request_id, fingerprint)
),

--? both
-- The tasks of the batches without fault, each with its id: drawn one by one in the order of the
-- request, so that ids ascend in that order.
--? with
faultless AS MATERIALIZED (
--? without
accepted AS MATERIALIZED (
--? both
    SELECT
        ordered.no, ordered.batch_no, ordered.tenant_id, ordered.case_id, ordered.description,
        nextval('tasks_id_seq') AS id
    FROM (
        SELECT t.no, t.batch_no, b.tenant_id, b.case_id, t.description
        FROM task AS t
        JOIN batch AS b ON b.no = t.batch_no
        WHERE b.case_exists
            AND b.no NOT IN (SELECT e.batch_no FROM email AS e WHERE e.user_id IS NULL)
        ORDER BY t.no
    ) AS ordered
),

--? with
-- The request ids of those batches, where they are new. One that another transaction is about to
-- write is waited for; of twins in this statement the first is taken. All write in the same order,
-- so that none waits for one that waits for it.
remembered AS (
    INSERT INTO task_batch_requests
        (tenant_id, request_id, fingerprint, task_ids, user_ids, first_names, last_names)
    SELECT
        b.tenant_id, r.request_id, r.fingerprint, a.task_ids,
        coalesce(e.user_ids, '{}'), coalesce(e.first_names, '{}'), coalesce(e.last_names, '{}')
    FROM request AS r
    JOIN batch AS b ON b.no = r.batch_no
    JOIN (
        SELECT a.batch_no, array_agg(a.id ORDER BY a.no) AS task_ids
        FROM faultless AS a
        JOIN request AS r ON r.batch_no = a.batch_no
        GROUP BY a.batch_no
    ) AS a ON a.batch_no = r.batch_no
    LEFT JOIN (
        SELECT
            e.batch_no,
            array_agg(e.user_id ORDER BY e.no) AS user_ids,
            array_agg(e.first_name ORDER BY e.no) AS first_names,
            array_agg(e.last_name ORDER BY e.no) AS last_names
        FROM email AS e
        JOIN request AS r ON r.batch_no = e.batch_no
        GROUP BY e.batch_no
    ) AS e ON e.batch_no = r.batch_no
    ORDER BY b.tenant_id, r.request_id, r.batch_no
    ON CONFLICT (tenant_id, request_id) DO NOTHING
    RETURNING task_ids[1] AS first_task_id
),

-- The tasks of those batches without those whose request id was taken.
accepted AS MATERIALIZED (
    SELECT f.no, f.tenant_id, f.case_id, f.description, f.id
    FROM faultless AS f
    WHERE f.batch_no NOT IN (SELECT r.batch_no FROM request AS r)
        OR f.batch_no IN (
            SELECT first.batch_no
            FROM faultless AS first
            JOIN remembered AS r ON r.first_task_id = first.id
        )
),

--? both
created AS (
    INSERT INTO tasks (tenant_id, id, case_id, description)
    SELECT a.tenant_id, a.id, a.case_id, a.description
    FROM accepted AS a
),

assigned AS (
    INSERT INTO task_assignees (tenant_id, task_id, user_id, position)
    SELECT a.tenant_id, a.id, e.user_id, e.position
    FROM email AS e
    JOIN accepted AS a ON a.no = e.task_no
)

SELECT
    now() AS created_at,
    (SELECT array_agg(b.case_exists ORDER BY b.no) FROM batch AS b) AS case_exists,
    (
        SELECT array_agg(a.id ORDER BY t.no)
        FROM task AS t
        LEFT JOIN accepted AS a ON a.no = t.no
    ) AS task_ids,
    coalesce(array_agg(e.user_id ORDER BY e.no), '{}') AS user_ids,
    coalesce(array_agg(e.first_name ORDER BY e.no), '{}') AS first_names,
    coalesce(array_agg(e.last_name ORDER BY e.no), '{}') AS last_names
FROM email AS e
