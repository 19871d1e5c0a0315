//! Rows of cases.

use diesel::{
    pg::data_types::PgTimestamp,
    sql_types::{BigInt, Nullable, Text, Timestamptz},
};
use domain::{CaseId, CaseStatus, DirectoryCase, ExternalId, Priority, TeamId};

use crate::time::from_postgres;

/// The types of the columns: the id, null of a case that is not created, the external id, name,
/// description, priority, status, team, and the times, null of a case that is not created.
pub(super) type Columns = (
    Nullable<BigInt>,
    Nullable<Text>,
    Text,
    Text,
    Text,
    Text,
    Nullable<BigInt>,
    Nullable<Timestamptz>,
    Nullable<Timestamptz>,
);

/// The values of the columns.
pub(super) type Row = (
    Option<i64>,
    Option<String>,
    String,
    String,
    String,
    String,
    Option<i64>,
    Option<PgTimestamp>,
    Option<PgTimestamp>,
);

/// Returns the case in a row; `None` if a value is invalid.
pub(super) fn to_case(row: Row) -> Option<DirectoryCase> {
    let (id, external_id, name, description, priority, status, team, created_at, updated_at) = row;
    Some(DirectoryCase {
        id: match id {
            Some(id) => Some(CaseId::new(id)?),
            None => None,
        },
        external_id: external_id.map(ExternalId::parse).transpose().ok()?,
        name,
        description,
        priority: Priority::from_name(&priority)?,
        status: CaseStatus::from_name(&status)?,
        team: match team {
            Some(team) => Some(TeamId::new(team)?),
            None => None,
        },
        created_at: created_at.map(from_postgres),
        updated_at: updated_at.map(from_postgres),
    })
}
