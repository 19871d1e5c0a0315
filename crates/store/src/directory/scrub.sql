-- Removes the names of some users from the next records of idempotency keys.
--
--   1, 2  the tenant and the users
--   3     the key after which they begin
--   4     how many there are
--
-- The result is the last of their keys; null if there are no more.

WITH part AS MATERIALIZED (
    SELECT
        k.key,
        -- Records whose names were removed before are not written again.
        k.user_ids && $2::bigint[] AND EXISTS (
            SELECT
            FROM unnest(k.user_ids, k.first_names, k.last_names)
                AS a (user_id, first_name, last_name)
            WHERE a.user_id = ANY($2::bigint[]) AND a.first_name || a.last_name <> ''
        ) AS has_name
    FROM idempotency_keys AS k
    WHERE k.tenant_id = $1 AND k.key > $3::text
    ORDER BY k.key
    LIMIT $4::bigint
),

scrubbed AS (
    UPDATE idempotency_keys AS k
    SET
        first_names = ARRAY(
            SELECT CASE WHEN a.user_id = ANY($2::bigint[]) THEN '' ELSE a.name END
            FROM unnest(k.user_ids, k.first_names) WITH ORDINALITY AS a (user_id, name, no)
            ORDER BY a.no
        ),
        last_names = ARRAY(
            SELECT CASE WHEN a.user_id = ANY($2::bigint[]) THEN '' ELSE a.name END
            FROM unnest(k.user_ids, k.last_names) WITH ORDINALITY AS a (user_id, name, no)
            ORDER BY a.no
        )
    FROM part AS p
    WHERE p.has_name AND k.tenant_id = $1 AND k.key = p.key
)

SELECT max(p.key) AS last FROM part AS p
