-- Changes a case, in one statement.
--
--   1, 2     the tenant and the case
--   3 to 6   its new name, description, priority and status (null: as it is)
--   7, 8     whether it gets another team, and that team or null for none
--   9        the times at which it may have been changed last; null if that does not matter
--   10       whether to find out only what would happen
--   11 to 13 the API key that changes it, the client's address (null: unknown), and the request
--
-- The result is one row:
--
--   is_stale  whether the case was changed at another time than those given
--   is_raced  whether another transaction has locked the case, or has changed or deleted it since the
--             statement began. Nothing was changed, and it is to be run again, in a transaction that
--             has locked the case
--   the case's columns as they are now, null if it does not exist
--
-- The lock is one that lets others create tasks in the case.

WITH locked AS MATERIALIZED (
    SELECT
        c.id, c.name, c.description, c.priority, c.status, c.team_id, c.created_at, c.updated_at
    FROM cases AS c
    WHERE c.tenant_id = $1 AND c.id = $2
    FOR NO KEY UPDATE OF c SKIP LOCKED
),

-- The case as it was when the statement began.
seen AS MATERIALIZED (
    SELECT c.updated_at FROM cases AS c WHERE c.tenant_id = $1 AND c.id = $2
),

wanted AS MATERIALIZED (
    SELECT
        l.id,
        coalesce($3::text, l.name) AS name,
        coalesce($4::text, l.description) AS description,
        coalesce($5::text, l.priority) AS priority,
        coalesce($6::text, l.status) AS status,
        CASE WHEN $7::boolean THEN $8::bigint ELSE l.team_id END AS team_id,
        l.created_at, l.updated_at,
        l.updated_at IS DISTINCT FROM s.updated_at AS is_raced,
        l.id IS NOT NULL AND $9::timestamptz[] IS NOT NULL AND NOT l.updated_at = ANY ($9)
            AS is_stale
    FROM (SELECT) AS one
    LEFT JOIN locked AS l ON true
    LEFT JOIN seen AS s ON true
),

updated AS (
    UPDATE cases AS c
    SET
        name = w.name,
        description = w.description,
        priority = w.priority,
        status = w.status,
        team_id = w.team_id,
        -- Forward in any case: this is what tells one state of a case from another.
        updated_at = greatest(now(), c.updated_at + interval '1 microsecond')
    FROM wanted AS w
    WHERE NOT $10::boolean AND NOT w.is_raced AND NOT w.is_stale
        AND c.tenant_id = $1 AND c.id = w.id
        AND (c.name, c.description, c.priority, c.status, c.team_id)
            IS DISTINCT FROM (w.name, w.description, w.priority, w.status, w.team_id)
    RETURNING c.id, c.updated_at
),

-- For the audit log: which fields were changed, not what they are.
audited AS (
    INSERT INTO audit_outbox
        (tenant_id, event, api_key_id, address, request_id, subject_id, details)
    SELECT
        $1, 'case.changed', $11::bigint, $12::text, $13::text, u.id,
        'fields=' || concat_ws(
            ',',
            CASE WHEN l.name <> w.name THEN 'name' END,
            CASE WHEN l.description <> w.description THEN 'description' END,
            CASE WHEN l.priority <> w.priority THEN 'priority' END,
            CASE WHEN l.status <> w.status THEN 'status' END,
            CASE WHEN l.team_id IS DISTINCT FROM w.team_id THEN 'team_id' END
        )
    FROM updated AS u
    JOIN wanted AS w ON w.id = u.id
    JOIN locked AS l ON l.id = u.id
)

SELECT
    w.is_stale, w.is_raced,
    w.id, w.name, w.description, w.priority, w.status, w.team_id, w.created_at,
    coalesce(u.updated_at, w.updated_at) AS updated_at
FROM wanted AS w
LEFT JOIN updated AS u ON true
