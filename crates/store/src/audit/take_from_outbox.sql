-- Deletes the oldest changes of a tenant from the outbox, and returns them.
--
--   1  the tenant
--   2  how many at most
--
-- The result is one row for each change, in no order: its columns.

DELETE FROM audit_outbox AS o
WHERE o.tenant_id = $1
    AND o.id = ANY (
        ARRAY(
            SELECT n.id
            FROM audit_outbox AS n
            WHERE n.tenant_id = $1
            ORDER BY n.id
            LIMIT $2::bigint
        )
    )
RETURNING
    o.id, o.created_at, o.event, o.api_key_id, o.address, o.request_id, o.subject_id,
    o.created_ids, o.updated_ids, o.details
