//! The statements of a sweep.

/// Whose rows a sweep goes through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tenants {
    /// All rows of the table, so those of tenants that are gone, too.
    All,
    /// Those of tenants that have API keys: every row was written with one.
    WithKeys,
}

/// What orders the rows of a tenant, and so is their place.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Order {
    /// The time when they were created.
    Time,
    /// Their ids, which ascend roughly with time.
    Id,
}

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
///
/// If the first row of a tenant has not expired, the others are not read. Rows are deleted by their places in the table: to
/// find each by its key would read a page of the primary key for each, as keys have no order.
///
/// What has expired is filtered outside of the innermost query: with both bounds of a time in it, the planner takes the
/// rows between them for few, and would read and sort all of them.
const DELETION: &str = "\
    {first}
    DELETE FROM {table} AS e
    WHERE e.ctid = ANY (ARRAY(
        SELECT oldest.row
        FROM first AS f
        CROSS JOIN LATERAL (
            SELECT o.ctid AS row, o.created_at
            FROM {table} AS o
            WHERE o.tenant_id = f.tenant_id AND o.{place} >= f.since
            ORDER BY o.{place}
            LIMIT {most}
        ) AS oldest
        WHERE f.created_at < now() - make_interval(secs => $1)
            AND oldest.created_at < now() - make_interval(secs => $1)
        LIMIT {most}
    ))
    RETURNING e.tenant_id, {id} AS id, e.created_at";

/// Returns the statement that selects the first row of a table.
pub(super) fn first_row(table: &str, order: Order, tenants: Tenants) -> String {
    // Before all tenants.
    let begin = [("{tenant}", "'-9223372036854775808'"), ("{begin}", "$1"), ("{since}", "$1")];
    let id = order.id("f.place");
    complete(FIRST_ROW, &begin, (table, order, tenants), id)
}

/// Returns the statement that deletes up to `most` rows.
pub(super) fn deletion(table: &str, order: Order, tenants: Tenants, most: u32) -> String {
    let begin = [("{tenant}", "$2"), ("{begin}", "$3"), ("{since}", "$4")];
    let text = complete(DELETION, &begin, (table, order, tenants), order.id("e.id"));
    text.replace("{most}", &most.to_string())
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

impl Order {
    /// Returns the column of the place, and its type.
    fn column(self) -> (&'static str, &'static str) {
        match self {
            Self::Time => ("created_at", "timestamptz"),
            Self::Id => ("id", "bigint"),
        }
    }

    /// Returns the id of a row, where that is its place.
    fn id(self, id: &'static str) -> &'static str {
        match self {
            Self::Time => "0::bigint",
            Self::Id => id,
        }
    }
}
