-- Returns a page of the cases that were changed after a time, in the order of their changes, and of their ids
-- where these are the same.
--
--   1     the tenant
--   2     their status; null for all
--   3, 4  the time and the case of the change after which the page begins
--   5     how many cases to return at most
--
-- The result is one row for each case: the caller's own id, and the case's columns.

SELECT
    c.external_id,
    c.id, c.name, c.description, c.priority, c.status, c.team_id, c.created_at, c.updated_at
FROM cases AS c
WHERE c.tenant_id = $1
    -- One comparison of both, which the index serves as a whole.
    AND (c.updated_at, c.id) > ($3::timestamptz, $4::bigint)
    AND ($2::text IS NULL OR c.status = $2)
ORDER BY c.updated_at, c.id
LIMIT $5::bigint
