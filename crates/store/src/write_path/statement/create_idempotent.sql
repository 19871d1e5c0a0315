-- Creates the tasks of one or more batches, each batch completely or not at all, in one statement.
-- For statements in which at least one batch has an idempotency key; otherwise like `create.sql`,
-- which describes parameters 1 to 5 and the result.
--
--   6 to 9  for each batch with an idempotency key, its number, the key, the operation, and the
--           fingerprint
--   10      the version of these fingerprints
--
-- A batch is created if its case exists, each of its emails belongs to an active user, and its tenant has
-- not used its idempotency key before. The caller draws the same conclusion from the same arrays.

-- Nothing here is recursive, but only so can `batch` read from what comes after it.
WITH RECURSIVE batch AS MATERIALIZED (
    SELECT
        b.first_task AS no, b.tenant_id, b.case_id, b.api_key_id,
        -- Whoever is about to delete the case holds this lock, or waits for it.
        CASE
            WHEN c.deletion_until > now()
            -- Nothing is created again for a key that was used, so that waits for nobody. It is no NOT
            -- EXISTS, as that might be planned to read all keys.
            AND (
                SELECT used.key
                FROM idempotency_keys AS used
                WHERE used.tenant_id = b.tenant_id
                    AND used.key = (
                        SELECT k.key FROM idempotency_key AS k WHERE k.batch_no = b.first_task
                    )
            ) IS NULL
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

idempotency_key AS MATERIALIZED (
    SELECT k.batch_no, k.key, k.operation, k.fingerprint
    FROM unnest($6::bigint[], $7::text[], $8::text[], $9::bytea[])
        AS k (batch_no, key, operation, fingerprint)
),

-- The tasks of the batches whose case and users exist, each with its id: assigned one by one in the
-- order of the request, so that ids ascend in that order.
valid AS MATERIALIZED (
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

-- A record for the idempotency key of each of those batches, if the key is new. This waits for a
-- transaction that is about to write the same key. Of several batches of this statement with the
-- same key, the first gets it. All transactions write the keys in the same order, so that no two
-- wait for each other.
recorded AS (
    INSERT INTO idempotency_keys
        (
            tenant_id, key, operation, fingerprint, fingerprint_version,
            task_ids, user_ids, first_names, last_names
        )
    SELECT
        b.tenant_id, k.key, k.operation, k.fingerprint, $10::smallint,
        v.task_ids,
        coalesce(e.user_ids, '{}'), coalesce(e.first_names, '{}'), coalesce(e.last_names, '{}')
    FROM idempotency_key AS k
    JOIN batch AS b ON b.no = k.batch_no
    JOIN (
        SELECT v.batch_no, array_agg(v.id ORDER BY v.no) AS task_ids
        FROM valid AS v
        JOIN idempotency_key AS k ON k.batch_no = v.batch_no
        GROUP BY v.batch_no
    ) AS v ON v.batch_no = k.batch_no
    LEFT JOIN (
        SELECT
            e.batch_no,
            array_agg(e.user_id ORDER BY e.no) AS user_ids,
            array_agg(e.first_name ORDER BY e.no) AS first_names,
            array_agg(e.last_name ORDER BY e.no) AS last_names
        FROM email AS e
        JOIN idempotency_key AS k ON k.batch_no = e.batch_no
        GROUP BY e.batch_no
    ) AS e ON e.batch_no = k.batch_no
    ORDER BY b.tenant_id, k.key, k.batch_no
    ON CONFLICT (tenant_id, key) DO NOTHING
    RETURNING task_ids[1] AS first_task_id
),

-- The tasks of the batches without a key, and of those whose key was new.
accepted AS MATERIALIZED (
    SELECT
        v.no, v.id, v.tenant_id, v.case_id, v.api_key_id, v.event_id, v.description
    FROM valid AS v
    WHERE v.batch_no NOT IN (SELECT k.batch_no FROM idempotency_key AS k)
        OR v.batch_no IN (
            SELECT first.batch_no
            FROM valid AS first
            JOIN recorded AS r ON r.first_task_id = first.id
        )
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
