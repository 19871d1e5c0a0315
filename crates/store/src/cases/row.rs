//! The columns of a case, as the statements that read cases return them.

use diesel::{
    pg::data_types::PgTimestamp,
    sql_types::{BigInt, Nullable, Text, Timestamptz},
};
use domain::{Case, CaseId, CaseStatus, Priority, TeamId};

use crate::{error::Error, schema::cases, time::from_postgres};

/// The columns, for queries in Diesel's DSL.
pub(crate) type Columns = (
    cases::id,
    cases::name,
    cases::description,
    cases::priority,
    cases::status,
    cases::team_id,
    cases::created_at,
    cases::updated_at,
);

/// The same as a value.
pub(crate) const COLUMNS: Columns = (
    cases::id,
    cases::name,
    cases::description,
    cases::priority,
    cases::status,
    cases::team_id,
    cases::created_at,
    cases::updated_at,
);

/// Their values.
pub(crate) type Row = (i64, String, String, String, String, Option<i64>, PgTimestamp, PgTimestamp);

/// The types of the columns in statements that have a row without a case, too.
pub(crate) type OptionalColumns = (
    Nullable<BigInt>,
    Nullable<Text>,
    Nullable<Text>,
    Nullable<Text>,
    Nullable<Text>,
    Nullable<BigInt>,
    Nullable<Timestamptz>,
    Nullable<Timestamptz>,
);

/// Their values.
pub(crate) type OptionalRow = (
    Option<i64>,
    Option<String>,
    Option<String>,
    Option<String>,
    Option<String>,
    Option<i64>,
    Option<PgTimestamp>,
    Option<PgTimestamp>,
);

/// Returns the case in a row.
pub(crate) fn to_case(row: Row) -> Result<Case, Error> {
    let (id, name, description, priority, status, team, created_at, updated_at) = row;
    let case = || {
        Some(Case {
            id: CaseId::new(id)?,
            name,
            description,
            priority: Priority::from_name(&priority)?,
            status: CaseStatus::from_name(&status)?,
            team: match team {
                Some(team) => Some(TeamId::new(team)?),
                None => None,
            },
            created_at: from_postgres(created_at),
            updated_at: from_postgres(updated_at),
        })
    };
    case().ok_or_else(|| invalid(id))
}

/// Returns the case in a row; `None` if there is none.
pub(crate) fn to_optional_case(row: OptionalRow) -> Result<Option<Case>, Error> {
    let (Some(id), name, description, priority, status, team, created_at, updated_at) = row else {
        return Ok(None);
    };
    let whole =
        || Some((id, name?, description?, priority?, status?, team, created_at?, updated_at?));
    whole().ok_or_else(|| invalid(id)).and_then(to_case).map(Some)
}

/// The error that a case is stored with a value that no case may have.
pub(crate) fn invalid(id: i64) -> Error {
    Error::internal(format!("case {id} is stored with an invalid value"))
}
