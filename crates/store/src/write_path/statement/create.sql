-- Creates the tasks of one or more batches, each batch completely or not at all, in one statement.
-- For statements without idempotency keys; `create_idempotent.sql` is for all others. There are two
-- files because what is not needed would cost time all the same. What stands in both is the same in
-- both.
--
-- The parameters are arrays. Tasks and emails are numbered from 1 through the whole statement, and a
-- batch has the number of its first task; a task names its batch, and an email its task, by that
-- number. Every row and every look-up names the tenant of its own batch, so no batch can see or touch
-- another tenant's data.
--
--   1     for each batch, a row: the numbers of its first and its last task, and of its first and its
--         last email (without emails, the first one's is greater); its tenant, its case, the API key and
--         the request that create it; and for each task, how many emails belong to it and to the tasks of
--         the batch before it
--   2, 3  for each task, the number of its batch, and its description
--   4, 5  for each email, four numbers: its tenant, the number of its batch, the number of its task,
--         and its position among the task's assignees (from 0); and the address in lower case
--
-- Rows, and all numbers of an email in one array, as each array that is turned into rows costs time, also
-- if it has one element only. So does each expression that takes a number out of an array. What most
-- parts of the statement read comes first in the columns, and texts and arrays last: to read a column is
-- to pass those before it.
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
        b.first_task AS no, b.tenant_id, b.case_id, b.api_key_id,
        -- Whoever is about to delete the case holds this lock, or waits for it.
        CASE
            WHEN c.deletion_until > now()
            THEN pg_advisory_xact_lock_shared(c.id) IS NOT NULL
            ELSE c.id IS NOT NULL
        END AS case_exists,
        nextval('task_events_id_seq') AS event_id,
        b.last_task, b.first_email, b.last_email, b.request_id, b.user_ends
    FROM unnest($1::task_batch[]) AS b
    LEFT JOIN cases AS c ON c.tenant_id = b.tenant_id AND c.id = b.case_id
),

task AS MATERIALIZED (
    SELECT t.no, ($2::bigint[])[t.no] AS batch_no, t.description
    FROM unnest($3::text[]) WITH ORDINALITY AS t (description, no)
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
        FROM (SELECT $4::bigint[] AS numbers) AS p
        CROSS JOIN unnest($5::text[]) WITH ORDINALITY AS a (address, no)
    ) AS e
    LEFT JOIN users AS u ON u.tenant_id = e.tenant_id AND u.email = e.address
),

-- The tasks of the batches whose case and users exist, each with its id: assigned one by one in the
-- order of the request, so that ids ascend in that order.
accepted AS MATERIALIZED (
    SELECT
        ordered.no, nextval('tasks_id_seq') AS id, ordered.batch_no, ordered.tenant_id,
        ordered.case_id, ordered.api_key_id, ordered.event_id, ordered.description
    FROM (
        SELECT
            t.no, t.batch_no, b.tenant_id, b.case_id, b.api_key_id, b.event_id, t.description
        FROM task AS t
        JOIN batch AS b ON b.no = t.batch_no
        WHERE b.case_exists
            AND b.no NOT IN (SELECT e.batch_no FROM email AS e WHERE e.user_id IS NULL)
        ORDER BY t.no
    ) AS ordered
),

created AS (
    INSERT INTO tasks
        (tenant_id, id, case_id, description, created_by, updated_by, creation_event_id)
    SELECT
        a.tenant_id, a.id, a.case_id, a.description, a.api_key_id, a.api_key_id, a.event_id
    FROM accepted AS a
),

assigned AS (
    INSERT INTO task_assignees (tenant_id, task_id, user_id, position)
    SELECT a.tenant_id, a.id, e.user_id, e.position
    FROM email AS e
    JOIN accepted AS a ON a.no = e.task_no
),

result AS MATERIALIZED (
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
),

-- One event for each batch that was created, with its parts of the result.
event AS (
    INSERT INTO creation_events
        (id, tenant_id, case_id, api_key_id, task_ids, user_ends, user_ids, request_id)
    SELECT
        b.event_id, b.tenant_id, b.case_id, b.api_key_id, r.task_ids[b.no : b.last_task],
        b.user_ends, r.user_ids[b.first_email : b.last_email], b.request_id
    FROM result AS r
    CROSS JOIN batch AS b
    WHERE r.task_ids[b.no] IS NOT NULL
)

SELECT r.created_at, r.case_exists, r.task_ids, r.user_ids, r.first_names, r.last_names
FROM result AS r
