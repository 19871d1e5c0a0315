-- Deletes a case with its tasks: all of it or nothing, in one statement of a transaction that has locked
-- the case and its tasks.
--
--   1, 2   the tenant and the case
--   3      the times at which the case may have been changed last; null if that does not matter
--   4, 5   the API key and the request that delete it
--   6      the client's address; null if it is unknown
--
-- The result is one row:
--
--   case_exists  whether the tenant has the case
--   is_stale     whether it was changed at another time than those given

WITH state AS MATERIALIZED (
    SELECT
        c.id IS NOT NULL AS case_exists,
        c.id IS NOT NULL AND $3::timestamptz[] IS NOT NULL AND NOT c.updated_at = ANY ($3)
            AS is_stale
    FROM (SELECT) AS one
    LEFT JOIN cases AS c ON c.tenant_id = $1 AND c.id = $2
),

verdict AS MATERIALIZED (
    SELECT s.case_exists AND NOT s.is_stale AS is_applied FROM state AS s
),

unassigned AS (
    DELETE FROM task_assignees AS ta
    USING tasks AS t
    WHERE (SELECT v.is_applied FROM verdict AS v)
        AND t.tenant_id = $1 AND t.case_id = $2
        AND ta.tenant_id = $1 AND ta.task_id = t.id
),

deleted AS (
    DELETE FROM tasks AS t
    WHERE (SELECT v.is_applied FROM verdict AS v) AND t.tenant_id = $1 AND t.case_id = $2
    RETURNING t.id, t.updated_at, t.creation_event_id
),

event AS (
    INSERT INTO task_events
        (
            tenant_id, kind, case_id, task_id, creation_event_id, api_key_id, request_id,
            created_at
        )
    SELECT
        $1, 'deleted', $2, d.id, d.creation_event_id, $4::bigint, $5::text,
        greatest(now(), d.updated_at)
    FROM deleted AS d
    ORDER BY d.id
),

deleted_case AS (
    DELETE FROM cases AS c
    WHERE (SELECT v.is_applied FROM verdict AS v) AND c.tenant_id = $1 AND c.id = $2
    RETURNING c.id
),

-- For the audit log.
audited AS (
    INSERT INTO audit_outbox
        (tenant_id, event, api_key_id, address, request_id, subject_id, details)
    SELECT
        $1, 'case.deleted', $4, $6::text, $5, c.id,
        'tasks=' || (SELECT count(*) FROM deleted AS d)
    FROM deleted_case AS c
)

SELECT s.case_exists, s.is_stale FROM state AS s
