//! The statements of a sweep.

use super::expiry::{Expiry, Order, Tenants};

/// Begins with a tenant and a place, and goes through the tenants after it one by one, each from `{since}` on. Of each it
/// has the first row.
const FIRST: &str = "\
    WITH RECURSIVE first AS (
        SELECT
            {tenant}::bigint AS tenant_id,
            {begin}::{type} AS since,
            r.place,
            r.created_at
        FROM (VALUES (true)) AS one
        LEFT JOIN LATERAL (
            SELECT r.{place} AS place, r.created_at
            FROM {table} AS r
            WHERE r.tenant_id = {tenant} AND r.{place} >= {begin}
            ORDER BY r.{place}
            LIMIT 1
        ) AS r ON true
        UNION ALL
        SELECT next.tenant_id, {since}::{type}, next.place, next.created_at
        FROM first AS f
        CROSS JOIN LATERAL ({next}) AS next
    )";

/// The tenant after `f` that has rows, and the first one of those. Postgres before version 18 looks for it among all entries
/// of that tenant, also where it does not look at their rows: of those that were deleted, too.
const NEXT_OF_ALL: &str = "\
    SELECT r.tenant_id, r.{place} AS place, r.created_at
    FROM {table} AS r
    WHERE r.tenant_id > f.tenant_id AND r.{place} >= {since}
    ORDER BY r.tenant_id, r.{place}
    LIMIT 1";

/// The tenant after `f` that has an API key, and its first row, if it has one. No look-up begins elsewhere than at a place
/// in the entries of a tenant that is known.
const NEXT_WITH_KEYS: &str = "\
    SELECT k.tenant_id, r.place, r.created_at
    FROM (
        SELECT a.tenant_id
        FROM api_keys AS a
        WHERE a.tenant_id > f.tenant_id
        ORDER BY a.tenant_id
        LIMIT 1
    ) AS k
    LEFT JOIN LATERAL (
        SELECT r.{place} AS place, r.created_at
        FROM {table} AS r
        WHERE r.tenant_id = k.tenant_id AND r.{place} >= {since}
        ORDER BY r.{place}
        LIMIT 1
    ) AS r ON true";

/// Selects the first row of all.
///
/// - `$1`: the place from which it is looked for
/// - `$2`: how old a row must be at least, in seconds, so that none comes before it any more
const FIRST_ROW: &str = "\
    {first}
    SELECT
        {id} AS id, f.created_at,
        f.created_at < now() - make_interval(secs => $2) AS is_settled
    FROM first AS f
    WHERE f.place IS NOT NULL
    ORDER BY f.place
    LIMIT 1";

/// Deletes rows, `{most}` at most, and returns them. The number is a part of the text, so that the planner knows it.
///
/// - `$1`: how old they are at least, in seconds
/// - `$2`, `$3`: the tenant with which it begins, and the place in its rows
/// - `$4`: the place in the rows of all tenants after that one
/// - `$5`: the place of the first row of the table whose rows go first; only if there is such a table
///
/// If the first row of a tenant has not expired, the others are not read. Rows are deleted by their places in the table: to
/// find each by its key would read a page of the primary key for each, as keys have no order.
///
/// What has expired, and is before `$5`, is filtered outside of the innermost query: with both bounds of a time or an
/// id in it, the planner takes the rows between them for few, and would read and sort all of them.
const DELETION: &str = "\
    {first}
    DELETE FROM {table} AS e
    WHERE e.ctid = ANY (ARRAY(
        SELECT oldest.row
        FROM first AS f
        CROSS JOIN LATERAL (
            SELECT o.ctid AS row, o.{place} AS place, o.created_at
            FROM {table} AS o
            WHERE o.tenant_id = f.tenant_id AND o.{place} >= f.since
            ORDER BY o.{place}
            LIMIT {most}
        ) AS oldest
        WHERE f.created_at < now() - make_interval(secs => $1)
            AND oldest.created_at < now() - make_interval(secs => $1){barrier}
        LIMIT {most}
    ))
    RETURNING e.tenant_id, {id} AS id, e.created_at";

/// What [`DELETION`] has instead of `{barrier}` if there is a table whose rows go first. A tenant is left at once whose
/// first row is behind that table's first one.
const BARRIER: &str = "
            AND f.place < $5
            AND oldest.place < $5";

/// As [`FIRST_ROW`], if all tenants are gone through together.
///
/// - `$1`: the id from which it is looked for
/// - `$2`: how old a row must be at least, in seconds, so that none comes before it any more
const FIRST_ROW_OF_ALL: &str = "\
    SELECT r.id, r.created_at, r.created_at < now() - make_interval(secs => $2) AS is_settled
    FROM {table} AS r
    WHERE r.id >= $1
    ORDER BY r.id
    LIMIT 1";

/// As [`DELETION`], if all tenants are gone through together.
///
/// - `$1`: how old they are at least, in seconds
/// - `$3`: the id from which rows are looked for: the last one that the step before has deleted
///
/// `$2` and `$4` are not used: there is no tenant to begin with, and none after it.
const DELETION_OF_ALL: &str = "\
    DELETE FROM {table} AS e
    WHERE e.ctid = ANY (ARRAY(
        SELECT oldest.row
        FROM (
            SELECT o.ctid AS row, o.created_at
            FROM {table} AS o
            WHERE o.id >= $3
                AND (
                    SELECT f.created_at FROM {table} AS f WHERE f.id >= $3 ORDER BY f.id LIMIT 1
                ) < now() - make_interval(secs => $1)
            ORDER BY o.id
            LIMIT {most}
        ) AS oldest
        WHERE oldest.created_at < now() - make_interval(secs => $1)
    ))
    RETURNING 0::bigint AS tenant_id, e.id, e.created_at";

/// Returns the statement that selects the first row of a table.
pub(super) fn first_row(table: &str, order: Order, tenants: Tenants) -> String {
    if matches!(order, Order::IdOfAll) {
        return FIRST_ROW_OF_ALL.replace("{table}", table);
    }
    // Before all tenants.
    let begin = [("{tenant}", "'-9223372036854775808'"), ("{begin}", "$1"), ("{since}", "$1")];
    let id = order.id("f.place");
    complete(FIRST_ROW, &begin, (table, order, tenants), id)
}

impl Expiry {
    /// Returns the statement that deletes up to `most` rows of these tenants.
    pub(crate) fn deletion(&self, tenants: Tenants, most: u32) -> String {
        let (table, order) = (self.table, self.order);
        if matches!(order, Order::IdOfAll) {
            return DELETION_OF_ALL.replace("{table}", table).replace("{most}", &most.to_string());
        }
        let begin = [("{tenant}", "$2"), ("{begin}", "$3"), ("{since}", "$4")];
        let text = complete(DELETION, &begin, (table, order, tenants), order.id("e.id"));
        let barrier = if self.after.is_some() { BARRIER } else { "" };
        text.replace("{most}", &most.to_string()).replace("{barrier}", barrier)
    }
}

fn complete(
    text: &str,
    begin: &[(&str, &str)],
    (table, order, tenants): (&str, Order, Tenants),
    id: &str,
) -> String {
    let next = match tenants {
        Tenants::All => NEXT_OF_ALL,
        Tenants::WithKeys => NEXT_WITH_KEYS,
    };
    let (place, kind) = order.column();
    let mut text = text.replace("{first}", FIRST).replace("{next}", next);
    let rest = [("{table}", table), ("{place}", place), ("{type}", kind), ("{id}", id)];
    for (name, value) in begin.iter().chain(&rest) {
        text = text.replace(name, value);
    }
    text
}
