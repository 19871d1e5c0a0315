-- Creates the tasks of one or more batches, each batch completely or not at all, in one statement.
-- For statements without idempotency keys; `create_idempotent.sql` is for all others. There are two
-- files because what is not needed would cost time all the same. What stands in both is the same in
-- both.
--
-- The parameters are arrays. Batches, tasks and emails are numbered from 1 through the whole
-- statement; a task names its batch, and an email its task, by that number. Every row and every
-- look-up names the tenant of its own batch, so no batch can see or touch another tenant's data.
--
--   1     for each task, how many emails belong to it and to the tasks of its batch before it
--   2, 3  for each batch, seven numbers: its tenant, its case, the API key that creates it, the
--         numbers of its first and its last task, and of its first and its last email (without
--         emails, the first one's is greater); and the request that creates it
--   4, 5  for each task, the number of its batch, and its description
--   6, 7  for each email, four numbers: its tenant, the number of its batch, the number of its task,
--         and its position among the task's assignees (from 0); and the address in lower case
--
-- All numbers of a thing are in one array, as each array that is turned into rows costs time, also
-- if it has one element only.
--
-- The result is one row of arrays in the same numbering:
--
--   created_at   the time of all that was created
--   case_exists  for each batch
--   task_ids     for each task; null if its batch was not created
--   user_ids, first_names, last_names
--                for each email; null if no user has it. Of a deactivated user, to whom no task is
--                newly assigned, only the id is null
--
-- A batch is created if its case exists and each of its emails belongs to an active user. The caller
-- draws the same conclusion from the same arrays.

WITH batch AS MATERIALIZED (
    SELECT
        b.no, b.tenant_id, b.case_id,
        -- Whoever is about to delete the case holds this lock, or waits for it.
        CASE
            WHEN c.deletion_until > now()
            THEN pg_advisory_xact_lock_shared(c.id) IS NOT NULL
            ELSE c.id IS NOT NULL
        END AS case_exists
    FROM unnest($1::bigint[], $2::bigint[]) WITH ORDINALITY AS b (tenant_id, case_id, no)
    LEFT JOIN cases AS c ON c.tenant_id = b.tenant_id AND c.id = b.case_id
),

task AS MATERIALIZED (
    SELECT t.no, ($3::bigint[])[t.no] AS batch_no, t.description
    FROM unnest($4::text[]) WITH ORDINALITY AS t (description, no)
),

email AS MATERIALIZED (
    SELECT
        e.no, e.batch_no, e.task_no, e.position, u.first_name, u.last_name,
        CASE WHEN u.deactivated_at IS NULL THEN u.id END AS user_id
    FROM (
        SELECT
            a.no,
            p.numbers[4 * a.no - 3] AS tenant_id,
            p.numbers[4 * a.no - 2] AS batch_no,
            p.numbers[4 * a.no - 1] AS task_no,
            p.numbers[4 * a.no]::smallint AS position,
            a.address
        FROM (SELECT $5::bigint[] AS numbers) AS p
        CROSS JOIN unnest($6::text[]) WITH ORDINALITY AS a (address, no)
    ) AS e
    LEFT JOIN users AS u ON u.tenant_id = e.tenant_id AND u.email = e.address
),

-- The tasks of the batches whose case and users exist, each with its id: assigned one by one in the
-- order of the request, so that ids ascend in that order.
accepted AS MATERIALIZED (
    SELECT
        ordered.no, ordered.batch_no, ordered.tenant_id, ordered.case_id, ordered.description,
        nextval('tasks_id_seq') AS id
    FROM (
        SELECT
            t.no, t.batch_no, b.tenant_id, b.case_id, t.description
        FROM task AS t
        JOIN batch AS b ON b.no = t.batch_no
        WHERE b.case_exists
            AND b.no NOT IN (SELECT e.batch_no FROM email AS e WHERE e.user_id IS NULL)
        ORDER BY t.no
    ) AS ordered
),

created AS (
    INSERT INTO tasks
        (tenant_id, id, case_id, description)
    SELECT
        a.tenant_id, a.id, a.case_id, a.description
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
        coalesce(array_agg(ordered.user_id), '{}') AS user_ids,
        coalesce(array_agg(ordered.first_name), '{}') AS first_names,
        coalesce(array_agg(ordered.last_name), '{}') AS last_names
    -- Sorted once, rather than for each of the arrays.
    FROM (
        SELECT e.user_id, e.first_name, e.last_name FROM email AS e ORDER BY e.no
    ) AS ordered
