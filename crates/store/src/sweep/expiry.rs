//! How rows expire.

use diesel::pg::data_types::PgTimestamp;

/// Whose rows a sweep goes through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tenants {
    /// All rows of the table, so those of tenants that are gone, too.
    All,
    /// Those of tenants that have API keys: every row was written with one.
    WithKeys,
}

/// The order in which rows are gone through, along an index. What comes after the tenant in it is the place of a row.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Order {
    /// Tenant by tenant, and in each by the time when rows were created. The index has the columns `tenant_id`,
    /// `created_at`.
    Time,
    /// Tenant by tenant, and in each by the ids of rows, which ascend roughly with time. The index has the columns
    /// `tenant_id`, `id`.
    Id,
    /// By the ids of rows, whosever they are. The first column of the index is `id`.
    IdOfAll,
}

impl Order {
    /// Returns the place of a row.
    pub(super) fn place(self, id: i64, created_at: PgTimestamp) -> i64 {
        match self {
            Self::Time => created_at.0,
            Self::Id | Self::IdOfAll => id,
        }
    }

    /// Returns the column of the place, and its type.
    pub(super) fn column(self) -> (&'static str, &'static str) {
        match self {
            Self::Time => ("created_at", "timestamptz"),
            Self::Id | Self::IdOfAll => ("id", "bigint"),
        }
    }

    /// Returns the id of a row, where that is its place.
    pub(super) fn id(self, id: &'static str) -> &'static str {
        match self {
            Self::Time => "0::bigint",
            Self::Id | Self::IdOfAll => id,
        }
    }
}

/// How the rows of one table expire.
#[derive(Debug)]
pub(crate) struct Expiry {
    /// The name of the query in logs.
    pub(crate) name: &'static str,
    /// The advisory lock by which programs that sweep at the same time exclude each other.
    pub(crate) lock: i64,
    /// The table.
    pub(crate) table: &'static str,
    /// What orders the rows. The primary key, or another index, has the rows in this order.
    pub(crate) order: Order,
    /// The table whose rows go first: a row is kept as long as that table has one at an earlier place. Both have their
    /// ids as places, from one sequence.
    pub(crate) after: Option<&'static Expiry>,
}
