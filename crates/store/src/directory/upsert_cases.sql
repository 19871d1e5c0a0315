-- Creates or changes cases by the caller's own ids: all of them or none, in one statement.
--
--   1         the tenant
--   2 to 7    for each case, numbered from 1: the external id, the name, and what is null where it stays
--             as it is: the description, the priority, the status, and the team (0: none)
--   8         whether to find out only what would happen
--   9, 10     the advisory lock of the tenant's turn
--   11 to 13  the API key that feeds them, the client's address (null: unknown), and the request
--
-- No external id is given twice. The result is one row for each case:
--
--   is_raced  whether another transaction has the tenant's turn or has locked one of the cases, or has
--             changed one since the statement began: the statement sees the rest of the data as it was
--             before. Nothing was changed, and it is to be run again
--   is_new, is_changed
--             whether the case is created, and whether one that exists is changed
--   external_id, and the case's columns as they are now; without id and times if it is not created
--
-- Cases are locked in the order of their ids, and those that stay as they are are not locked. Nobody who
-- creates tasks waits for these locks.

WITH entry AS MATERIALIZED (
    SELECT e.no, e.external_id, e.name, e.description, e.priority, e.status, e.team_id
    FROM unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::bigint[])
        WITH ORDINALITY AS e (external_id, name, description, priority, status, team_id, no)
),

-- The cases as they are to be, and as they were when the statement began.
wanted AS MATERIALIZED (
    SELECT
        e.no, c.id, e.external_id, e.name,
        coalesce(e.description, c.description, '') AS description,
        coalesce(e.priority, c.priority, 'LOW') AS priority,
        coalesce(e.status, c.status, 'OPEN') AS status,
        CASE WHEN e.team_id IS NULL THEN c.team_id ELSE nullif(e.team_id, 0) END AS team_id,
        c.created_at, c.updated_at,
        c.id IS NULL AS is_new,
        c.id IS NOT NULL
            AND (
                e.name <> c.name
                OR e.description <> c.description
                OR e.priority <> c.priority
                OR e.status <> c.status
                OR e.team_id IS NOT NULL AND nullif(e.team_id, 0) IS DISTINCT FROM c.team_id
            ) IS TRUE AS is_changed
    FROM entry AS e
    -- LIMIT makes this a look-up by index, whatever the planner believes of the size of the table.
    LEFT JOIN LATERAL (
        SELECT
            c.id, c.name, c.description, c.priority, c.status, c.team_id, c.created_at, c.updated_at
        FROM cases AS c
        WHERE c.tenant_id = $1 AND c.external_id = e.external_id
        LIMIT 1
    ) AS c ON true
),

-- Whether the tenant's turn was free; null if nothing is to be written.
turn AS MATERIALIZED (
    SELECT
        CASE
            WHEN $8::boolean THEN NULL
            WHEN NOT (SELECT bool_or(w.is_new OR w.is_changed) FROM wanted AS w) THEN NULL
            ELSE pg_try_advisory_xact_lock($9::integer, $10::integer)
        END AS is_free
),

locked AS MATERIALIZED (
    SELECT c.id, c.updated_at
    FROM wanted AS w
    JOIN cases AS c ON c.tenant_id = $1 AND c.id = w.id
    WHERE w.is_changed AND (SELECT t.is_free FROM turn AS t)
        -- So are these.
        AND c.id = ANY (ARRAY(SELECT n.id FROM wanted AS n WHERE n.is_changed))
    ORDER BY c.id
    FOR NO KEY UPDATE OF c SKIP LOCKED
),

verdict AS MATERIALIZED (
    SELECT
        coalesce(t.is_free AND NOT l.is_raced, false) AS is_applied,
        coalesce(NOT t.is_free OR l.is_raced, false) AS is_raced
    FROM turn AS t
    CROSS JOIN (
        SELECT coalesce(bool_or(l.updated_at IS DISTINCT FROM w.updated_at), false) AS is_raced
        FROM wanted AS w
        LEFT JOIN locked AS l ON l.id = w.id
        WHERE w.is_changed AND (SELECT t.is_free FROM turn AS t)
    ) AS l
),

updated AS (
    UPDATE cases AS c
    SET
        name = w.name, description = w.description, priority = w.priority, status = w.status,
        team_id = w.team_id,
        -- Forward in any case: this is what tells one state of a case from another.
        updated_at = greatest(now(), c.updated_at + interval '1 microsecond')
    FROM wanted AS w
    WHERE (SELECT v.is_applied FROM verdict AS v)
        AND w.is_changed
        AND c.tenant_id = $1 AND c.id = w.id
        AND c.id = ANY (ARRAY(SELECT n.id FROM wanted AS n WHERE n.is_changed))
    RETURNING c.id, c.external_id, c.created_at, c.updated_at
),

inserted AS (
    INSERT INTO cases (tenant_id, external_id, name, description, priority, status, team_id)
    SELECT $1, w.external_id, w.name, w.description, w.priority, w.status, w.team_id
    FROM wanted AS w
    WHERE (SELECT v.is_applied FROM verdict AS v) AND w.is_new
    ORDER BY w.no
    RETURNING id, external_id, created_at, updated_at
),

-- For the audit log.
audited AS (
    INSERT INTO audit_outbox
        (tenant_id, event, api_key_id, address, request_id, created_ids, updated_ids)
    SELECT
        $1, 'cases.fed', $11::bigint, $12::text, $13::text,
        (SELECT coalesce(array_agg(i.id), '{}') FROM inserted AS i),
        (SELECT coalesce(array_agg(u.id), '{}') FROM updated AS u)
    FROM verdict AS v
    WHERE v.is_applied
)

SELECT
    v.is_raced, w.is_new, w.is_changed, w.external_id,
    coalesce(w.id, n.id) AS id, w.name, w.description, w.priority, w.status, w.team_id,
    coalesce(w.created_at, n.created_at) AS created_at,
    coalesce(n.updated_at, w.updated_at) AS updated_at
FROM wanted AS w
CROSS JOIN verdict AS v
LEFT JOIN (
    SELECT u.id, u.external_id, u.created_at, u.updated_at FROM updated AS u
    UNION ALL
    SELECT i.id, i.external_id, i.created_at, i.updated_at FROM inserted AS i
) AS n ON n.external_id = w.external_id
ORDER BY w.no
