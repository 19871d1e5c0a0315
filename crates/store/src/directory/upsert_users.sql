-- Creates or changes users: all of them or none, in one statement.
--
--   1         the tenant
--   2 to 5    for each user, numbered from 1: the external id (null: none), the email in lower case, and
--             the first and the last name (null: as it is)
--   6         whether to find out only what would happen
--   7, 8      the advisory lock of the tenant's turn
--   9 to 11   the API key that feeds them, the client's address (null: unknown), and the request
--
-- No external id and no email is given twice. The result is one row for each user:
--
--   is_raced  whether another transaction has the tenant's turn or has locked one of the users, or has
--             changed one since the statement began: the statement sees the rest of the data as it was
--             before. Nothing was changed, and it is to be run again
--   is_duplicate, is_email_taken
--             whether another user of the request, before this one, is the same; whether another user
--             has the email. Nothing was changed
--   is_new, is_changed
--             whether the user is created, and whether one who exists is changed
--   the user's columns as they are now; without an id if they are not created
--
-- Emails don't move from one user to another within a statement: Postgres checks that they are unique
-- row by row. Users are locked in the order of their ids, and those who stay as they are are not locked.

WITH entry AS MATERIALIZED (
    SELECT e.no, e.external_id, e.email, e.first_name, e.last_name
    FROM unnest($2::text[], $3::text[], $4::text[], $5::text[])
        WITH ORDINALITY AS e (external_id, email, first_name, last_name, no)
),

-- Whom each entry names: the user who is known by the external id; or else the one with the email,
-- unless both the entry and that user have an external id.
named AS MATERIALIZED (
    SELECT
        e.no, e.external_id, e.email, e.first_name, e.last_name, holder.id AS holder_id,
        CASE
            WHEN known.id IS NOT NULL THEN known.id
            WHEN e.external_id IS NULL OR holder.external_id IS NULL THEN holder.id
        END AS id
    FROM entry AS e
    -- LIMIT makes these look-ups by index, whatever the planner believes of the size of the table.
    LEFT JOIN LATERAL (
        SELECT u.id
        FROM users AS u
        WHERE u.tenant_id = $1 AND u.external_id = e.external_id
        LIMIT 1
    ) AS known ON true
    LEFT JOIN LATERAL (
        SELECT u.id, u.external_id
        FROM users AS u
        WHERE u.tenant_id = $1 AND u.email = e.email
        LIMIT 1
    ) AS holder ON true
),

-- The users as they are to be, and as they were when the statement began.
wanted AS MATERIALIZED (
    SELECT
        n.no, n.id, n.email,
        coalesce(n.external_id, u.external_id) AS external_id,
        coalesce(n.first_name, u.first_name, '') AS first_name,
        coalesce(n.last_name, u.last_name, '') AS last_name,
        u.deactivated_at,
        u.external_id AS old_external_id, u.email AS old_email,
        u.first_name AS old_first_name, u.last_name AS old_last_name,
        n.id IS NULL AS is_new,
        n.id IS NOT NULL
            AND (
                n.email <> u.email
                OR n.external_id IS DISTINCT FROM u.external_id AND n.external_id IS NOT NULL
                OR n.first_name <> u.first_name
                OR n.last_name <> u.last_name
            ) IS TRUE AS is_changed,
        n.holder_id IS NOT NULL AND n.holder_id IS DISTINCT FROM n.id AS is_email_taken,
        n.id IS NOT NULL
            AND row_number() OVER (PARTITION BY n.id ORDER BY n.no) > 1 AS is_duplicate
    FROM named AS n
    LEFT JOIN LATERAL (
        SELECT u.external_id, u.email, u.first_name, u.last_name, u.deactivated_at
        FROM users AS u
        WHERE u.tenant_id = $1 AND u.id = n.id
        LIMIT 1
    ) AS u ON true
),

-- Whether the tenant's turn was free; null if nothing is to be written.
turn AS MATERIALIZED (
    SELECT
        CASE
            WHEN $6::boolean THEN NULL
            WHEN (SELECT bool_or(w.is_email_taken OR w.is_duplicate) FROM wanted AS w) THEN NULL
            WHEN NOT (SELECT bool_or(w.is_new OR w.is_changed) FROM wanted AS w) THEN NULL
            ELSE pg_try_advisory_xact_lock($7::integer, $8::integer)
        END AS is_free
),

-- Who assigns tasks to a user does not wait for this lock, nor does this wait for them.
locked AS MATERIALIZED (
    SELECT u.id, u.external_id, u.email, u.first_name, u.last_name
    FROM wanted AS w
    JOIN users AS u ON u.tenant_id = $1 AND u.id = w.id
    WHERE w.is_changed AND (SELECT t.is_free FROM turn AS t)
        -- So are these.
        AND u.id = ANY (ARRAY(SELECT c.id FROM wanted AS c WHERE c.is_changed))
    ORDER BY u.id
    FOR NO KEY UPDATE OF u SKIP LOCKED
),

verdict AS MATERIALIZED (
    SELECT
        coalesce(t.is_free AND NOT l.is_raced, false) AS is_applied,
        coalesce(NOT t.is_free OR l.is_raced, false) AS is_raced
    FROM turn AS t
    CROSS JOIN (
        SELECT
            coalesce(
                bool_or(
                    l.id IS NULL
                    OR (l.external_id, l.email, l.first_name, l.last_name)
                        IS DISTINCT FROM
                        (w.old_external_id, w.old_email, w.old_first_name, w.old_last_name)
                ),
                false
            ) AS is_raced
        FROM wanted AS w
        LEFT JOIN locked AS l ON l.id = w.id
        WHERE w.is_changed AND (SELECT t.is_free FROM turn AS t)
    ) AS l
),

updated AS (
    UPDATE users AS u
    SET
        external_id = w.external_id, email = w.email,
        first_name = w.first_name, last_name = w.last_name
    FROM wanted AS w
    WHERE (SELECT v.is_applied FROM verdict AS v)
        AND w.is_changed
        AND u.tenant_id = $1 AND u.id = w.id
        AND u.id = ANY (ARRAY(SELECT c.id FROM wanted AS c WHERE c.is_changed))
),

inserted AS (
    INSERT INTO users (tenant_id, external_id, email, first_name, last_name)
    SELECT $1, w.external_id, w.email, w.first_name, w.last_name
    FROM wanted AS w
    WHERE (SELECT v.is_applied FROM verdict AS v) AND w.is_new
    ORDER BY w.no
    RETURNING id, email
),

-- For the audit log: ids alone, which tell nobody's name once the user is erased.
audited AS (
    INSERT INTO audit_outbox
        (tenant_id, event, api_key_id, address, request_id, created_ids, updated_ids)
    SELECT
        $1, 'users.fed', $9::bigint, $10::text, $11::text,
        (SELECT coalesce(array_agg(i.id), '{}') FROM inserted AS i),
        (SELECT coalesce(array_agg(w.id), '{}') FROM wanted AS w WHERE w.is_changed)
    FROM verdict AS v
    WHERE v.is_applied
)

SELECT
    v.is_raced, w.is_duplicate, w.is_email_taken, w.is_new, w.is_changed,
    coalesce(w.id, i.id) AS id,
    w.external_id, w.email, w.first_name, w.last_name, w.deactivated_at
FROM wanted AS w
CROSS JOIN verdict AS v
LEFT JOIN inserted AS i ON i.email = w.email
ORDER BY w.no
