-- Creates the tasks of one or more batches, each batch completely or not at all, in one statement.
-- For statements without idempotency keys; `create_idempotent.sql` is for all others. There are two
-- files because what is not needed would cost time all the same. What stands in both is the same in
-- both.
--
-- The parameters are parallel arrays. Batches, tasks and emails are numbered from 1 through the
-- whole statement; a task names its batch, and an email its task, by that number. Every row and
-- every look-up names the tenant of its own batch, so no batch can see or touch another tenant's
-- data.
--
--   1, 2    for each batch, its tenant and its case
--   3, 4    for each task, the number of its batch, and its description
--   5 to 9  for each email, its tenant, the number of its batch, the number of its task, its
--           position among the task's assignees (from 0), and the address in lower case
--
-- The result is one row of arrays in the same numbering:
--
--   created_at   the time of all that was created
--   case_exists  for each batch
--   task_ids     for each task; null if its batch was not created
--   user_ids, first_names, last_names
--                for each email; null if no user has it
--
-- A batch is created if its case exists and each of its emails belongs to a user. The caller draws
-- the same conclusion from the same arrays.

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

-- The tasks of the batches whose case and users exist, each with its id: assigned one by one in the
-- order of the request, so that ids ascend in that order.
accepted AS MATERIALIZED (
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
