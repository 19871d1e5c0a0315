-- Returns a page of a list of cases, along the primary key. The name in braces stands for the source in
-- list.rs: which cases are listed.
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
--
-- If the total is known, a page in the second half is read from the end, so that a late page takes
-- no longer than an early one.

WITH head AS MATERIALIZED (
    SELECT CASE WHEN $8::boolean THEN (SELECT count(*) FROM {source}) END AS total
),

page AS MATERIALIZED (
    (
        SELECT
            c.id, c.name, c.description, c.priority, c.status, c.team_id, c.created_at, c.updated_at
        FROM {source} AND c.id > $5::bigint
        ORDER BY c.id
        OFFSET $6::bigint
        LIMIT (
            SELECT CASE WHEN $5 = 0 AND $6 > total / 2 THEN 0 ELSE $7::bigint END FROM head
        )
    )
    UNION ALL
    (
        SELECT
            c.id, c.name, c.description, c.priority, c.status, c.team_id, c.created_at, c.updated_at
        FROM {source}
        ORDER BY c.id DESC
        OFFSET (
            SELECT greatest(coalesce(total, 0) - least($6, coalesce(total, 0)) - $7, 0) FROM head
        )
        LIMIT (
            SELECT
                CASE WHEN $5 = 0 AND $6 > total / 2 THEN greatest(least($7, total - $6), 0) ELSE 0 END
            FROM head
        )
    )
)

SELECT
    head.total,
    p.id, p.name, p.description, p.priority, p.status, p.team_id, p.created_at, p.updated_at
FROM head
LEFT JOIN page AS p ON true
ORDER BY p.id
