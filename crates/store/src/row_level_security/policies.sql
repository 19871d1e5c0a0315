-- Returns the first table with a policy that is not that of deploy/row_level_security.sql; null if there is none.
--
-- Postgres locks a table (ACCESS SHARE) to print its policies. So this waits while a table is locked exclusively, or
-- while somebody waits for that lock.

SELECT min(c.relname::text) AS name
FROM pg_policy AS p
JOIN pg_class AS c ON c.oid = p.polrelid
WHERE c.relnamespace = (SELECT s.relnamespace FROM pg_class AS s WHERE s.oid = 'tasks'::regclass)
    AND CASE p.polname
        WHEN 'caseload_tenants'
            THEN (pg_get_expr(p.polqual, p.polrelid) LIKE '%caseload.tenants%') IS NOT TRUE
        WHEN 'caseload_all'
            THEN pg_get_expr(p.polqual, p.polrelid) IS DISTINCT FROM 'true'
        ELSE false
    END
