-- Returns a page of a list of cases, along the primary key.
--
--   1        the tenant
--   2 to 4   their priority, their status and their team; null for all
--   5        the id of the case after which the page begins
--   6, 7     how many cases to skip from there, and how many to return at most
--   8        whether to count all
--
-- The result is one row for each case, or one without a case:
--
--   total    how many cases there are in all; null if that was not asked for
--   the case's columns, null if the page is empty

WITH head AS MATERIALIZED (
    SELECT
        CASE
            WHEN $8::boolean THEN (
                SELECT count(*)
                FROM cases AS c
                WHERE c.tenant_id = $1
                    AND ($2::text IS NULL OR c.priority = $2)
                    AND ($3::text IS NULL OR c.status = $3)
                    AND ($4::bigint IS NULL OR c.team_id = $4)
            )
        END AS total
),

page AS MATERIALIZED (
    SELECT
        c.id, c.name, c.description, c.priority, c.status, c.team_id, c.created_at, c.updated_at
    FROM cases AS c
    WHERE c.tenant_id = $1
        AND c.id > $5::bigint
        AND ($2::text IS NULL OR c.priority = $2)
        AND ($3::text IS NULL OR c.status = $3)
        AND ($4::bigint IS NULL OR c.team_id = $4)
    ORDER BY c.id
    OFFSET $6::bigint
    LIMIT $7::bigint
)

SELECT
    head.total,
    p.id, p.name, p.description, p.priority, p.status, p.team_id, p.created_at, p.updated_at
FROM head
LEFT JOIN page AS p ON true
ORDER BY p.id
