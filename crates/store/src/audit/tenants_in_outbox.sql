-- Returns the tenants of whom changes are in the outbox, and the time of the oldest change of each. It reads one row
-- of each, however many wait.

WITH RECURSIVE oldest AS (
    (
        SELECT o.tenant_id, o.created_at
        FROM audit_outbox AS o
        ORDER BY o.tenant_id, o.id
        LIMIT 1
    )
    UNION ALL
    SELECT next.tenant_id, next.created_at
    FROM oldest AS last
    CROSS JOIN LATERAL (
        SELECT o.tenant_id, o.created_at
        FROM audit_outbox AS o
        WHERE o.tenant_id > last.tenant_id
        ORDER BY o.tenant_id, o.id
        LIMIT 1
    ) AS next
)

SELECT o.tenant_id, o.created_at FROM oldest AS o
